import BrushportCore
import Foundation
import ImageIO

/// Decodes photos upright.
enum PhotoReader {
    /// The photo in `file`, turned as its EXIF says, its longer side at most `longSide` pixels and all of it at most
    /// `pixels`; off the main actor. Throws ``PaintError`` where it cannot be read.
    static func read(_ file: Data, longSide: Int, pixels: Int) async throws -> Raster {
        guard let source = CGImageSourceCreateWithData(file as CFData, nil),
            let facts = CGImageSourceCopyPropertiesAtIndex(source, 0, nil) as? [String: Any],
            let width = facts[kCGImagePropertyPixelWidth as String] as? Int,
            let height = facts[kCGImagePropertyPixelHeight as String] as? Int, width > 0, height > 0
        else {
            throw unreadable
        }
        let size = Fit.size(PixelSize(width: width, height: height), longSide: longSide, pixels: pixels)
        // A thumbnail is decoded at its own size and turned on the way.
        let options: [String: Any] = [
            kCGImageSourceCreateThumbnailFromImageAlways as String: true,
            kCGImageSourceCreateThumbnailWithTransform as String: true,
            kCGImageSourceThumbnailMaxPixelSize as String: size.longSide,
        ]
        guard let image = CGImageSourceCreateThumbnailAtIndex(source, 0, options as CFDictionary) else {
            throw unreadable
        }
        return try Raster(image, size: PixelSize(width: image.width, height: image.height))
    }

    private static let unreadable = PaintError("This photo cannot be read; pick another.")
}
