@testable import BrushportCore

/// A network that can be worked out by hand: `(x - mean) / deviation`, then minus the mean of that squared, to a gray
/// near 128. Its statistics are measured in blocks of 8, as the manifest of ``manifestJSON(_:)`` says.
actor Normalizer: Painter {
    nonisolated let manifest: Manifest
    private(set) var runs = 0
    private(set) var withoutGiven = 0

    init(_ manifest: Manifest) {
        self.manifest = manifest
    }

    func paint(_ picture: Raster, weights: [Float], given: Given?) -> Painted {
        runs += 1
        withoutGiven += given == nil ? 1 : 0
        func used(_ number: Int, _ own: Double) -> Double {
            guard let given else { return own }
            let weight = Double(given.weights[number])
            return weight * Double(given.statistics[number]) + (1 - weight) * own
        }
        var measured = [Float](repeating: 0, count: 9 * blocks.count)
        func note(_ number: Int, _ values: [Double]) {
            for (block, places) in blocks.enumerated() {
                measured[number * blocks.count + block] = Float(mean(places.map { values[$0] }))
            }
        }
        var grays: [[UInt8]] = []
        for (channel, values) in channels(of: picture).enumerated() {
            let center = used(channel, mean(values))
            let squares = values.map { ($0 - center) * ($0 - center) }
            let variance = used(3 + channel, mean(squares))
            let normal = values.map { ($0 - center) / (variance + 1e-3).squareRoot() }
            let energies = normal.map { $0 * $0 }
            let energy = used(6 + channel, mean(energies))
            note(channel, values)
            note(3 + channel, squares)
            note(6 + channel, energies)
            grays.append(normal.map { gray($0, energy) })
        }
        let run = Run(milliseconds: 1, processor: .cpu)
        return Painted(picture: raster(grays, like: picture), measured: measured, run: run)
    }

    /// The places of each block's pixels, row by row.
    private let blocks: [[Int]] = (0..<8).flatMap { row in
        (0..<16).map { column in (0..<64).map { (row * 8 + $0 / 8) * 128 + column * 8 + $0 % 8 } }
    }
}

/// What a ``Normalizer`` makes of a whole photo in one look.
func normalized(_ photo: Raster) -> Raster {
    let grays = channels(of: photo).map { values in
        let center = mean(values)
        let variance = mean(values.map { ($0 - center) * ($0 - center) })
        let normal = values.map { ($0 - center) / (variance + 1e-3).squareRoot() }
        let energy = mean(normal.map { $0 * $0 })
        return normal.map { gray($0, energy) }
    }
    return raster(grays, like: photo)
}

private func channels(of picture: Raster) -> [[Double]] {
    [Raster.red, Raster.green, Raster.blue].map { channel in picture.pixels.map { Double(channel($0)) } }
}

private func mean(_ values: [Double]) -> Double {
    values.reduce(0, +) / Double(values.count)
}

private func gray(_ normal: Double, _ energy: Double) -> UInt8 {
    UInt8(min(max(128 + 20 * (normal - energy), 0), 255))
}

private func raster(_ grays: [[UInt8]], like picture: Raster) -> Raster {
    let pixels = picture.pixels.indices.map { Raster.pixel(red: grays[0][$0], green: grays[1][$0], blue: grays[2][$0]) }
    return Raster(width: picture.width, height: picture.height, pixels: pixels)
}
