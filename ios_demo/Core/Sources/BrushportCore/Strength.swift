extension Raster {
    /// Steps that a strength has, from the photo to the painting.
    private static let strengths: Float = 256

    /// This photo with `painting`, of the same size, laid over it: `photo + strength * (painting - photo)`, rounded.
    ///
    /// `strength` goes from 0 (the photo) to 1 (the painting) in 1/256. Whole numbers only, so that it is the same in
    /// both apps, byte by byte.
    public func laidOver(by painting: Raster, strength: Float) -> Raster {
        precondition(width == painting.width && height == painting.height, "photo and painting are of one size")
        let weight = Int32(min(max(strength, 0), 1) * Self.strengths)
        var blended = self
        blended.withUnsafeMutableBytes { bytes in
            painting.withUnsafeBytes { above in
                for index in bytes.indices {
                    let (from, to) = (Int32(bytes[index]), Int32(above[index]))
                    bytes[index] = UInt8(truncatingIfNeeded: from + ((to - from) * weight + 128) >> 8)
                }
            }
        }
        return blended
    }
}
