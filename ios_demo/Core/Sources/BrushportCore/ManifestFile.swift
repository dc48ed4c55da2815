/// The first thing to know of a manifest.
struct ManifestFormat: Decodable {
    static let known = 1

    let format: Int
}

/// The manifest's JSON, as far as an app reads it.
struct ManifestFile: Decodable {
    struct Artifacts: Decodable {
        let coreml: Entry?
    }

    struct Entry: Decodable {
        let name: String
        let precision: String
        let file: String
        let sha256: String
        let inputs: [Port]
        let outputs: [Port]
        let styles: [String]
        let card: Card?
        let tiles: Tiles?
    }

    struct Port: Decodable {
        let name: String
        let kind: String
        let shape: [Int]
        let layout: String?
        let dtype: String
        let color: String?
        let range: [Float]?
    }

    struct Card: Decodable {
        struct Style: Decodable {
            let painting: String?
            let artist: String?
        }

        let styles: [String: Style]?
    }

    struct Tiles: Decodable {
        struct Layer: Decodable {
            let channels: Int
            let moments: Int
            let level: Int
        }

        let statistics: String?
        let given: String?
        let measured: String?
        let halo: Int?
        let block: Int?
        let layers: [Layer]
    }

    let artifacts: Artifacts
}
