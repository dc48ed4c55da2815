import Foundation

/// A picture in memory: pixels of 0xAARRGGBB, row by row without gaps.
///
/// On Apple's processors these are the bytes blue, green, red, alpha, which is `kCVPixelFormatType_32BGRA`. Nothing here
/// looks at alpha.
public struct Raster: Sendable, Equatable {
    public let width: Int
    public let height: Int
    public private(set) var pixels: [UInt32]

    /// The bytes of one pixel.
    public static let pixelBytes = MemoryLayout<UInt32>.stride

    /// A black picture.
    public init(width: Int, height: Int) {
        self.init(width: width, height: height, pixels: [UInt32](repeating: 0xFF00_0000, count: width * height))
    }

    public init(width: Int, height: Int, pixels: [UInt32]) {
        precondition(width > 0 && height > 0 && pixels.count == width * height, "a raster has width x height pixels")
        self.width = width
        self.height = height
        self.pixels = pixels
    }

    /// The bytes from one row to the next.
    public var rowBytes: Int { width * Self.pixelBytes }

    public subscript(x: Int, y: Int) -> UInt32 {
        get { pixels[y * width + x] }
        set { pixels[y * width + x] = newValue }
    }

    /// Red, green and blue of each pixel, one byte each.
    public var rgb: Data {
        var bytes = Data(capacity: 3 * pixels.count)
        for pixel in pixels {
            bytes.append(contentsOf: [Self.red(pixel), Self.green(pixel), Self.blue(pixel)])
        }
        return bytes
    }

    public static func pixel(red: UInt8, green: UInt8, blue: UInt8) -> UInt32 {
        0xFF00_0000 | UInt32(red) << 16 | UInt32(green) << 8 | UInt32(blue)
    }

    static func red(_ pixel: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: pixel >> 16) }
    static func green(_ pixel: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: pixel >> 8) }
    static func blue(_ pixel: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: pixel) }
}

// MARK: - Rows of memory

extension Raster {
    /// Lends the pixels' memory to `body`, for drawing into.
    public mutating func withUnsafeMutableBytes<Result>(
        _ body: (UnsafeMutableRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        try pixels.withUnsafeMutableBytes(body)
    }

    /// Lends the pixels' memory to `body`, for reading.
    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try pixels.withUnsafeBytes(body)
    }

    /// Reads all rows from `memory`, whose rows are `rowBytes` apart.
    public mutating func copyRows(from memory: UnsafeRawPointer, rowBytes: Int) {
        let (own, count) = (self.rowBytes, height)
        pixels.withUnsafeMutableBytes { mine in
            for row in 0..<count {
                let line = UnsafeRawBufferPointer(start: memory + row * rowBytes, count: own)
                UnsafeMutableRawBufferPointer(rebasing: mine[(row * own)...].prefix(own)).copyMemory(from: line)
            }
        }
    }

    /// Writes all rows to `memory`, whose rows are `rowBytes` apart.
    public func copyRows(to memory: UnsafeMutableRawPointer, rowBytes: Int) {
        pixels.withUnsafeBytes { mine in
            for row in 0..<height {
                let line = UnsafeRawBufferPointer(rebasing: mine[(row * self.rowBytes)...].prefix(self.rowBytes))
                UnsafeMutableRawBufferPointer(start: memory + row * rowBytes, count: self.rowBytes)
                    .copyMemory(from: line)
            }
        }
    }

    /// Copies the part of `other` that begins at (`fromX`, `fromY`) over the `width` x `height` pixels at (`x`, `y`).
    public mutating func copy(
        from other: Raster, fromX: Int, fromY: Int, toX x: Int, toY y: Int, width: Int, height: Int
    ) {
        precondition(fromX >= 0 && fromY >= 0 && fromX + width <= other.width && fromY + height <= other.height)
        precondition(x >= 0 && y >= 0 && x + width <= self.width && y + height <= self.height)
        let rowLength = self.width
        pixels.withUnsafeMutableBufferPointer { mine in
            other.pixels.withUnsafeBufferPointer { theirs in
                for row in 0..<height {
                    let line = UnsafeBufferPointer(
                        rebasing: theirs[((fromY + row) * other.width + fromX)...].prefix(width))
                    let place = (y + row) * rowLength + x
                    _ = UnsafeMutableBufferPointer(rebasing: mine[place..<(place + width)]).update(fromContentsOf: line)
                }
            }
        }
    }
}
