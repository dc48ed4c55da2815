import BrushportCore
import CoreTransferable
import Foundation
import UniformTypeIdentifiers

/// A photo and its painting at full size, and how strongly one lies over the other: what is saved and shared.
///
/// The two are laid together only when somebody asks for the file.
struct FinishedPainting: Transferable {
    let photo: Raster
    let painting: Raster
    let strength: Float

    static var transferRepresentation: some TransferRepresentation {
        DataRepresentation(exportedContentType: .jpeg) { (painting: Self) in try await painting.jpeg() }
    }

    /// As a JPEG file; off the main actor.
    func jpeg() async throws -> Data {
        let blended = strength >= 1 ? painting : photo.laidOver(by: painting, strength: strength)
        return try await Picture(cgImage: blended.image()).jpeg()
    }
}
