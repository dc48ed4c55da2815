/// Frames a second, over those that came last.
public struct FrameRate: Sendable {
    private let window: Int
    private var times: [Double] = []

    /// Over `window` frames.
    public init(window: Int = 12) {
        self.window = max(2, window)
    }

    /// Counts a frame at `time` (seconds, never less than before); nil until there are two.
    public mutating func frame(at time: Double) -> Double? {
        times.append(time)
        if times.count > window {
            times.removeFirst()
        }
        guard let first = times.first, time > first else { return nil }
        return Double(times.count - 1) / (time - first)
    }
}
