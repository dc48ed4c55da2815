/// Pixels to a model's numbers and back, for models exported with `--io tensor`. Those that take pictures need none of it.
public enum PixelTensor {
    private static let white: Float = 255

    /// The numbers that `port` holds for `picture`: red, green and blue, each from the range's lower end (black) to its
    /// upper one.
    public static func numbers(of picture: Raster, for port: ModelPort) -> [Float] {
        precondition(picture.width == port.width && picture.height == port.height, "the picture has the port's size")
        let range = port.range ?? 0...white
        let scale = (range.upperBound - range.lowerBound) / white
        let table = (0...255).map { range.lowerBound + scale * Float($0) }
        var numbers = [Float](repeating: 0, count: port.size)
        forEachPixel(of: port) { index, place, channel in
            let pixel = picture.pixels[index]
            numbers[place] = table[Int(Raster.red(pixel))]
            numbers[place + channel] = table[Int(Raster.green(pixel))]
            numbers[place + 2 * channel] = table[Int(Raster.blue(pixel))]
        }
        return numbers
    }

    /// The picture that `numbers` of `port` are; what is beyond the range is clipped, and what is no number is black.
    public static func picture(from numbers: [Float], of port: ModelPort) -> Raster {
        precondition(numbers.count == port.size, "there are as many numbers as the port has")
        let range = port.range ?? 0...white
        let scale = white / (range.upperBound - range.lowerBound)
        func byte(_ number: Float) -> UInt8 {
            let value = (number - range.lowerBound) * scale
            return value.isNaN ? 0 : UInt8(min(max(value + 0.5, 0), white))
        }
        var picture = Raster(width: port.width, height: port.height)
        picture.withUnsafeMutableBytes { bytes in
            let pixels = bytes.bindMemory(to: UInt32.self)
            forEachPixel(of: port) { index, place, channel in
                pixels[index] = Raster.pixel(
                    red: byte(numbers[place]), green: byte(numbers[place + channel]),
                    blue: byte(numbers[place + 2 * channel]))
            }
        }
        return picture
    }

    /// Calls `visit` with each pixel's number, the place of its red in the tensor, and how far on its green lies.
    private static func forEachPixel(of port: ModelPort, _ visit: (_ index: Int, _ place: Int, _ channel: Int) -> Void)
    {
        let strides = port.strides
        for y in 0..<port.height {
            for x in 0..<port.width {
                visit(y * port.width + x, y * strides.row + x * strides.column, strides.channel)
            }
        }
    }
}
