import BrushportCore
import Foundation

/// What the app understood of its manifest, as JSON, for Python to compare with the model itself.
struct Facts: Encodable {
    struct Port: Encodable {
        let name: String
        let shape: [Int]
        let element: String
        let range: [Float]?

        init(_ port: ModelPort) {
            name = port.name
            shape = port.shape
            element = port.element.rawValue
            range = port.range.map { [$0.lowerBound, $0.upperBound] }
        }
    }

    let file, resource, sha256: String
    let width, height: Int
    let inputs, outputs: [Port]
    let styles, titles, artists: [String]
    let halo, block: Int?
    let layers: [[Int]]

    init(_ manifest: Manifest) {
        (file, resource, sha256) = (manifest.file, manifest.resource, manifest.sha256)
        (width, height) = (manifest.width, manifest.height)
        inputs = manifest.inputs.map(Port.init)
        outputs = manifest.outputs.map(Port.init)
        styles = manifest.styles.map(\.name)
        titles = manifest.styles.map(\.title)
        artists = manifest.styles.map(\.artist)
        (halo, block) = (manifest.tiles?.halo, manifest.tiles?.block)
        layers = manifest.tiles?.layers.map { [$0.channels, $0.moments, $0.level, $0.offset] } ?? []
    }
}
