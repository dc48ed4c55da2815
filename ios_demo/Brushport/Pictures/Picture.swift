import CoreGraphics

/// An image to be shown. It never changes once made, which is what makes it safe to send.
struct Picture: @unchecked Sendable {
    let cgImage: CGImage
}
