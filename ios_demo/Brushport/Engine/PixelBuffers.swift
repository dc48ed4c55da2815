import BrushportCore
import CoreVideo

/// Pixel buffers of one size in BGRA, used again and again.
final class PixelBuffers {
    let size: PixelSize
    private let pool: CVPixelBufferPool

    init(size: PixelSize) throws {
        self.size = size
        let attributes: [String: Any] = [
            kCVPixelBufferPixelFormatTypeKey as String: kCVPixelFormatType_32BGRA,
            kCVPixelBufferWidthKey as String: size.width,
            kCVPixelBufferHeightKey as String: size.height,
            kCVPixelBufferIOSurfacePropertiesKey as String: [String: Any](),
        ]
        var pool: CVPixelBufferPool?
        CVPixelBufferPoolCreate(nil, nil, attributes as CFDictionary, &pool)
        guard let pool else { throw Self.noMemory }
        self.pool = pool
    }

    /// A buffer that nobody uses now; its pixels are whatever was there.
    func next() throws -> CVPixelBuffer {
        var buffer: CVPixelBuffer?
        CVPixelBufferPoolCreatePixelBuffer(nil, pool, &buffer)
        guard let buffer else { throw Self.noMemory }
        return buffer
    }

    /// A buffer with the pixels of `raster`, which has this size.
    func next(showing raster: Raster) throws -> CVPixelBuffer {
        let buffer = try next()
        CVPixelBufferLockBaseAddress(buffer, [])
        defer { CVPixelBufferUnlockBaseAddress(buffer, []) }
        guard let start = CVPixelBufferGetBaseAddress(buffer) else { throw Self.noMemory }
        raster.copyRows(to: start, rowBytes: CVPixelBufferGetBytesPerRow(buffer))
        return buffer
    }

    private static let noMemory = PaintError("There is no memory left for a picture; close other apps.")
}

extension Raster {
    /// The pixels of `buffer`, which is in BGRA.
    init(_ buffer: CVPixelBuffer) throws {
        CVPixelBufferLockBaseAddress(buffer, .readOnly)
        defer { CVPixelBufferUnlockBaseAddress(buffer, .readOnly) }
        guard CVPixelBufferGetPixelFormatType(buffer) == kCVPixelFormatType_32BGRA,
            let start = CVPixelBufferGetBaseAddress(buffer)
        else {
            throw PaintError("The model paints in a pixel format that this app does not know.")
        }
        self.init(width: CVPixelBufferGetWidth(buffer), height: CVPixelBufferGetHeight(buffer))
        copyRows(from: start, rowBytes: CVPixelBufferGetBytesPerRow(buffer))
    }
}
