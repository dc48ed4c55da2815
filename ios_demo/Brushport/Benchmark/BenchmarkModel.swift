import BrushportCore
import Combine
import Foundation

/// Times the model on each processor, and writes the report for `python -m validate --device-report`.
@MainActor
final class BenchmarkModel: ObservableObject {
    @Published private(set) var timings: [Timing] = []
    /// What is being measured; nil for nothing.
    @Published private(set) var current: Processor?
    /// Where the report is, once there is one.
    @Published private(set) var report: URL?
    @Published var chosen = Set(Processor.allCases)
    @Published var problem: PaintError?

    private static let runs = 30

    /// Measures what is chosen, until the task is canceled.
    func run(_ studio: Studio) async {
        guard current == nil else { return }
        (timings, report) = ([], nil)
        defer { current = nil }
        studio.stop()
        await studio.store.release()
        do {
            let files = try ModelFiles()
            for processor in Processor.allCases where chosen.contains(processor) {
                current = processor
                timings.append(try await measure(processor, files))
            }
            report = try await write(files.manifest, Device.facts, timings)
        } catch {
            problem = PaintError(error)
        }
    }

    private nonisolated func measure(_ processor: Processor, _ files: ModelFiles) async throws -> Timing {
        try await Benchmark.measure(
            processor, runs: Self.runs, open: { try StyleModel(files, on: $0) }, memory: { Memory.footprint })
    }

    private nonisolated func write(
        _ manifest: Manifest, _ device: [String: String], _ timings: [Timing]
    ) async throws -> URL {
        let report = try DeviceReport(of: manifest, on: device, timings: timings) { bytes in
            Data(referencing: try NSData(data: bytes).compressed(using: .zlib))
        }
        let name = device["model", default: "device"].replacingOccurrences(of: ",", with: "-")
        let place = FileManager.default.temporaryDirectory.appendingPathComponent("brushport-\(name).json")
        try report.json().write(to: place, options: .atomic)
        return place
    }
}
