import Foundation

@testable import BrushportCore

/// A manifest as `python -m export --bundle` writes it, small enough to read, changed by replacing texts once each.
func manifestJSON(_ changes: (String, String)...) -> Data {
    var text = """
        {"format": 1, "name": "painter", "precision": "fp16", "artifacts": {"coreml": {
          "name": "painter", "precision": "fp16", "file": "painter-fp16.mlpackage", "sha256": "00",
          "inputs": [
            {"name": "image", "kind": "image", "shape": [1, 3, 64, 128], "layout": "NCHW", "dtype": "image",
             "color": "RGB", "range": [0, 255]},
            {"name": "style", "kind": "weights", "shape": [1, 2], "layout": null, "dtype": "float32", "color": null,
             "range": null},
            {"name": "statistics", "kind": "statistics", "shape": [1, 9, 1, 1], "layout": "NCHW", "dtype": "float32",
             "color": null, "range": null},
            {"name": "given", "kind": "statistics", "shape": [1, 9, 1, 1], "layout": "NCHW", "dtype": "float32",
             "color": null, "range": null}],
          "outputs": [
            {"name": "painting", "kind": "image", "shape": [1, 3, 64, 128], "layout": "NCHW", "dtype": "float32",
             "color": "RGB", "range": [-1, 1]},
            {"name": "measured", "kind": "statistics", "shape": [1, 9, 8, 16], "layout": "NCHW", "dtype": "float32",
             "color": null, "range": null}],
          "styles": ["wave", "starry_night"],
          "card": {"styles": {"wave": {"painting": "The Great Wave", "artist": "Hokusai"}}},
          "tiles": {"statistics": "statistics", "given": "given", "measured": "measured", "block": 8, "halo": 16,
            "layers": [{"channels": 3, "moments": 2, "level": 1}, {"channels": 3, "moments": 1, "level": 2}]}
        }}}
        """
    for (was, now) in changes {
        guard let place = text.range(of: was) else { preconditionFailure("the manifest does not say \(was)") }
        text.replaceSubrange(place, with: now)
    }
    return Data(text.utf8)
}

/// A picture that changes slowly and in each direction otherwise.
func slope(width: Int, height: Int) -> Raster {
    let pixels = (0..<(width * height)).map { place in
        let (x, y) = (place % width, place / width)
        return Raster.pixel(
            red: UInt8(x * 200 / width + 20), green: UInt8(y * 200 / height + 20),
            blue: UInt8((x * 7 + y * 3) % 61 + 100))
    }
    return Raster(width: width, height: height, pixels: pixels)
}

/// Paints what it is shown, and remembers what it was given.
actor Mirror: Painter {
    nonisolated let manifest: Manifest
    private(set) var shown: [Raster] = []
    private(set) var given: [Given?] = []

    init(_ manifest: Manifest) {
        self.manifest = manifest
    }

    func paint(_ picture: Raster, weights: [Float], given: Given?) -> Painted {
        shown.append(picture)
        self.given.append(given)
        let run = Run(milliseconds: Double(shown.count), processor: .cpu, fallback: "no GPU")
        return Painted(
            picture: picture, measured: manifest.tiles?.measured.map { Array(repeating: 0, count: $0.size) }, run: run)
    }
}
