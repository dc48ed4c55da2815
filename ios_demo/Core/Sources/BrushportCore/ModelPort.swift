/// One input or output of the model.
public struct ModelPort: Sendable, Equatable {
    /// What the model holds there: a picture of 8-bit colors (a `CVPixelBuffer`), or numbers (an `MLMultiArray`).
    public enum Element: String, Sendable {
        case picture = "image"
        case float32
    }

    /// The order of a tensor's axes.
    public enum Layout: String, Sendable {
        case nchw = "NCHW"
        case nhwc = "NHWC"
    }

    /// How far apart neighbors lie in a tensor, by axis.
    struct Strides: Sendable {
        let channel: Int
        let row: Int
        let column: Int
    }

    public let name: String
    public let shape: [Int]
    public let layout: Layout?
    public let element: Element
    /// The values of 8-bit 0 and 255, where the port is a picture.
    public let range: ClosedRange<Float>?

    public init(name: String, shape: [Int], layout: Layout?, element: Element, range: ClosedRange<Float>? = nil) {
        self.name = name
        self.shape = shape
        self.layout = layout
        self.element = element
        self.range = range
    }

    /// How many numbers the port holds.
    public var size: Int { shape.reduce(1, *) }

    public var channels: Int { side(nchw: 1, nhwc: 3) }
    public var height: Int { side(nchw: 2, nhwc: 1) }
    public var width: Int { side(nchw: 3, nhwc: 2) }

    var strides: Strides {
        layout == .nhwc
            ? Strides(channel: 1, row: width * channels, column: channels)
            : Strides(channel: height * width, row: width, column: 1)
    }

    private func side(nchw: Int, nhwc: Int) -> Int {
        let axis = layout == .nhwc ? nhwc : nchw
        return shape.indices.contains(axis) ? shape[axis] : 1
    }
}
