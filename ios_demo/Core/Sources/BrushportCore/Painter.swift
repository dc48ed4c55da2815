/// What a tile is told of the whole photo: numbers, and for each 1 where it counts or 0 where the tile's own does.
public struct Given: Sendable, Equatable {
    public var statistics: [Float]
    public var weights: [Float]

    /// `count` numbers of which none is known yet.
    public init(count: Int) {
        statistics = [Float](repeating: 0, count: count)
        weights = statistics
    }
}

/// One run of the model: how long the model alone took, on what, and why not on what was asked for.
public struct Run: Sendable, Equatable {
    public let milliseconds: Double
    public let processor: Processor
    public let fallback: String?

    public init(milliseconds: Double, processor: Processor, fallback: String? = nil) {
        self.milliseconds = milliseconds
        self.processor = processor
        self.fallback = fallback
    }
}

/// What one run gave: the painting, and what it measured where the model can (see ``Tiles/measured``).
public struct Painted: Sendable {
    public let picture: Raster
    public let measured: [Float]?
    public let run: Run

    public init(picture: Raster, measured: [Float]? = nil, run: Run) {
        self.picture = picture
        self.measured = measured
        self.run = run
    }
}

/// Paints one picture of the model's size.
public protocol Painter: Sendable {
    var manifest: Manifest { get }

    /// Paints `picture`, of ``Manifest/width`` x ``Manifest/height``, in the blend of styles that `weights` gives (sum
    /// 1, one for each of ``Manifest/styles``).
    ///
    /// `given` tells a tile of the whole photo, which needs ``Manifest/tiles``. Throws ``PaintError`` when the model
    /// fails.
    func paint(_ picture: Raster, weights: [Float], given: Given?) async throws -> Painted
}
