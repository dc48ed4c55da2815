@_exported import CoreVideo

// developer.apple.com/documentation/coreimage/ciimage
public final class CIImage {
    public init(cvPixelBuffer: CVPixelBuffer) {}
    public var extent: CGRect { .zero }
    public func cropped(to rect: CGRect) -> CIImage { self }
    public func transformed(by matrix: CGAffineTransform) -> CIImage { self }
}

// developer.apple.com/documentation/coreimage/cicontextoption
public struct CIContextOption: Hashable, Sendable {
    public static let workingColorSpace = CIContextOption()
    public static let cacheIntermediates = CIContextOption()
}

// developer.apple.com/documentation/coreimage/cicontext
public final class CIContext {
    public init(options: [CIContextOption: Any]? = nil) {}
    public func render(_ image: CIImage, to buffer: CVPixelBuffer, bounds: CGRect, colorSpace: CGColorSpace?) {}
    public func createCGImage(_ image: CIImage, from fromRect: CGRect) -> CGImage? { nil }
}
