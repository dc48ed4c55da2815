import SwiftUI

/// Shares and saves the painting, once there is one.
struct FinishedButtons: View {
    @EnvironmentObject private var studio: Studio

    var body: some View {
        if let finished = studio.finished, let shown = studio.painting {
            HStack {
                ShareLink(
                    item: finished,
                    preview: SharePreview("Painting", image: Image(decorative: shown.cgImage, scale: 1)))
                Button {
                    Task { await studio.save() }
                } label: {
                    Label("Save", systemImage: "square.and.arrow.down")
                }
                .disabled(studio.isSaving)
            }
        }
    }
}
