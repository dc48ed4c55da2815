/// A picture's size in pixels.
public struct PixelSize: Sendable, Equatable {
    public var width: Int
    public var height: Int

    public init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }

    public var longSide: Int { max(width, height) }
    public var pixels: Int { width * height }
}

/// How large photos are painted, and what of a camera's frame.
public enum Fit {
    /// `size` made small enough to lie within `other`, its aspect kept; never enlarged.
    public static func size(_ size: PixelSize, within other: PixelSize) -> PixelSize {
        scaled(size, by: min(ratio(other.width, size.width), ratio(other.height, size.height)))
    }

    /// `size` with a longer side of at most `longSide` and at most `pixels` in all; never enlarged.
    public static func size(_ size: PixelSize, longSide: Int, pixels: Int) -> PixelSize {
        let byMemory = (Double(pixels) / Double(size.pixels)).squareRoot()
        return scaled(size, by: min(ratio(longSide, size.longSide), byMemory))
    }

    /// The middle of a frame of `size`, as much as there is of the aspect that `other` has: where it begins, how large.
    public static func middle(of size: PixelSize, like other: PixelSize) -> (x: Int, y: Int, size: PixelSize) {
        let scale = min(ratio(size.width, other.width), ratio(size.height, other.height))
        let cut = PixelSize(
            width: min(size.width, max(1, Int(Double(other.width) * scale))),
            height: min(size.height, max(1, Int(Double(other.height) * scale))))
        return ((size.width - cut.width) / 2, (size.height - cut.height) / 2, cut)
    }

    private static func ratio(_ a: Int, _ b: Int) -> Double { Double(a) / Double(b) }

    private static func scaled(_ size: PixelSize, by scale: Double) -> PixelSize {
        guard scale < 1 else { return size }
        // Half a millionth, so that a side that comes out whole is not cut for the last digit's sake.
        func side(_ length: Int) -> Int { max(1, Int(Double(length) * scale + 5e-7)) }
        return PixelSize(width: side(size.width), height: side(size.height))
    }
}
