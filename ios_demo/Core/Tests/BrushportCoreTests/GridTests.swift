import XCTest

@testable import BrushportCore

final class GridTests: XCTestCase {
    private struct Line: Decodable {
        let length, side, halo, step, block: Int
        let starts, cuts: [Int]
        let shares: [[Double]]
    }

    private struct MirrorCase: Decodable {
        let length: Int
        let shown: [Int]
    }

    func testGridsAreThoseOfPython() throws {
        for line in try Vectors.read("grids", as: Line.self) {
            let grid = Grid(length: line.length, side: line.side, halo: line.halo, step: line.step)
            XCTAssertEqual(grid.starts, line.starts)
            XCTAssertEqual(grid.cuts, line.cuts)
            XCTAssertEqual(grid.starts.indices.map { grid.shares(of: $0, block: line.block) }, line.shares)
        }
    }

    func testTilesCoverALineOnceAndSeeEnough() {
        for length in [1, 63, 64, 65, 100, 129, 500, 4032] {
            let grid = Grid(length: length, side: 64, halo: 16)
            XCTAssertEqual(grid.cuts.first, 0)
            XCTAssertEqual(grid.cuts.last, length)
            for (tile, start) in grid.starts.enumerated() {
                XCTAssertTrue(start.isMultiple(of: Grid.step))
                XCTAssertLessThan(grid.cuts[tile], grid.cuts[tile + 1])
                XCTAssertTrue(tile == 0 || grid.cuts[tile] - start >= 16)
                XCTAssertTrue(tile == grid.starts.count - 1 || start + 64 - grid.cuts[tile + 1] >= 16)
            }
            XCTAssertGreaterThanOrEqual(grid.starts[grid.starts.count - 1] + 64, length)
            let shares = grid.starts.indices.flatMap { grid.shares(of: $0, block: 16) }
            XCTAssertEqual(shares.reduce(0, +), Double(length))
        }
    }

    func testAMirrorStandsAtEachEnd() throws {
        for line in try Vectors.read("mirrors", as: MirrorCase.self) {
            XCTAssertEqual(line.shown.indices.map { Grid.mirrored($0, length: line.length) }, line.shown)
        }
    }
}
