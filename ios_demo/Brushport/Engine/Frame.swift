import CoreVideo

/// Pixels on their way from one part of the app to the next.
///
/// Whoever makes a frame is done writing before handing it on, and everyone after only reads: that is what makes it
/// safe to send.
struct Frame: @unchecked Sendable {
    let buffer: CVPixelBuffer
}
