import Foundation

/// A style's name as the model knows it, the painting's title, and who painted it ("" where the card is silent).
public struct Style: Sendable, Equatable {
    public let name: String
    public let title: String
    public let artist: String
}

/// A layer that looks at the whole picture: its channels, 1 (means) or 2 (means, then variances) numbers for each, how
/// many such layers lie in front of it, itself included, and where its numbers begin.
public struct StatisticsLayer: Sendable, Equatable {
    public let channels: Int
    public let moments: Int
    public let level: Int
    public let offset: Int

    /// Where its numbers lie among all.
    var numbers: Range<Int> { offset..<(offset + channels * moments) }
}

/// What painting a large photo tile by tile takes: the ports for statistics (nil where no layer looks at the whole
/// picture), how many pixels a tile must see around itself, the side of the blocks that are measured, and the layers.
public struct Tiles: Sendable, Equatable {
    public let statistics: ModelPort?
    public let given: ModelPort?
    public let measured: ModelPort?
    public let halo: Int
    public let block: Int
    public let layers: [StatisticsLayer]

    /// How many numbers all layers have.
    public var count: Int { layers.last?.numbers.upperBound ?? 0 }
}

/// What `NAME-PRECISION.json` says of the `.mlpackage` beside it, as far as an app needs it.
public struct Manifest: Sendable, Equatable {
    public let name: String
    public let precision: String
    public let file: String
    public let sha256: String
    public let picture: ModelPort
    /// The weights of the styles; nil where one style is baked in.
    public let weights: ModelPort?
    public let painting: ModelPort
    public let styles: [Style]
    /// Nil where the file paints nothing larger than its own size.
    public let tiles: Tiles?
    /// The inputs that are to be zero unless a photo is painted in tiles.
    public let beyond: [ModelPort]
    /// The outputs for tiles.
    public let extra: [ModelPort]

    public var width: Int { picture.width }
    public var height: Int { picture.height }

    public var inputs: [ModelPort] { [picture] + [weights].compactMap(\.self) + beyond }
    public var outputs: [ModelPort] { [painting] + extra }

    /// The compiled model's name in the app, as Xcode derives it from ``file``; without its ending.
    public var resource: String {
        file.hasSuffix(Self.ending) ? String(file.dropLast(Self.ending.count)) : file
    }

    private static let ending = ".mlpackage"
}
