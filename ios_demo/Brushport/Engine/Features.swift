import BrushportCore
import CoreML
import CoreVideo
import Foundation

/// Pictures and numbers to what Core ML takes, and back, as the manifest describes the model's ports.
struct Features {
    let manifest: Manifest
    let buffers: PixelBuffers

    /// Everything that the model is to be fed to paint `picture`; what is not given of a whole photo is zero.
    func inputs(_ picture: CVPixelBuffer, weights: [Float], given: Given?) throws -> any MLFeatureProvider {
        var features = [manifest.picture.name: try feature(of: picture)]
        if let port = manifest.weights {
            features[port.name] = try feature(of: weights, for: port)
        }
        for port in manifest.beyond {
            features[port.name] = try feature(of: numbers(for: port, given), for: port)
        }
        return try MLDictionaryFeatureProvider(dictionary: features)
    }

    /// The painting among what the model gave.
    func painting(in outputs: any MLFeatureProvider) throws -> CVPixelBuffer {
        let port = manifest.painting
        switch port.element {
        case .picture:
            guard let buffer = outputs.featureValue(for: port.name)?.imageBufferValue else { throw missing(port) }
            return buffer
        case .float32:
            let numbers = try numbers(of: port, in: outputs)
            return try buffers.next(showing: PixelTensor.picture(from: numbers, of: port))
        }
    }

    /// What the model measured; nil where it measures nothing.
    func measured(in outputs: any MLFeatureProvider) throws -> [Float]? {
        guard let port = manifest.tiles?.measured else { return nil }
        return try numbers(of: port, in: outputs)
    }

    private func numbers(for port: ModelPort, _ given: Given?) -> [Float] {
        switch port.name {
        case manifest.tiles?.statistics?.name: given?.statistics ?? zeros(port)
        case manifest.tiles?.given?.name: given?.weights ?? zeros(port)
        default: zeros(port)
        }
    }

    private func zeros(_ port: ModelPort) -> [Float] {
        [Float](repeating: 0, count: port.size)
    }

    private func feature(of picture: CVPixelBuffer) throws -> MLFeatureValue {
        let port = manifest.picture
        switch port.element {
        case .picture: return MLFeatureValue(pixelBuffer: picture)
        case .float32: return try feature(of: PixelTensor.numbers(of: Raster(picture), for: port), for: port)
        }
    }

    private func feature(of numbers: [Float], for port: ModelPort) throws -> MLFeatureValue {
        guard numbers.count == port.size else {
            throw PaintError("'\(port.name)' takes \(port.size) numbers, not \(numbers.count).")
        }
        return MLFeatureValue(shapedArray: MLShapedArray(scalars: numbers, shape: port.shape))
    }

    private func numbers(of port: ModelPort, in outputs: any MLFeatureProvider) throws -> [Float] {
        guard let array = outputs.featureValue(for: port.name)?.shapedArrayValue(of: Float.self),
            array.shape == port.shape
        else {
            throw missing(port)
        }
        return array.scalars
    }

    private func missing(_ port: ModelPort) -> PaintError {
        PaintError("The model gave no '\(port.name)' as its manifest describes it: replace both files.")
    }
}
