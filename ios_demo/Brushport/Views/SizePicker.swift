import BrushportCore
import SwiftUI

/// How large the painting is to be, as far as the model can.
struct SizePicker: View {
    @EnvironmentObject private var studio: Studio

    var body: some View {
        if let manifest = studio.manifest {
            Picker("Size", selection: size) {
                ForEach(PaintingSize.choices(for: manifest)) { size in
                    Text(size.label(for: manifest)).tag(size)
                }
            }
        }
    }

    private var size: Binding<PaintingSize> {
        Binding(get: { studio.size }, set: { studio.resize(to: $0) })
    }
}
