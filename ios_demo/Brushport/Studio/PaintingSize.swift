import BrushportCore

/// How large a painting is to be.
enum PaintingSize: Hashable, Identifiable {
    case model
    case pixels(Int)
    case full

    var id: Self { self }

    /// The longer side in pixels, for a model of `manifest`.
    func longSide(for manifest: Manifest) -> Int {
        switch self {
        case .model: max(manifest.width, manifest.height)
        case .pixels(let side): side
        case .full: .max
        }
    }

    /// What there is to choose from: only a model with tiles paints more than its own size.
    static func choices(for manifest: Manifest) -> [Self] {
        let own = max(manifest.width, manifest.height)
        return manifest.tiles == nil ? [.model] : [.model, .pixels(2 * own), .pixels(4 * own), .full]
    }

    func label(for manifest: Manifest) -> String {
        self == .full ? "Full size" : "\(longSide(for: manifest)) pixels"
    }
}
