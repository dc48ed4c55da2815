import SwiftUI

/// The camera's picture, painted live, with the styles to choose from.
struct LiveView: View {
    @EnvironmentObject private var studio: Studio
    @Environment(\.dismiss) private var dismiss
    @StateObject private var live = LiveModel()
    @State private var facesUser = false

    var body: some View {
        NavigationStack {
            VStack(spacing: 12) {
                canvas
                StyleStrip(
                    styles: studio.manifest?.styles ?? [], thumbnails: studio.thumbnails, brush: live.brush
                ) { live.brush = $0 }
                MixSlider(styles: studio.manifest?.styles ?? [], brush: live.brush) { live.brush = $0 }
                Text(live.status)
                    .font(.footnote.monospacedDigit())
                    .foregroundStyle(.secondary)
            }
            .padding()
            .navigationTitle("Live")
            .navigationBarTitleDisplayMode(.inline)
            .toolbar {
                ToolbarItem(placement: .cancellationAction) {
                    Button("Close") { dismiss() }
                }
                ToolbarItemGroup(placement: .primaryAction) {
                    Button {
                        facesUser.toggle()
                    } label: {
                        Label("Other camera", systemImage: "arrow.triangle.2.circlepath.camera")
                    }
                    Button {
                        Task { await live.save() }
                    } label: {
                        Label("Save", systemImage: "square.and.arrow.down")
                    }
                    .disabled(live.picture == nil)
                }
            }
        }
        .onAppear { live.brush = studio.brush }
        .task(id: facesUser) { await live.run(studio, facesUser: facesUser) }
        .problemAlert($live.problem)
    }

    private var canvas: some View {
        ZStack {
            Color(uiColor: .secondarySystemBackground)
            if let picture = live.picture {
                Image(decorative: picture.cgImage, scale: 1)
                    .resizable()
                    .aspectRatio(contentMode: .fit)
            } else if !live.hasFailed {
                ProgressView()
            }
        }
        .accessibilityElement()
        .accessibilityLabel("What the camera sees, painted")
        .accessibilityAddTraits(.isImage)
    }
}
