import XCTest

@testable import BrushportCore

/// Where progress is told to.
private actor Notes {
    private(set) var told: [[Int]] = []

    func note(_ done: Int, _ total: Int) {
        told.append([done, total])
    }
}

final class TilerTests: XCTestCase {
    private let weights: [Float] = [1, 0]

    func testAPhotoInTilesIsThePhotoPaintedAtOnce() async throws {
        let photo = slope(width: 300, height: 141)
        let painter = Normalizer(try Manifest(json: manifestJSON()))
        let tiler = Tiler(painter)
        let notes = Notes()
        let painting = try await tiler.paint(photo, weights: weights) { await notes.note($0, $1) }
        let runs = await painter.runs
        let told = await notes.told
        let withoutGiven = await painter.withoutGiven
        XCTAssertEqual(tiler.runs(width: 300, height: 141), runs)
        XCTAssertEqual(told, (1...runs).map { [$0, runs] })
        XCTAssertEqual(withoutGiven, 0)
        let expected = normalized(photo)
        let off = zip(painting.rgb, expected.rgb).map { abs(Int($0) - Int($1)) }.max()
        XCTAssertLessThanOrEqual(try XCTUnwrap(off), 1)
    }

    func testAPhotoWithinOneTileIsMirroredToFillItAndCutOutAgain() async throws {
        let photo = slope(width: 100, height: 40)
        let painter = Mirror(try Manifest(json: manifestJSON()))
        let painting = try await Tiler(painter).paint(photo, weights: weights)
        XCTAssertEqual(painting, photo)
        let shown = await painter.shown
        let given = await painter.given
        XCTAssertEqual(shown.count, 1)
        XCTAssertEqual(given, [nil])
        XCTAssertEqual(shown[0][100, 39], photo[98, 39])
        XCTAssertEqual(shown[0][5, 40], photo[5, 38])
    }

    func testTilesSeeThePhotoWhereTheyLie() async throws {
        let photo = slope(width: 137, height: 70)
        let painter = Mirror(try Manifest(json: manifestJSON()))
        let painting = try await Tiler(painter).paint(photo, weights: weights)
        XCTAssertEqual(painting, photo)
        let given = await painter.given
        let last = try XCTUnwrap(given.last ?? nil)
        XCTAssertEqual(last.weights, [Float](repeating: 1, count: 9))
        XCTAssertEqual(given.first??.weights, [Float](repeating: 0, count: 9))
    }

    func testCancelingEndsIt() async throws {
        let painter = Normalizer(try Manifest(json: manifestJSON()))
        let weights = weights
        let painting = Task {
            try await Tiler(painter).paint(slope(width: 300, height: 64), weights: weights) { done, _ in
                if done == 3 {
                    withUnsafeCurrentTask { $0?.cancel() }
                }
            }
        }
        let result = await painting.result
        XCTAssertThrowsError(try result.get()) { XCTAssertTrue($0 is CancellationError) }
        let runs = await painter.runs
        XCTAssertEqual(runs, 3)
    }

    func testAModelWithoutTilesPaintsItsOwnSizeAndSaysSo() async throws {
        let manifest = try Manifest(json: manifestJSON((#""halo": 16"#, #""halo": null"#)))
        let tiler = Tiler(Mirror(manifest))
        XCTAssertTrue(tiler.takes(width: 128, height: 64))
        XCTAssertFalse(tiler.takes(width: 129, height: 64))
        do {
            _ = try await tiler.paint(slope(width: 129, height: 64), weights: weights)
            XCTFail("a photo beyond the model's size was painted")
        } catch let error as PaintError {
            XCTAssertTrue(error.message.contains("128x64"), error.message)
        }
    }
}
