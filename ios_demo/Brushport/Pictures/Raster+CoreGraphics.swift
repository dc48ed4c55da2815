import BrushportCore
import CoreGraphics
import Foundation
import ImageIO
import UniformTypeIdentifiers

private let noMemory = PaintError("There is not enough memory for this size; choose a smaller one.")
private let quality = 0.95

extension Raster {
    /// `image`, scaled to `size`; what it lets through is white.
    init(_ image: CGImage, size: PixelSize) throws {
        self.init(width: size.width, height: size.height)
        let rowBytes = rowBytes
        let area = CGRect(x: 0, y: 0, width: size.width, height: size.height)
        try withUnsafeMutableBytes { bytes in
            guard let space = CGColorSpace(name: CGColorSpace.sRGB),
                let context = CGContext(
                    data: bytes.baseAddress, width: size.width, height: size.height, bitsPerComponent: 8,
                    bytesPerRow: rowBytes, space: space, bitmapInfo: Self.bitmapInfo.rawValue)
            else {
                throw noMemory
            }
            context.setFillColor(gray: 1, alpha: 1)
            context.fill(area)
            context.interpolationQuality = .high
            context.draw(image, in: area)
        }
    }

    /// A copy as an image.
    func image() throws -> CGImage {
        let bytes = withUnsafeBytes { Data($0) }
        guard let provider = CGDataProvider(data: bytes as CFData),
            let space = CGColorSpace(name: CGColorSpace.sRGB),
            let image = CGImage(
                width: width, height: height, bitsPerComponent: 8, bitsPerPixel: 8 * Self.pixelBytes,
                bytesPerRow: rowBytes, space: space, bitmapInfo: Self.bitmapInfo, provider: provider, decode: nil,
                shouldInterpolate: true, intent: .defaultIntent)
        else {
            throw noMemory
        }
        return image
    }

    /// No larger than `longSide`, as an image; off the main actor.
    func picture(longSide: Int) async throws -> Picture {
        let size = Fit.size(PixelSize(width: width, height: height), longSide: longSide, pixels: .max)
        let full = try image()
        guard size.width < width || size.height < height else { return Picture(cgImage: full) }
        return Picture(cgImage: try Raster(full, size: size).image())
    }

    /// Small enough for one look by a model of `manifest`; off the main actor.
    func fitted(into manifest: Manifest) async throws -> Raster {
        let own = PixelSize(width: width, height: height)
        let size = Fit.size(own, within: PixelSize(width: manifest.width, height: manifest.height))
        return size == own ? self : try Raster(image(), size: size)
    }

    /// BGRA in memory, of which A is not looked at.
    private static var bitmapInfo: CGBitmapInfo {
        CGBitmapInfo(rawValue: CGImageAlphaInfo.noneSkipFirst.rawValue | CGBitmapInfo.byteOrder32Little.rawValue)
    }
}

extension Picture {
    /// As a JPEG file; off the main actor.
    func jpeg() async throws -> Data {
        let file = NSMutableData()
        let options = [kCGImageDestinationLossyCompressionQuality as String: quality]
        guard
            let destination = CGImageDestinationCreateWithData(
                file as CFMutableData, UTType.jpeg.identifier as CFString, 1, nil)
        else {
            throw noMemory
        }
        CGImageDestinationAddImage(destination, cgImage, options as CFDictionary)
        guard CGImageDestinationFinalize(destination) else { throw noMemory }
        return Data(referencing: file)
    }
}
