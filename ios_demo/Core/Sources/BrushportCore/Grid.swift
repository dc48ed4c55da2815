/// Where tiles of `side` pixels lie along a line of `length` pixels.
///
/// Tile `i` begins at `starts[i]` and answers for pixels `cuts[i]` until `cuts[i + 1]`, at least `halo` pixels away from
/// its ends, but for the ends of the line. Tiles begin at multiples of `step`, the last one of ``Grid/step``, so that the
/// network's strides fall on the same pixels in each; the line is thought to go on, mirrored, up to a multiple of
/// ``Grid/step``. `side` and `halo` are multiples of `step`.
struct Grid: Sendable, Equatable {
    /// What every network's total stride so far divides.
    static let step = 8

    let length: Int
    let side: Int
    let starts: [Int]
    let cuts: [Int]

    init(length: Int, side: Int, halo: Int, step: Int = Grid.step) {
        precondition(length > 0 && step.isMultiple(of: Self.step), "a line has pixels, a step is a multiple of 8")
        precondition(side.isMultiple(of: step) && halo.isMultiple(of: step) && side > 2 * halo, "a tile has a core")
        let last = max(0, (length + Self.step - 1) / Self.step * Self.step - side)
        let stride = side - 2 * halo
        let count = 1 + (last + stride - 1) / stride
        let starts = (0..<count).map { min($0 * stride, last) }
        self.length = length
        self.side = side
        self.starts = starts
        self.cuts = [0] + (1..<count).map { starts[$0 - 1] + side - halo } + [length]
    }

    /// How many lines of each block of tile `index` that tile answers for.
    func shares(of index: Int, block: Int) -> [Double] {
        let first = cuts[index] - starts[index]
        let last = cuts[index + 1] - starts[index]
        return (0..<(side / block)).map { number in
            let begin = number * block
            return Double(max(0, min(last, begin + block) - max(first, begin)))
        }
    }

    /// The place in `0..<length` that a mirror at each end shows at `place` >= 0, ends not doubled.
    static func mirrored(_ place: Int, length: Int) -> Int {
        guard length > 1 else { return 0 }
        let period = 2 * (length - 1)
        let within = place % period
        return within < length ? within : period - within
    }
}
