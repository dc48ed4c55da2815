import Foundation

/// What this device measured of a model, as `python -m validate --device-report` reads it.
public struct DeviceReport: Encodable, Sendable {
    private enum CodingKeys: String, CodingKey {
        case format = "brushport_device_report"
        case model, picture, device, runs
    }

    private struct Model: Encodable {
        let file: String
        let sha256: String
        let name: String
        let precision: String
    }

    private struct Picture: Encodable {
        let width: Int
        let height: Int
    }

    private struct Run: Encodable {
        private enum CodingKeys: String, CodingKey {
            case processor, used, fallback, threads, milliseconds, painting
            case loading = "loading_ms"
            case megabytes = "memory_mb"
        }

        let processor: Processor
        let used: Processor
        let fallback: String?
        let loading: Double
        let milliseconds: [Double]
        let megabytes: Double
        let painting: String

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(processor, forKey: .processor)
            try container.encode(used, forKey: .used)
            try container.encode(fallback, forKey: .fallback)  // null, not left out
            try container.encode(0, forKey: .threads)  // Core ML chooses
            try container.encode(loading, forKey: .loading)
            try container.encode(milliseconds, forKey: .milliseconds)
            try container.encode(megabytes, forKey: .megabytes)
            try container.encode(painting, forKey: .painting)
        }
    }

    private let format = 1
    private let model: Model
    private let picture: Picture
    private let device: [String: String]
    private let runs: [Run]

    /// A report of the model that `manifest` describes, on a `device` (facts by name).
    ///
    /// A painting is its RGB bytes, deflated (zlib), in base 64; `deflate` makes raw DEFLATE (RFC 1951) of bytes.
    public init(
        of manifest: Manifest, on device: [String: String], timings: [Timing], deflate: (Data) throws -> Data
    ) throws {
        model = Model(
            file: manifest.file, sha256: manifest.sha256, name: manifest.name, precision: manifest.precision)
        picture = Picture(width: manifest.width, height: manifest.height)
        self.device = device
        runs = try timings.map { one in
            let bytes = one.painted.rgb
            let packed = Zlib.stream(of: bytes, deflated: try deflate(bytes))
            return Run(
                processor: one.processor, used: one.used, fallback: one.fallback, loading: one.loading,
                milliseconds: one.milliseconds, megabytes: one.megabytes, painting: packed.base64EncodedString())
        }
    }

    /// The report as JSON.
    public func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }
}
