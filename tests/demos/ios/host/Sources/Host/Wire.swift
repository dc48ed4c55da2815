import BrushportCore
import Foundation

/// The other end of this program's pipes, where the model runs; see `tests/demos/ios/worker.py`.
///
/// Numbers are float32 and uint8 in this machine's order. A question is 1 and whether something is given, one byte each,
/// then the picture's RGB, the weights of the styles if the model takes any, and statistics and weights of what is
/// given. The answer is the painting's RGB and what was measured.
actor Wire: Painter {
    nonisolated let manifest: Manifest

    init(_ manifest: Manifest) {
        self.manifest = manifest
    }

    func paint(_ picture: Raster, weights: [Float], given: Given?) throws -> Painted {
        let clock = ContinuousClock()
        let started = clock.now
        var question = Data([1, given == nil ? 0 : 1]) + picture.rgb
        for numbers in [manifest.weights == nil ? [] : weights, given?.statistics ?? [], given?.weights ?? []] {
            numbers.withUnsafeBytes { question.append(contentsOf: $0) }
        }
        try FileHandle.standardOutput.write(contentsOf: question)
        let painted = Raster(width: manifest.width, height: manifest.height, rgb: try read(3 * picture.pixels.count))
        var measured: [Float]?
        if let port = manifest.tiles?.measured {
            let bytes = try read(4 * port.size)
            measured = bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        }
        let run = Run(milliseconds: (clock.now - started).inMilliseconds, processor: .cpu)
        return Painted(picture: painted, measured: measured, run: run)
    }

    private func read(_ count: Int) throws -> Data {
        var bytes = Data(capacity: count)
        while bytes.count < count {
            guard let more = try FileHandle.standardInput.read(upToCount: count - bytes.count), !more.isEmpty else {
                throw PaintError("The worker stopped.")
            }
            bytes.append(more)
        }
        return bytes
    }
}

extension Raster {
    /// Red, green and blue of each pixel, row by row.
    init(width: Int, height: Int, rgb: Data) {
        let bytes = [UInt8](rgb)
        let pixels = stride(from: 0, to: bytes.count, by: 3).map {
            Raster.pixel(red: bytes[$0], green: bytes[$0 + 1], blue: bytes[$0 + 2])
        }
        self.init(width: width, height: height, pixels: pixels)
    }
}
