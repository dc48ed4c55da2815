/// What many runs took, in few numbers.
public enum Statistics {
    /// The middle of `values`; nil where there are none.
    public static func median(_ values: [Double]) -> Double? {
        percentile(50, of: values)
    }

    /// The value that `percent` of `values` do not exceed, between two of them in proportion; nil where there are none.
    public static func percentile(_ percent: Double, of values: [Double]) -> Double? {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted()
        let place = percent / 100 * Double(sorted.count - 1)
        let below = Int(place.rounded(.down))
        let above = min(below + 1, sorted.count - 1)
        return sorted[below] + (sorted[above] - sorted[below]) * (place - Double(below))
    }
}
