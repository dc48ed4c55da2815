import BrushportCore
import Foundation
import Photos

/// Adds paintings to the photo library, which is all that the app may do there.
enum PhotoLibrary {
    /// Saves a JPEG `file`. Throws ``PaintError`` where that is not allowed or fails.
    static func save(_ file: Data) async throws {
        let status = await PHPhotoLibrary.requestAuthorization(for: .addOnly)
        guard status == .authorized || status == .limited else {
            throw PaintError(
                "Without the permission to add photos, the painting cannot be saved; allow it in Settings.")
        }
        do {
            try await PHPhotoLibrary.shared().performChanges {
                PHAssetCreationRequest.forAsset().addResource(with: .photo, data: file, options: nil)
            }
        } catch {
            throw PaintError("The painting could not be saved (\(error.localizedDescription)).")
        }
    }
}
