import BrushportCore
import SwiftUI

/// Styles, how two of them mix, how strong the painting is, and what it took.
struct ControlPanel: View {
    @EnvironmentObject private var studio: Studio

    var body: some View {
        VStack(alignment: .leading, spacing: 12) {
            StyleStrip(
                styles: studio.manifest?.styles ?? [], thumbnails: studio.thumbnails, brush: studio.brush,
                choose: studio.choose)
            MixSlider(styles: studio.manifest?.styles ?? [], brush: studio.brush, choose: studio.choose)
            strength
            Text(studio.status)
                .font(.footnote)
                .foregroundStyle(.secondary)
                .frame(maxWidth: .infinity, alignment: .leading)
        }
        .padding()
    }

    private var strength: some View {
        LabeledContent("Strength") {
            Slider(value: $studio.strength, in: 0...1)
                .accessibilityLabel("Strength")
                .accessibilityValue(Text(studio.strength, format: .percent.precision(.fractionLength(0))))
        }
        .disabled(studio.painting == nil)
    }
}
