import BrushportCore
import CoreML
import CoreVideo
import Foundation
import ObjectiveC

/// A compiled model and its manifest, ready to paint, one picture at a time and never on the main actor.
///
/// Callers wait without holding a thread; a prediction holds one of the system's until it is done. The model runs on the
/// processors asked for if they can; else the CPU paints, and each ``Run`` says why.
actor StyleModel: Painter {
    nonisolated let manifest: Manifest
    private let url: URL
    private let buffers: PixelBuffers
    private let scaler: FrameScaler
    private let features: Features
    private var model: MLModel
    private var processor: Processor
    private var fallback: String?

    /// Loads the model; throws ``PaintError`` where it cannot be, or where file and manifest do not belong together.
    init(_ files: ModelFiles, on wanted: Processor) throws {
        manifest = files.manifest
        url = files.model
        buffers = try PixelBuffers(size: PixelSize(width: manifest.width, height: manifest.height))
        scaler = FrameScaler(buffers: buffers)
        features = Features(manifest: manifest, buffers: buffers)
        processor = wanted
        do {
            model = try Self.load(url, on: wanted)
        } catch {
            guard wanted != .cpu else { throw Self.unloadable(error) }
            fallback = Self.words(for: wanted, error)
            processor = .cpu
            model = try Self.loadOnCPU(url)
        }
        try manifest.check(model.modelDescription)
    }

    /// What it runs on, in words, with why it is not what was asked for.
    var used: String {
        fallback.map { "\(processor.label). \($0)" } ?? processor.label
    }

    func paint(_ picture: Raster, weights: [Float], given: Given?) throws -> Painted {
        try autoreleasepool {
            let fed = try features.inputs(buffers.next(showing: picture), weights: weights, given: given)
            let (got, run) = try predict(fed)
            let painting = try Raster(features.painting(in: got))
            return Painted(picture: painting, measured: try features.measured(in: got), run: run)
        }
    }

    /// Paints the middle of a camera's frame.
    func paint(_ frame: Frame, weights: [Float]) throws -> (picture: Picture, run: Run) {
        try autoreleasepool {
            let fed = try features.inputs(scaler.middle(of: frame.buffer), weights: weights, given: nil)
            let (got, run) = try predict(fed)
            return (try scaler.picture(of: features.painting(in: got)), run)
        }
    }

    private func predict(_ fed: any MLFeatureProvider) throws -> (any MLFeatureProvider, Run) {
        let clock = ContinuousClock()
        let started = clock.now
        do {
            let got = try model.prediction(from: fed)
            let milliseconds = (clock.now - started).inMilliseconds
            return (got, Run(milliseconds: milliseconds, processor: processor, fallback: fallback))
        } catch {
            guard processor != .cpu else {
                throw PaintError("The model failed on this picture (\(error.localizedDescription)).")
            }
            fallback = Self.words(for: processor, error)
            processor = .cpu
            model = try Self.loadOnCPU(url)
            return try predict(fed)
        }
    }

    private static func load(_ url: URL, on processor: Processor) throws -> MLModel {
        let configuration = MLModelConfiguration()
        configuration.computeUnits = processor.computeUnits
        return try MLModel(contentsOf: url, configuration: configuration)
    }

    private static func loadOnCPU(_ url: URL) throws -> MLModel {
        do {
            return try load(url, on: .cpu)
        } catch {
            throw unloadable(error)
        }
    }

    private static func unloadable(_ error: any Error) -> PaintError {
        PaintError("The model cannot be loaded (\(error.localizedDescription)); bundle it again.")
    }

    private static func words(for processor: Processor, _ error: any Error) -> String {
        "\(processor.label) cannot run this model (\(error.localizedDescription)), the CPU paints."
    }
}
