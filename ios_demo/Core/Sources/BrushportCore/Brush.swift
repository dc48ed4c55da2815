/// Which styles are painted with: one, or two and how much of the second (0...1).
public struct Brush: Sendable, Equatable {
    public var first: Int
    public var second: Int?
    public var mix: Float

    public init(first: Int = 0, second: Int? = nil, mix: Float = 0.5) {
        self.first = first
        self.second = second
        self.mix = mix
    }

    /// The model's weights, one for each of `count` styles, of sum 1.
    public func weights(count: Int) -> [Float] {
        let share = second == nil ? 0 : min(max(mix, 0), 1)
        return (0..<count).map { style in
            (style == first ? 1 - share : 0) + (style == second ? share : 0)
        }
    }
}
