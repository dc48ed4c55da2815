import XCTest

@testable import BrushportCore

final class ManifestTests: XCTestCase {
    func testABundledManifestIsReadWhole() throws {
        let manifest = try Manifest(json: manifestJSON())
        XCTAssertEqual(manifest.file, "painter-fp16.mlpackage")
        XCTAssertEqual(manifest.resource, "painter-fp16")
        XCTAssertEqual([manifest.width, manifest.height], [128, 64])
        XCTAssertEqual(manifest.picture.element, .picture)
        XCTAssertEqual(manifest.painting.element, .float32)
        XCTAssertEqual(manifest.painting.range, -1...1)
        XCTAssertEqual(manifest.styles.map(\.title), ["The Great Wave", "Starry night"])
        XCTAssertEqual(manifest.styles.map(\.artist), ["Hokusai", ""])
        XCTAssertEqual(manifest.inputs.map(\.name), ["image", "style", "statistics", "given"])
        XCTAssertEqual(manifest.outputs.map(\.name), ["painting", "measured"])
        let tiles = try XCTUnwrap(manifest.tiles)
        XCTAssertEqual(tiles.layers.map(\.offset), [0, 6])
        XCTAssertEqual(tiles.count, 9)
        XCTAssertEqual(tiles.measured?.shape, [1, 9, 8, 16])
    }

    func testWithoutStylesOrTilesThereIsOneStyleAndOneSize() throws {
        let manifest = try Manifest(
            json: manifestJSON(
                (#""kind": "weights", "shape": [1, 2]"#, #""kind": "statistics", "shape": [1, 2]"#),
                (#"["wave", "starry_night"]"#, "[]"), (#""halo": 16"#, #""halo": null"#)))
        XCTAssertNil(manifest.weights)
        XCTAssertNil(manifest.tiles)
        XCTAssertEqual(manifest.styles.map(\.title), ["Painter"])
    }

    func testAFileWithoutTilesSaysNothingOfThem() throws {
        let text = String(decoding: manifestJSON(), as: UTF8.self)
        let start = try XCTUnwrap(text.range(of: ",\n  \"tiles\"")).lowerBound
        let manifest = try Manifest(json: Data((text[..<start] + "}}}").utf8))
        XCTAssertNil(manifest.tiles)
        XCTAssertEqual(manifest.styles.count, 2)
    }

    func testANetworkThatNeverLooksAtTheWholeHasTilesAndNoPortsForThem() throws {
        let manifest = try Manifest(
            json: manifestJSON(
                (
                    #"[{"channels": 3, "moments": 2, "level": 1}, {"channels": 3, "moments": 1, "level": 2}]"#, "[]"
                )))
        XCTAssertEqual(manifest.tiles?.halo, 16)
        XCTAssertNil(manifest.tiles?.measured)
        XCTAssertEqual(manifest.tiles?.count, 0)
    }

    func testWhatAnAppCannotWorkWithIsSaidInWords() {
        assertRefused("damaged (it is no JSON)", ("}}}", ""))
        assertRefused("damaged (there is no 'file')", (#""file""#, #""fil""#))
        assertRefused("damaged ('name' is of another kind)", (#""name": "image""#, #""name": 3"#))
        assertRefused("of format 2", (#""format": 1"#, #""format": 2"#))
        assertRefused("no Core ML file", (#""coreml":"#, #""tflite":"#))
        assertRefused("names 1 styles, the model takes 2", (#""wave", "starry_night""#, #""wave""#))
        assertRefused("'image' holds uint8", (#""dtype": "image""#, #""dtype": "uint8""#))
        assertRefused("'style' holds image", (#"null, "dtype": "float32""#, #"null, "dtype": "image""#))
        assertRefused("not RGB", (#""RGB""#, #""BGR""#))
        assertRefused("no single RGB picture", ("[1, 3, 64, 128]", "[2, 3, 64, 128]"))
        assertRefused("no single RGB picture", (#""layout": "NCHW""#, #""layout": "NHWC""#))
        assertRefused("another size", ("[1, 3, 64, 128]", "[1, 3, 64, 64]"))
        assertRefused("no pixels", ("[1, 3, 64, 128]", "[1, 3, 64, 0]"))
        assertRefused("no range", ("[-1, 1]", "null"))
        assertRefused("no range", ("[-1, 1]", "[1, -1]"))
        assertRefused("not from 0 to 255", ("[0, 255]", "[0, 1]"))
        assertRefused(
            "0 picture inputs", ("image", "picture"), (#""kind": "image""#, #""kind": "weights""#),
            (#""image""#, #""float32""#))
        assertRefused("does not know", (#""kind": "statistics""#, #""kind": "tensor""#))
        assertRefused("do not fit its port 'measured'", (#"3, "moments": 1"#, #"4, "moments": 1"#))
        assertRefused("do not fit its port 'measured'", ("[1, 9, 8, 16]", "[1, 9, 16, 8]"))
        assertRefused("do not fit its port 'taken'", (#""given": "given""#, #""given": "taken""#))
        assertRefused("a layer for tiles that cannot be", (#""moments": 2"#, #""moments": 3"#))
        assertRefused("do not fit the model's size", (#""halo": 16"#, #""halo": 32"#))
        assertRefused("do not fit the model's size", (#""halo": 16"#, #""halo": 12"#))
        assertRefused("do not fit the model's size", (#""block": 8"#, #""block": 16"#))
    }

    private func assertRefused(
        _ words: String, _ changes: (String, String)..., file: StaticString = #filePath, line: UInt = #line
    ) {
        var text = String(decoding: manifestJSON(), as: UTF8.self)
        for (was, now) in changes {
            guard let place = text.range(of: was) else {
                return XCTFail("the manifest does not say \(was)", file: file, line: line)
            }
            text.replaceSubrange(place, with: now)
        }
        XCTAssertThrowsError(try Manifest(json: Data(text.utf8)), file: file, line: line) { error in
            let said = (error as? PaintError)?.message ?? "\(error)"
            XCTAssertTrue(said.contains(words), "'\(said)' does not say '\(words)'", file: file, line: line)
        }
    }
}
