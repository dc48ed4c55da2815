import BrushportCore
import Foundation

/// The pair that `python -m export --target coreml --bundle` puts into `Model/`: a model, which Xcode compiles, and the
/// manifest that names it.
struct ModelFiles: Sendable {
    let manifest: Manifest
    let model: URL

    private static let missing = PaintError(
        "The app holds no model; bundle one: python -m export --target coreml --bundle")

    /// Finds the pair in `bundle`; throws ``PaintError`` where it is not there or not whole.
    init(in bundle: Bundle = .main) throws {
        guard let json = bundle.paths(forResourcesOfType: "json", inDirectory: nil).min() else {
            throw Self.missing
        }
        manifest = try Manifest(json: Data(contentsOf: URL(fileURLWithPath: json)))
        guard let compiled = bundle.url(forResource: manifest.resource, withExtension: "mlmodelc") else {
            throw Self.missing
        }
        model = compiled
    }
}
