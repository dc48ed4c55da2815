import XCTest

@testable import BrushportCore

final class FitTests: XCTestCase {
    func testAPhotoIsMadeSmallEnoughAndNeverEnlarged() {
        let model = PixelSize(width: 512, height: 512)
        XCTAssertEqual(
            Fit.size(PixelSize(width: 4032, height: 3024), within: model), PixelSize(width: 512, height: 384))
        XCTAssertEqual(Fit.size(PixelSize(width: 300, height: 200), within: model), PixelSize(width: 300, height: 200))
        XCTAssertEqual(Fit.size(PixelSize(width: 9000, height: 3), within: model), PixelSize(width: 512, height: 1))
    }

    func testALongSideAndMemoryAreBounds() {
        let photo = PixelSize(width: 4000, height: 3000)
        XCTAssertEqual(Fit.size(photo, longSide: 1000, pixels: .max), PixelSize(width: 1000, height: 750))
        XCTAssertEqual(Fit.size(photo, longSide: .max, pixels: 3_000_000), PixelSize(width: 2000, height: 1500))
        XCTAssertEqual(Fit.size(photo, longSide: .max, pixels: .max), photo)
    }

    func testTheMiddleOfAFrameHasTheModelsAspect() {
        let frame = PixelSize(width: 1080, height: 1920)
        let square = Fit.middle(of: frame, like: PixelSize(width: 512, height: 512))
        XCTAssertEqual([square.x, square.y], [0, 420])
        XCTAssertEqual(square.size, PixelSize(width: 1080, height: 1080))
        let wide = Fit.middle(of: frame, like: PixelSize(width: 640, height: 480))
        XCTAssertEqual([wide.x, wide.y], [0, 555])
        XCTAssertEqual(wide.size, PixelSize(width: 1080, height: 810))
    }

    func testOnlyAModelWithTilesPaintsMoreThanItsOwnSize() throws {
        let tiled = try Manifest(json: manifestJSON())
        let sizes = PaintingSize.choices(for: tiled)
        XCTAssertEqual(sizes, [.model, .pixels(256), .pixels(512), .full])
        XCTAssertEqual(sizes.map { $0.longSide(for: tiled) }, [128, 256, 512, .max])
        XCTAssertEqual(
            sizes.map { $0.label(for: tiled) }, ["128 pixels", "256 pixels", "512 pixels", "Full size"])
        let plain = try Manifest(json: manifestJSON((#""halo": 16"#, #""halo": null"#)))
        XCTAssertEqual(PaintingSize.choices(for: plain), [.model])
    }

    func testFramesASecondAreThoseThatCameLast() throws {
        var rate = FrameRate(window: 3)
        XCTAssertNil(rate.frame(at: 10))
        XCTAssertEqual(try XCTUnwrap(rate.frame(at: 10.5)), 2, accuracy: 1e-9)
        XCTAssertEqual(try XCTUnwrap(rate.frame(at: 10.6)), 2 / 0.6, accuracy: 1e-9)
        XCTAssertEqual(try XCTUnwrap(rate.frame(at: 10.7)), 10, accuracy: 1e-9)
    }
}
