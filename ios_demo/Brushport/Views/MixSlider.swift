import BrushportCore
import SwiftUI

/// How two styles mix; nothing where there is one. Paints when let go.
struct MixSlider: View {
    let styles: [Style]
    let brush: Brush
    let choose: (Brush) -> Void
    @State private var mix: Float?

    var body: some View {
        if let second = brush.second, styles.indices.contains(second), styles.indices.contains(brush.first) {
            let names = "\(styles[brush.first].title) with \(styles[second].title)"
            VStack(alignment: .leading, spacing: 4) {
                Text(names)
                    .font(.footnote)
                Slider(value: value, in: 0...1, onEditingChanged: released)
                    .accessibilityLabel(names)
                    .accessibilityValue(Text(value.wrappedValue, format: .percent.precision(.fractionLength(0))))
            }
        }
    }

    private var value: Binding<Float> {
        Binding(get: { mix ?? brush.mix }, set: { mix = $0 })
    }

    private func released(isEditing: Bool) {
        guard !isEditing, let mix else { return }
        self.mix = nil
        choose(Brush(first: brush.first, second: brush.second, mix: mix))
    }
}
