import Foundation

/// zlib's wrapping (RFC 1950) around raw DEFLATE, which is what Foundation's own "zlib" gives.
public enum Zlib {
    /// DEFLATE with a window of 32 KB, best compression; a multiple of 31, as the format demands.
    private static let header: [UInt8] = [0x78, 0xDA]
    private static let modulus: UInt32 = 65521
    private static let longest = 5552  // bytes whose sums fit into 32 bits

    /// The zlib stream of `content`, given that `deflated`.
    public static func stream(of content: Data, deflated: Data) -> Data {
        var stream = Data(header)
        stream.append(deflated)
        withUnsafeBytes(of: adler32(content).bigEndian) { stream.append(contentsOf: $0) }
        return stream
    }

    /// The checksum that ends a zlib stream.
    public static func adler32(_ content: Data) -> UInt32 {
        var (low, high): (UInt32, UInt32) = (1, 0)
        content.withUnsafeBytes { bytes in
            for start in stride(from: 0, to: bytes.count, by: longest) {
                for byte in bytes[start..<min(start + longest, bytes.count)] {
                    low += UInt32(byte)
                    high += low
                }
                low %= modulus
                high %= modulus
            }
        }
        return high << 16 | low
    }
}
