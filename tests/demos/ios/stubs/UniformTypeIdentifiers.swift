@_exported import AppleFoundation

// developer.apple.com/documentation/uniformtypeidentifiers/uttype
public struct UTType: Hashable, Sendable {
    public static let jpeg = UTType()
    public static let json = UTType()
    public static let image = UTType()
    public var identifier: String { "" }
}
