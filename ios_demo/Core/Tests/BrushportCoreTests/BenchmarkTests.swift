import XCTest

@testable import BrushportCore

/// Bytes that are asked for from anywhere.
private final class Memory: @unchecked Sendable {
    private let lock = NSLock()
    private var bytes: [UInt64]

    init(_ bytes: [UInt64]) {
        self.bytes = bytes
    }

    func next() -> UInt64 {
        lock.withLock { bytes.removeFirst() }
    }
}

final class BenchmarkTests: XCTestCase {
    private struct Times: Decodable {
        let milliseconds: [Double]
        let median, p90: Double
    }

    private struct Pattern: Decodable {
        let width, height: Int
        let adler32: UInt32
        let rgb: [UInt8]?
    }

    func testStatisticsAreThoseOfPython() throws {
        for times in try Vectors.read("benchmarks", as: Times.self) {
            XCTAssertEqual(try XCTUnwrap(Statistics.median(times.milliseconds)), times.median, accuracy: 1e-5)
            XCTAssertEqual(try XCTUnwrap(Statistics.percentile(90, of: times.milliseconds)), times.p90, accuracy: 1e-5)
        }
        XCTAssertNil(Statistics.median([]))
    }

    func testThePatternIsThatOfPython() throws {
        for one in try Vectors.read("patterns", as: Pattern.self) {
            let pattern = Benchmark.pattern(width: one.width, height: one.height).rgb
            XCTAssertEqual(Zlib.adler32(pattern), one.adler32)
            if let rgb = one.rgb {
                XCTAssertEqual(Array(pattern), rgb)
            }
        }
    }

    func testRunsThatWarmUpDoNotCount() async throws {
        let painter = Mirror(try Manifest(json: manifestJSON()))
        let memory = Memory([5_000_000, 45_000_000])
        let measured = try await Benchmark.measure(.all, runs: 4, open: { _ in painter }, memory: memory.next)
        XCTAssertEqual(measured.milliseconds, [4, 5, 6, 7])
        XCTAssertEqual(measured.median, 5.5)
        XCTAssertEqual(measured.p90, 6.7, accuracy: 1e-9)
        XCTAssertEqual(measured.megabytes, 40)
        XCTAssertEqual(measured.processor, .all)
        XCTAssertEqual(measured.used, .cpu)
        XCTAssertEqual(measured.fallback, "no GPU")
        XCTAssertEqual(measured.painted, Benchmark.pattern(width: 128, height: 64))
        XCTAssertGreaterThanOrEqual(measured.loading, 0)
    }
}
