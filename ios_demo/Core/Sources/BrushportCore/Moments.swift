/// Sums up means and variances of one layer over the tiles of a photo.
///
/// A tile gives, for each block, the mean of `x` and of `(x - m)^2`, where `m` is its own mean of `x`. From these come
/// the sums of `x` and of `x^2 = (x - m)^2 + 2 m x - m^2` over the pixels that the tile answers for.
struct Moments: Sendable {
    private let layer: StatisticsLayer
    private let rows: Int
    private let columns: Int
    private let places: ModelPort.Strides
    private var sums: [Double]
    private var squares: [Double]
    private var weight = 0.0

    /// `measured` is the port that the tiles' numbers come from; it has a layout.
    init(of layer: StatisticsLayer, in measured: ModelPort) {
        self.layer = layer
        rows = measured.height
        columns = measured.width
        places = measured.strides
        sums = [Double](repeating: 0, count: layer.channels)
        squares = sums
    }

    /// Adds one tile's numbers; of each row and column of blocks it answers for `down` and `across` lines.
    mutating func add(_ measured: [Float], down: [Double], across: [Double]) {
        let share = down.reduce(0, +) * across.reduce(0, +)
        for channel in 0..<layer.channels {
            let first = (layer.offset + channel) * places.channel
            let second = first + layer.channels * places.channel
            var (mean, sum, deviation) = (0.0, 0.0, 0.0)
            for row in 0..<rows {
                for column in 0..<columns {
                    let block = row * places.row + column * places.column
                    let part = down[row] * across[column]
                    mean += Double(measured[first + block])
                    sum += part * Double(measured[first + block])
                    if layer.moments == 2 {
                        deviation += part * Double(measured[second + block])
                    }
                }
            }
            mean /= Double(rows * columns)
            sums[channel] += sum
            squares[channel] += deviation + 2 * mean * sum - share * mean * mean
        }
        weight += share
    }

    /// Writes the whole photo's numbers into `given`, as known from now on.
    func store(in given: inout Given) {
        for channel in 0..<layer.channels {
            let mean = sums[channel] / weight
            given.statistics[layer.offset + channel] = Float(mean)
            if layer.moments == 2 {
                let variance = squares[channel] / weight - mean * mean
                given.statistics[layer.offset + layer.channels + channel] = Float(max(0, variance))
            }
        }
        for number in layer.numbers {
            given.weights[number] = 1
        }
    }
}
