import SwiftUI

/// How far the painting is, and a way to stop it.
struct PaintingProgress: View {
    @EnvironmentObject private var studio: Studio

    var body: some View {
        if let progress = studio.progress {
            HStack(spacing: 12) {
                indicator(progress)
                Button("Stop", role: .cancel) { studio.stop() }
            }
            .padding()
            .background(.regularMaterial)
        }
    }

    @ViewBuilder
    private func indicator(_ progress: Studio.Progress) -> some View {
        if progress.total > 0 {
            ProgressView(value: Double(progress.done), total: Double(progress.total)) {
                Text("Painting, \(progress.done) of \(progress.total)")
                    .font(.footnote)
            }
        } else {
            ProgressView()
            Text("Painting…")
                .font(.footnote)
                .frame(maxWidth: .infinity, alignment: .leading)
        }
    }
}
