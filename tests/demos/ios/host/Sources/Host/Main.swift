import BrushportCore
import Foundation

/// The app's own code for manifest, tiles and report, on a host: what `tests/demos/ios` talks to.
///
/// - `facts MANIFEST`: what the manifest says, as JSON.
/// - `paint MANIFEST PHOTO WIDTH HEIGHT STYLE PAINTING`: a photo (raw RGB) of any size, by a model at the other end of
///   the pipes; ends with a byte of 0.
/// - `report MANIFEST REPORT`: a benchmark of that model, in three runs.
@main
struct Main {
    static func main() async {
        do {
            try await run(Array(CommandLine.arguments.dropFirst()))
        } catch {
            FileHandle.standardError.write(Data("\(error.localizedDescription)\n".utf8))
            exit(1)
        }
    }

    private static func run(_ arguments: [String]) async throws {
        guard arguments.count > 1 else { throw PaintError("Say what to do, and with which manifest.") }
        let manifest = try Manifest(json: Data(contentsOf: URL(fileURLWithPath: arguments[1])))
        switch (arguments[0], arguments.count) {
        case ("facts", 2):
            try FileHandle.standardOutput.write(contentsOf: JSONEncoder().encode(Facts(manifest)))
        case ("paint", 7):
            try await paint(manifest, Array(arguments[2...]))
            try FileHandle.standardOutput.write(contentsOf: [0])
        case ("report", 3):
            try await report(manifest).write(to: URL(fileURLWithPath: arguments[2]))
            try FileHandle.standardOutput.write(contentsOf: [0])
        default:
            throw PaintError("'\(arguments.joined(separator: " "))' is nothing to do.")
        }
    }

    private static func paint(_ manifest: Manifest, _ arguments: [String]) async throws {
        guard let width = Int(arguments[1]), let height = Int(arguments[2]), let style = Int(arguments[3]) else {
            throw PaintError("Width, height and style are numbers.")
        }
        let photo = Raster(width: width, height: height, rgb: try Data(contentsOf: URL(fileURLWithPath: arguments[0])))
        let weights = Brush(first: style).weights(count: manifest.styles.count)
        let painting = try await Tiler(Wire(manifest)).paint(photo, weights: weights)
        try painting.rgb.write(to: URL(fileURLWithPath: arguments[4]))
    }

    private static func report(_ manifest: Manifest) async throws -> Data {
        let painter = Wire(manifest)
        let timing = try await Benchmark.measure(.all, runs: 3, open: { _ in painter }, memory: { 0 })
        let device = ["manufacturer": "Host", "model": "Linux"]
        return try DeviceReport(of: manifest, on: device, timings: [timing], deflate: stored).json()
    }

    /// DEFLATE that packs nothing: Linux's Foundation has no other.
    private static func stored(_ content: Data) -> Data {
        var deflated = Data()
        for start in stride(from: 0, to: content.count, by: 65535) {
            let block = content[start..<min(start + 65535, content.count)]
            let length = UInt16(block.count)
            deflated.append(start + 65535 >= content.count ? 1 : 0)
            withUnsafeBytes(of: length.littleEndian) { deflated.append(contentsOf: $0) }
            withUnsafeBytes(of: (~length).littleEndian) { deflated.append(contentsOf: $0) }
            deflated.append(block)
        }
        return deflated
    }
}
