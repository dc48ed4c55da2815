import XCTest

@testable import BrushportCore

final class RasterTests: XCTestCase {
    func testAPixelIsBlueGreenRedAlphaInMemory() {
        let raster = Raster(width: 1, height: 1, pixels: [Raster.pixel(red: 1, green: 2, blue: 3)])
        XCTAssertEqual(raster.withUnsafeBytes { Array($0) }, [3, 2, 1, 255])
        XCTAssertEqual(Array(raster.rgb), [1, 2, 3])
    }

    func testRowsGoToMemoryWithGapsAndBack() {
        let picture = slope(width: 5, height: 3)
        var memory = [UInt8](repeating: 0xEE, count: 32 * 3)
        memory.withUnsafeMutableBytes { bytes in
            if let start = bytes.baseAddress {
                picture.copyRows(to: start, rowBytes: 32)
            }
        }
        XCTAssertEqual(Array(memory[20..<32]), [UInt8](repeating: 0xEE, count: 12))
        var back = Raster(width: 5, height: 3)
        memory.withUnsafeBytes { bytes in
            if let start = bytes.baseAddress {
                back.copyRows(from: start, rowBytes: 32)
            }
        }
        XCTAssertEqual(back, picture)
    }

    func testAPartIsCopiedWhereItBelongs() {
        let picture = slope(width: 6, height: 5)
        var other = Raster(width: 4, height: 4)
        other.copy(from: picture, fromX: 2, fromY: 1, toX: 1, toY: 2, width: 3, height: 2)
        XCTAssertEqual(other[1, 2], picture[2, 1])
        XCTAssertEqual(other[3, 3], picture[4, 2])
        XCTAssertEqual(other[0, 2], 0xFF00_0000)
        XCTAssertEqual(other[1, 1], 0xFF00_0000)
    }
}
