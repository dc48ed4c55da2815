import XCTest

@testable import BrushportCore

final class BlendingTests: XCTestCase {
    private struct Strength: Decodable {
        let strength: Float
        let photo, painting, blended: [UInt8]
    }

    private struct BrushCase: Decodable {
        let count, first, second: Int
        let mix: Float
        let weights: [Float]
    }

    func testStrengthIsByteByByteThatOfPython() throws {
        for one in try Vectors.read("strengths", as: Strength.self) {
            let blended = raster(one.photo).laidOver(by: raster(one.painting), strength: one.strength)
            XCTAssertEqual(blended, raster(one.blended), "at strength \(one.strength)")
        }
    }

    func testABrushHasTheWeightsOfPython() throws {
        for one in try Vectors.read("brushes", as: BrushCase.self) {
            let brush = Brush(first: one.first, second: one.second < 0 ? nil : one.second, mix: one.mix)
            XCTAssertEqual(brush.weights(count: one.count), one.weights)
        }
    }

    private func raster(_ rgb: [UInt8]) -> Raster {
        let pixels = stride(from: 0, to: rgb.count, by: 3).map {
            Raster.pixel(red: rgb[$0], green: rgb[$0 + 1], blue: rgb[$0 + 2])
        }
        return Raster(width: pixels.count, height: 1, pixels: pixels)
    }
}
