import Foundation

extension Manifest {
    /// Reads the manifest's JSON; throws ``PaintError`` for whatever an app could not work with.
    public init(json: Data) throws {
        let whole: ManifestFile
        do {
            // The format comes first: of another one, nothing else is sure to be readable.
            let format = try JSONDecoder().decode(ManifestFormat.self, from: json).format
            guard format == ManifestFormat.known else {
                throw PaintError(
                    "The manifest is of format \(format), this app reads \(ManifestFormat.known); \(again).")
            }
            whole = try JSONDecoder().decode(ManifestFile.self, from: json)
        } catch let error as DecodingError {
            throw PaintError("The manifest is damaged (\(error.inWords)); \(again).")
        }
        guard let entry = whole.artifacts.coreml else {
            throw PaintError("The manifest describes no Core ML file; \(again).")
        }
        try self.init(entry)
    }

    private init(_ entry: ManifestFile.Entry) throws {
        let inputs = try entry.inputs.map(KnownPort.init)
        let outputs = try entry.outputs.map(KnownPort.init)
        if let stranger = inputs.first(where: { $0.kind == nil }) {
            throw PaintError("The model wants an input '\(stranger.port.name)', which this app does not know.")
        }
        picture = try inputs.onlyPicture(of: "input")
        painting = try outputs.onlyPicture(of: "output")
        guard (picture.width, picture.height) == (painting.width, painting.height) else {
            throw PaintError("The model paints another size than it takes; this app needs the same.")
        }
        weights = inputs.first { $0.kind == .weights }?.port
        let known = entry.knownStyles
        if let weights, known.count != weights.size {
            throw PaintError("The manifest names \(known.count) styles, the model takes \(weights.size); \(again).")
        }
        name = entry.name
        precision = entry.precision
        file = entry.file
        sha256 = entry.sha256
        styles = known.isEmpty ? [Style(name: entry.name, title: entry.name.asTitle, artist: "")] : known
        beyond = inputs.filter { $0.kind == .statistics }.map(\.port)
        extra = outputs.filter { $0.kind == .statistics }.map(\.port)
        tiles = try entry.tiles?.read(inputs: beyond, outputs: extra, tile: picture)
    }
}

extension ManifestFile.Tiles {
    /// The tiles, given the ports for statistics and the picture that is one; nil where a tile cannot be large enough.
    fileprivate func read(inputs: [ModelPort], outputs: [ModelPort], tile: ModelPort) throws -> Tiles? {
        guard let halo else { return nil }
        let block = block ?? Grid.step
        let nothingToMeasure = layers.isEmpty
        guard [tile.width, tile.height].allSatisfy({ fits(side: $0, halo: halo, block: block, nothingToMeasure) })
        else {
            throw PaintError("The manifest's tiles do not fit the model's size; \(again).")
        }
        let layers = try placedLayers()
        guard let count = layers.last?.numbers.upperBound else {
            return Tiles(statistics: nil, given: nil, measured: nil, halo: halo, block: block, layers: [])
        }
        let measured = try outputs.named(self.measured, holding: count)
        guard measured.width * block == tile.width, measured.height * block == tile.height else {
            throw PaintError("The manifest's tiles do not fit its port '\(measured.name)'; \(again).")
        }
        return Tiles(
            statistics: try inputs.named(statistics, holding: count), given: try inputs.named(given, holding: count),
            measured: measured, halo: halo, block: block, layers: layers)
    }

    private func placedLayers() throws -> [StatisticsLayer] {
        var placed: [StatisticsLayer] = []
        for layer in layers {
            guard layer.channels > 0, 1...2 ~= layer.moments, layer.level > 0 else {
                throw PaintError("The manifest describes a layer for tiles that cannot be; \(again).")
            }
            let offset = placed.last?.numbers.upperBound ?? 0
            placed.append(
                StatisticsLayer(channels: layer.channels, moments: layer.moments, level: layer.level, offset: offset))
        }
        return placed
    }
}

/// Whether a ``Grid`` of such tiles can be laid, both to paint and, unless there is nothing to measure, to measure.
private func fits(side: Int, halo: Int, block: Int, _ nothingToMeasure: Bool) -> Bool {
    guard halo >= 0, halo.isMultiple(of: Grid.step), side.isMultiple(of: Grid.step), side > 2 * halo else {
        return false
    }
    guard !nothingToMeasure else { return true }
    return block > 0 && block.isMultiple(of: Grid.step) && side.isMultiple(of: block) && side > 4 * block
}

/// A port, and what it is for; nil for what this app does not know.
private struct KnownPort {
    enum Kind: String {
        case image, weights, statistics
    }

    let kind: Kind?
    let port: ModelPort

    init(_ facts: ManifestFile.Port) throws {
        kind = Kind(rawValue: facts.kind)
        guard let element = ModelPort.Element(rawValue: facts.dtype), element != .picture || kind == .image else {
            throw PaintError("'\(facts.name)' holds \(facts.dtype), which this app does not know; \(again).")
        }
        if facts.shape.contains(where: { $0 < 1 }) || facts.shape.isEmpty {
            throw PaintError("'\(facts.name)' has a side of no pixels; \(again).")
        }
        let layout = facts.layout.flatMap(ModelPort.Layout.init)
        if kind == .image, facts.color ?? "RGB" != "RGB" || layout == nil {
            throw PaintError("'\(facts.name)' is not RGB, which is what this app paints with; \(again).")
        }
        var range: ClosedRange<Float>?
        if let ends = facts.range, ends.count == 2, ends[0] < ends[1] {
            range = ends[0]...ends[1]
        }
        port = ModelPort(name: facts.name, shape: facts.shape, layout: layout, element: element, range: range)
    }
}

extension [KnownPort] {
    fileprivate func onlyPicture(of what: String) throws -> ModelPort {
        let found = filter { $0.kind == .image }.map(\.port)
        guard let port = found.first, found.count == 1 else {
            throw PaintError("The model has \(found.count) picture \(what)s, this app needs one.")
        }
        guard port.shape.count == 4, port.shape[0] == 1, port.channels == 3 else {
            throw PaintError("The picture \(what) '\(port.name)' is no single RGB picture.")
        }
        guard let range = port.range else {
            throw PaintError("The manifest gives '\(port.name)' no range of values; \(again).")
        }
        guard port.element == .float32 || range == 0...255 else {
            throw PaintError("'\(port.name)' is of 8 bits, but not from 0 to 255; \(again).")
        }
        return port
    }
}

extension [ModelPort] {
    fileprivate func named(_ name: String?, holding count: Int) throws -> ModelPort {
        guard let port = first(where: { $0.name == name }), port.channels == count, port.layout != nil else {
            throw PaintError("The manifest's tiles do not fit its port '\(name ?? "")'; \(again).")
        }
        return port
    }
}

extension ManifestFile.Entry {
    fileprivate var knownStyles: [Style] {
        styles.map { name in
            let card = card?.styles?[name]
            return Style(name: name, title: card?.painting ?? name.asTitle, artist: card?.artist ?? "")
        }
    }
}

extension String {
    /// `starry_night` as "Starry night".
    fileprivate var asTitle: String {
        let words = replacingOccurrences(of: "_", with: " ")
        return words.prefix(1).uppercased() + words.dropFirst()
    }
}

extension DecodingError {
    fileprivate var inWords: String {
        switch self {
        case .keyNotFound(let key, _): "there is no '\(key.stringValue)'"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            "'\(context.codingPath.last?.stringValue ?? "")' is of another kind"
        default: "it is no JSON"
        }
    }
}

private let again = "export the model again with --bundle"
