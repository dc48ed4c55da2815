import PhotosUI
import SwiftUI

/// Picks a photo from the library; the system's picker needs no permission.
struct PhotoButton: View {
    @EnvironmentObject private var studio: Studio
    @State private var picked: PhotosPickerItem?

    var body: some View {
        PhotosPicker(selection: $picked, matching: .images) {
            Label("Photos", systemImage: "photo.on.rectangle")
        }
        .onChange(of: picked) { item in
            guard let item else { return }
            picked = nil
            studio.open { try await item.loadTransferable(type: Data.self) }
        }
    }
}
