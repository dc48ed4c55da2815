import XCTest

@testable import BrushportCore

final class MomentsTests: XCTestCase {
    private struct Photo: Decodable {
        struct Tile: Decodable {
            let measured: [Float]
            let down, across: [Double]
        }

        let channels: Int
        let blocks: [Int]
        let tiles: [Tile]
        let statistics: [Float]
    }

    func testTilesAddUpToTheWholePhoto() throws {
        for photo in try Vectors.read("moments", as: Photo.self) {
            for layout in [ModelPort.Layout.nhwc, .nchw] {
                let given = gathered(photo, layout)
                XCTAssertEqual(given.weights, given.weights.map { _ in 1 })
                for (found, expected) in zip(given.statistics, photo.statistics) {
                    XCTAssertEqual(found, expected, accuracy: 1e-4 * max(1, abs(expected)), "\(layout)")
                }
            }
        }
    }

    func testOnlyItsOwnNumbersAreKnownFromALayer() throws {
        let layer = StatisticsLayer(channels: 1, moments: 1, level: 1, offset: 1)
        let port = ModelPort(name: "measured", shape: [1, 3, 1, 2], layout: .nchw, element: .float32)
        var sums = Moments(of: layer, in: port)
        sums.add([9, 9, 1, 4, 9, 9], down: [8], across: [8, 4])
        var given = Given(count: 3)
        sums.store(in: &given)
        XCTAssertEqual(given.statistics, [0, 2, 0])
        XCTAssertEqual(given.weights, [0, 1, 0])
    }

    private func gathered(_ photo: Photo, _ layout: ModelPort.Layout) -> Given {
        let (rows, columns, count) = (photo.blocks[0], photo.blocks[1], photo.blocks[2])
        let shape = layout == .nhwc ? [1, rows, columns, count] : [1, count, rows, columns]
        let port = ModelPort(name: "measured", shape: shape, layout: layout, element: .float32)
        let layer = StatisticsLayer(channels: photo.channels, moments: 2, level: 1, offset: 0)
        var sums = Moments(of: layer, in: port)
        for tile in photo.tiles {
            let planes = (0..<(count * rows * columns)).map { place in
                tile.measured[place % (rows * columns) * count + place / (rows * columns)]
            }
            sums.add(layout == .nhwc ? tile.measured : planes, down: tile.down, across: tile.across)
        }
        var given = Given(count: count)
        sums.store(in: &given)
        return given
    }
}
