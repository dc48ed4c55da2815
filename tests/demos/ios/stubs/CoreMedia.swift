@_exported import CoreVideo

// developer.apple.com/documentation/coremedia/cmsamplebuffer
public final class CMSampleBuffer {}
public func CMSampleBufferGetImageBuffer(_ sbuf: CMSampleBuffer) -> CVImageBuffer? { nil }
