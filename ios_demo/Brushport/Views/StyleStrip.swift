import BrushportCore
import SwiftUI

/// The styles in a row: a tap takes one, holding it offers to blend it in.
struct StyleStrip: View {
    let styles: [Style]
    let thumbnails: [Picture]
    let brush: Brush
    let choose: (Brush) -> Void

    var body: some View {
        ScrollView(.horizontal, showsIndicators: false) {
            HStack(alignment: .top, spacing: 12) {
                ForEach(styles.indices, id: \.self) { index in
                    swatch(index)
                }
            }
        }
    }

    private func swatch(_ index: Int) -> some View {
        Button {
            choose(Brush(first: index))
        } label: {
            VStack(spacing: 4) {
                StyleSwatch(picture: thumbnails.indices.contains(index) ? thumbnails[index] : nil)
                    .overlay { RoundedRectangle(cornerRadius: 8).stroke(color(of: index), lineWidth: 3) }
                Text(styles[index].title)
                    .font(.caption)
                    .lineLimit(2)
                    .multilineTextAlignment(.center)
            }
            .frame(width: 88)
        }
        .buttonStyle(.plain)
        .contextMenu {
            Button("Blend in") { blendIn(index) }
                .disabled(index == brush.first)
        }
        .accessibilityLabel(
            styles[index].artist.isEmpty ? styles[index].title : "\(styles[index].title), \(styles[index].artist)"
        )
        .accessibilityAddTraits(isChosen(index) ? .isSelected : [])
        .accessibilityAction(named: "Blend in") { blendIn(index) }
    }

    private func blendIn(_ index: Int) {
        guard index != brush.first else { return }
        choose(Brush(first: brush.first, second: index, mix: brush.mix))
    }

    private func isChosen(_ index: Int) -> Bool {
        index == brush.first || index == brush.second
    }

    private func color(of index: Int) -> Color {
        switch index {
        case brush.first: .accentColor
        case brush.second: Color("SecondAccent")
        default: .clear
        }
    }
}

/// The photo in one style, small; a brush until that is painted.
private struct StyleSwatch: View {
    let picture: Picture?

    var body: some View {
        ZStack {
            Color(uiColor: .tertiarySystemFill)
            if let picture {
                Image(decorative: picture.cgImage, scale: 1)
                    .resizable()
                    .aspectRatio(contentMode: .fill)
            } else {
                Image(systemName: "paintpalette")
                    .foregroundStyle(.secondary)
            }
        }
        .frame(width: 72, height: 72)
        .clipShape(RoundedRectangle(cornerRadius: 8))
    }
}
