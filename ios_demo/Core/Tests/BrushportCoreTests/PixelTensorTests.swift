import XCTest

@testable import BrushportCore

final class PixelTensorTests: XCTestCase {
    private struct Range: Decodable {
        let range: [Float]
        let rgb: [UInt8]
        let values, odd: [Float]
        let clipped: [UInt8]
    }

    func testRangesAreThoseOfPython() throws {
        for one in try Vectors.read("ranges", as: Range.self) {
            let port = port([1, 1, one.rgb.count / 3, 3], .nhwc, one.range[0]...one.range[1])
            let picture = raster(one.rgb)
            let values = PixelTensor.numbers(of: picture, for: port)
            for (value, expected) in zip(values, one.values) {
                XCTAssertEqual(value, expected, accuracy: 1e-6 * (one.range[1] - one.range[0]))
            }
            XCTAssertEqual(PixelTensor.picture(from: values, of: port), picture)
            let odd = self.port([1, 1, one.odd.count / 3, 3], .nhwc, one.range[0]...one.range[1])
            XCTAssertEqual(Array(PixelTensor.picture(from: one.odd, of: odd).rgb), one.clipped)
        }
    }

    func testChannelsComeFirstOrLastAsThePortSays() {
        let picture = raster([1, 2, 3, 4, 5, 6])
        let last = port([1, 1, 2, 3], .nhwc, 0...255)
        let first = port([1, 3, 1, 2], .nchw, 0...255)
        XCTAssertEqual(PixelTensor.numbers(of: picture, for: last), [1, 2, 3, 4, 5, 6])
        XCTAssertEqual(PixelTensor.numbers(of: picture, for: first), [1, 4, 2, 5, 3, 6])
        XCTAssertEqual(PixelTensor.picture(from: [1, 4, 2, 5, 3, 6], of: first), picture)
    }

    func testWhatIsNoNumberIsBlack() {
        let picture = PixelTensor.picture(from: [.nan, 1, 0.5], of: port([1, 3, 1, 1], .nchw, 0...1))
        XCTAssertEqual(Array(picture.rgb), [0, 255, 128])
    }

    private func port(_ shape: [Int], _ layout: ModelPort.Layout, _ range: ClosedRange<Float>) -> ModelPort {
        ModelPort(name: "image", shape: shape, layout: layout, element: .float32, range: range)
    }

    private func raster(_ rgb: [UInt8]) -> Raster {
        let pixels = stride(from: 0, to: rgb.count, by: 3).map {
            Raster.pixel(red: rgb[$0], green: rgb[$0 + 1], blue: rgb[$0 + 2])
        }
        return Raster(width: pixels.count, height: 1, pixels: pixels)
    }
}
