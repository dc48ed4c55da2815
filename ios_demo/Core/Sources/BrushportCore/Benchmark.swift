import Foundation

/// What one processor took: milliseconds of each run after warming up, of loading, and megabytes of memory beyond.
public struct Timing: Sendable {
    /// What was asked for, and what ran.
    public let processor: Processor
    public let used: Processor
    public let fallback: String?
    public let loading: Double
    public let milliseconds: [Double]
    public let megabytes: Double
    public let painted: Raster

    public init(
        processor: Processor, used: Processor, fallback: String?, loading: Double, milliseconds: [Double],
        megabytes: Double, painted: Raster
    ) {
        self.processor = processor
        self.used = used
        self.fallback = fallback
        self.loading = loading
        self.milliseconds = milliseconds
        self.megabytes = megabytes
        self.painted = painted
    }

    public var median: Double { Statistics.median(milliseconds) ?? 0 }
    public var p90: Double { Statistics.percentile(90, of: milliseconds) ?? 0 }
}

/// Times a model, and keeps what it painted, so that `python -m validate --device-report` can tell on a computer how
/// fast this device paints and whether it paints the same picture.
public enum Benchmark {
    private static let warmUp = 3

    /// Measures one `processor` over `runs` runs on ``pattern(width:height:)``, in the first style.
    ///
    /// `open` loads the model; `memory` tells the bytes that the app holds now. Canceling the task ends it.
    public static func measure(
        _ processor: Processor, runs: Int, open: @Sendable (Processor) async throws -> any Painter,
        memory: @Sendable () -> UInt64
    ) async throws -> Timing {
        precondition(runs > 0, "something is measured")
        let before = memory()
        let clock = ContinuousClock()
        let started = clock.now
        let painter = try await open(processor)
        let loading = clock.now - started
        let manifest = painter.manifest
        let picture = pattern(width: manifest.width, height: manifest.height)
        let weights = Brush().weights(count: manifest.styles.count)
        var painted = try await painter.paint(picture, weights: weights, given: nil)
        for _ in 1..<warmUp {
            painted = try await painter.paint(picture, weights: weights, given: nil)
        }
        var times: [Double] = []
        for _ in 0..<runs {
            try Task.checkCancellation()
            painted = try await painter.paint(picture, weights: weights, given: nil)
            times.append(painted.run.milliseconds)
        }
        let after = memory()
        return Timing(
            processor: processor, used: painted.run.processor, fallback: painted.run.fallback,
            loading: loading.inMilliseconds, milliseconds: times,
            megabytes: after > before ? Double(after - before) / 1e6 : 0, painted: painted.picture)
    }

    /// The picture that every device paints; whole numbers only, so that it is the same everywhere.
    public static func pattern(width: Int, height: Int) -> Raster {
        let pixels = (0..<(width * height)).map { place in
            let (x, y) = (place % width, place / width)
            let wave = (x * x / 97 + y * y / 61) % 256
            let red = (x * 255 / max(1, width - 1) + wave) / 2
            let green = (y * 255 / max(1, height - 1) + 255 - wave) / 2
            let blue = (x / 32 + y / 32) % 2 * 128 + wave / 2
            return Raster.pixel(red: UInt8(red), green: UInt8(green), blue: UInt8(blue))
        }
        return Raster(width: width, height: height, pixels: pixels)
    }
}

extension Duration {
    /// In milliseconds, with fractions.
    public var inMilliseconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) * 1e3 + Double(attoseconds) / 1e15
    }
}
