// What Apple's Foundation has and Linux's lacks. The other stubs hand it on, as their frameworks hand on Foundation.
@_exported import Foundation

// developer.apple.com/documentation/foundation/nsdata
extension NSData {
    public enum CompressionAlgorithm: Int, Sendable { case lzfse, lz4, lzma, zlib }

    public func compressed(using algorithm: CompressionAlgorithm) throws -> Self { self }
}
