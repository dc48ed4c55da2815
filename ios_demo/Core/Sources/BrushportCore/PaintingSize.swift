/// How large a painting is to be.
public enum PaintingSize: Sendable, Hashable, Identifiable {
    /// As large as the model's own pictures.
    case model
    /// With a longer side of so many pixels.
    case pixels(Int)
    /// As large as the photo.
    case full

    public var id: Self { self }

    /// The longer side in pixels, for a model of `manifest`.
    public func longSide(for manifest: Manifest) -> Int {
        switch self {
        case .model: max(manifest.width, manifest.height)
        case .pixels(let side): side
        case .full: .max
        }
    }

    /// What there is to choose from: only a model with tiles paints more than its own size.
    public static func choices(for manifest: Manifest) -> [Self] {
        let own = max(manifest.width, manifest.height)
        return manifest.tiles == nil ? [.model] : [.model, .pixels(2 * own), .pixels(4 * own), .full]
    }

    /// In words.
    public func label(for manifest: Manifest) -> String {
        self == .full ? "Full size" : "\(longSide(for: manifest)) pixels"
    }
}
