import BrushportCore
import CoreML

extension Manifest {
    /// Throws ``PaintError`` unless the model has the inputs and outputs that this manifest names, as it describes them.
    func check(_ description: MLModelDescription) throws {
        try Self.check(inputs, description.inputDescriptionsByName)
        try Self.check(outputs, description.outputDescriptionsByName)
    }

    private static func check(_ ports: [ModelPort], _ found: [String: MLFeatureDescription]) throws {
        let names = ports.map(\.name).sorted()
        guard found.keys.sorted() == names else {
            throw PaintError("The model has \(found.keys.sorted()), its manifest \(names): replace both files.")
        }
        for port in ports {
            guard let feature = found[port.name], port.describes(feature) else {
                throw PaintError(
                    "'\(port.name)' is not in the model what its manifest says: replace both files.")
            }
        }
    }
}

extension ModelPort {
    fileprivate func describes(_ feature: MLFeatureDescription) -> Bool {
        switch element {
        case .picture:
            guard feature.type == .image, let image = feature.imageConstraint else { return false }
            return image.pixelsWide == width && image.pixelsHigh == height
        case .float32:
            guard feature.type == .multiArray, let array = feature.multiArrayConstraint else { return false }
            return array.dataType == .float32 && array.shape.map(\.intValue) == shape
        }
    }
}
