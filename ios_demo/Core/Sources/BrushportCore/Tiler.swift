/// Paints photos of any size with a model of one size.
///
/// Norms take statistics of the whole picture, so tiles painted one by one do not match. This model takes them from
/// outside: first the photo's statistics are measured, a pass over it for each norm, since each norm's input depends on
/// those before it; then every tile is painted with the same ones. Each tile sees ``Tiles/halo`` pixels more than it
/// answers for, so that what is painted is what one look at the whole photo would give, without a seam. Memory is that
/// of one tile, whatever the photo.
public struct Tiler: Sendable {
    private let painter: any Painter
    private let manifest: Manifest

    public init(_ painter: any Painter) {
        self.painter = painter
        manifest = painter.manifest
    }

    /// Whether a photo can be painted at this size: within a tile always, beyond with tiles.
    public func takes(width: Int, height: Int) -> Bool {
        manifest.tiles != nil || (width <= manifest.width && height <= manifest.height)
    }

    /// How many times the model will run for a photo of this size.
    public func runs(width: Int, height: Int) -> Int {
        let tiles = paintingLayout(width, height).count
        return tiles == 1 ? 1 : tiles + levels * measuringLayout(width, height).count
    }

    /// Paints `photo` in the blend of styles that `weights` gives.
    ///
    /// `progress` is told how many of ``runs(width:height:)`` are done, and of how many. Canceling the task ends it
    /// with `CancellationError` after the run at hand.
    public func paint(
        _ photo: Raster, weights: [Float], progress: @Sendable (_ done: Int, _ total: Int) async -> Void = { _, _ in }
    ) async throws -> Raster {
        guard takes(width: photo.width, height: photo.height) else {
            throw PaintError(
                "This model paints \(manifest.width)x\(manifest.height) pixels at most; export it with --tiles.")
        }
        let total = runs(width: photo.width, height: photo.height)
        var done = 0
        func step() async throws {
            done += 1
            await progress(done, total)
            try Task.checkCancellation()
        }
        let layout = paintingLayout(photo.width, photo.height)
        let given = layout.count > 1 ? try await measure(photo, weights, step) : nil
        var painting = Raster(width: photo.width, height: photo.height)
        for tile in layout.tiles {
            let picture = photo.tile(left: tile.left, top: tile.top, width: manifest.width, height: manifest.height)
            let painted = try await painter.paint(picture, weights: weights, given: given).picture
            painting.copy(
                from: painted, fromX: tile.across.lowerBound - tile.left, fromY: tile.down.lowerBound - tile.top,
                toX: tile.across.lowerBound, toY: tile.down.lowerBound,
                width: tile.across.count, height: tile.down.count)
            try await step()
        }
        return painting
    }

    private var levels: Int { manifest.tiles?.layers.map(\.level).max() ?? 0 }

    private func measure(_ photo: Raster, _ weights: [Float], _ step: () async throws -> Void) async throws -> Given? {
        guard let tiles = manifest.tiles, let port = tiles.measured else { return nil }
        var given = Given(count: tiles.count)
        let layout = measuringLayout(photo.width, photo.height)
        for level in stride(from: 1, through: levels, by: 1) {
            var sums = tiles.layers.filter { $0.level == level }.map { Moments(of: $0, in: port) }
            for tile in layout.tiles {
                let picture = photo.tile(left: tile.left, top: tile.top, width: manifest.width, height: manifest.height)
                guard let measured = try await painter.paint(picture, weights: weights, given: given).measured else {
                    throw PaintError("The model measured nothing of the photo; replace both files.")
                }
                let across = layout.columns.shares(of: tile.column, block: tiles.block)
                let down = layout.rows.shares(of: tile.row, block: tiles.block)
                for index in sums.indices {
                    sums[index].add(measured, down: down, across: across)
                }
                try await step()
            }
            for sum in sums {
                sum.store(in: &given)
            }
        }
        return given
    }

    private func paintingLayout(_ width: Int, _ height: Int) -> Layout {
        layout(width, height, halo: manifest.tiles?.halo ?? 0, step: Grid.step)
    }

    /// Tiles that meet where blocks do, so that each block counts once. Means bear with a halo of two blocks.
    private func measuringLayout(_ width: Int, _ height: Int) -> Layout {
        let block = manifest.tiles?.block ?? Grid.step
        return layout(width, height, halo: 2 * block, step: block)
    }

    private func layout(_ width: Int, _ height: Int, halo: Int, step: Int) -> Layout {
        Layout(
            columns: Grid(length: width, side: manifest.width, halo: halo, step: step),
            rows: Grid(length: height, side: manifest.height, halo: halo, step: step))
    }
}

/// One tile: where it lies, and the pixels that it answers for.
private struct Tile {
    let column: Int
    let row: Int
    let left: Int
    let top: Int
    let across: Range<Int>
    let down: Range<Int>
}

private struct Layout {
    let columns: Grid
    let rows: Grid

    var count: Int { columns.starts.count * rows.starts.count }

    /// Row by row.
    var tiles: [Tile] {
        rows.starts.indices.flatMap { row in
            columns.starts.indices.map { column in
                Tile(
                    column: column, row: row, left: columns.starts[column], top: rows.starts[row],
                    across: columns.cuts[column]..<columns.cuts[column + 1], down: rows.cuts[row]..<rows.cuts[row + 1])
            }
        }
    }
}

extension Raster {
    /// The `width` x `height` pixels at (`left`, `top`), mirrored beyond the right and the lower edge.
    func tile(left: Int, top: Int, width: Int, height: Int) -> Raster {
        let inside = min(width, self.width - left)
        let below = min(height, self.height - top)
        var tile = Raster(width: width, height: height)
        tile.copy(from: self, fromX: left, fromY: top, toX: 0, toY: 0, width: inside, height: below)
        for y in 0..<below {
            for x in inside..<max(inside, width) {
                tile[x, y] = tile[Grid.mirrored(x, length: inside), y]
            }
        }
        let above = tile
        for y in below..<max(below, height) {
            let shown = Grid.mirrored(y, length: below)
            tile.copy(from: above, fromX: 0, fromY: shown, toX: 0, toY: y, width: width, height: 1)
        }
        return tile
    }
}
