import SwiftUI
import UIKit

/// The system's camera; the photo it takes goes onto the easel.
struct CameraPicker: UIViewControllerRepresentable {
    @EnvironmentObject private var studio: Studio
    @Environment(\.dismiss) private var dismiss

    func makeUIViewController(context: Context) -> UIImagePickerController {
        let picker = UIImagePickerController()
        picker.sourceType = .camera
        picker.delegate = context.coordinator
        return picker
    }

    func updateUIViewController(_ picker: UIImagePickerController, context: Context) {}

    func makeCoordinator() -> Coordinator {
        Coordinator { taken in
            if let taken {
                studio.open { taken.file() }
            }
            dismiss()
        }
    }

    /// Hears of the photo, or that there is none.
    @MainActor
    final class Coordinator: NSObject, UIImagePickerControllerDelegate, UINavigationControllerDelegate {
        private let done: (TakenPhoto?) -> Void

        init(done: @escaping (TakenPhoto?) -> Void) {
            self.done = done
        }

        func imagePickerController(
            _ picker: UIImagePickerController,
            didFinishPickingMediaWithInfo info: [UIImagePickerController.InfoKey: Any]
        ) {
            done((info[.originalImage] as? UIImage).map(TakenPhoto.init))
        }

        func imagePickerControllerDidCancel(_ picker: UIImagePickerController) {
            done(nil)
        }
    }
}

/// A photo just taken. Images never change once made, which is what makes it safe to send.
struct TakenPhoto: @unchecked Sendable {
    let image: UIImage

    /// As a file, with the orientation that the camera was held in.
    func file() -> Data? {
        image.jpegData(compressionQuality: 1)
    }
}
