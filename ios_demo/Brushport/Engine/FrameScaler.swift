import BrushportCore
import CoreGraphics
import CoreImage
import CoreVideo

/// Cuts the middle out of camera frames and scales it to the model's size, on the GPU.
final class FrameScaler {
    private let buffers: PixelBuffers
    // Colors pass as they are: the model knows of no color spaces.
    private let context = CIContext(options: [.workingColorSpace: NSNull(), .cacheIntermediates: false])

    init(buffers: PixelBuffers) {
        self.buffers = buffers
    }

    /// The middle of `frame`, as much as there is of the model's aspect, in the model's size.
    func middle(of frame: CVPixelBuffer) throws -> CVPixelBuffer {
        let whole = PixelSize(width: CVPixelBufferGetWidth(frame), height: CVPixelBufferGetHeight(frame))
        guard whole != buffers.size else { return frame }
        let cut = Fit.middle(of: whole, like: buffers.size)
        let area = CGRect(x: cut.x, y: cut.y, width: cut.size.width, height: cut.size.height)
        let across = CGFloat(buffers.size.width) / area.width
        let down = CGFloat(buffers.size.height) / area.height
        let image = CIImage(cvPixelBuffer: frame)
            .cropped(to: area)
            .transformed(by: CGAffineTransform(translationX: -area.minX, y: -area.minY))
            .transformed(by: CGAffineTransform(scaleX: across, y: down))
        let scaled = try buffers.next()
        let bounds = CGRect(x: 0, y: 0, width: buffers.size.width, height: buffers.size.height)
        context.render(image, to: scaled, bounds: bounds, colorSpace: nil)
        return scaled
    }

    /// `frame` as an image to be shown.
    func picture(of frame: CVPixelBuffer) throws -> Picture {
        let image = CIImage(cvPixelBuffer: frame)
        guard let shown = context.createCGImage(image, from: image.extent) else {
            throw PaintError("This picture cannot be shown; try again.")
        }
        return Picture(cgImage: shown)
    }
}
