import SwiftUI

/// The painting over the photo, as strongly as the slider says; the photo alone while one presses.
struct CanvasView: View {
    @EnvironmentObject private var studio: Studio
    @State private var showsPhoto = false

    var body: some View {
        ZStack {
            Color(uiColor: .secondarySystemBackground)
            if let photo = studio.photo {
                layers(over: photo)
            } else {
                welcome
            }
        }
        .frame(maxWidth: .infinity, maxHeight: .infinity)
        .overlay(alignment: .bottom) { PaintingProgress() }
    }

    private func layers(over photo: Picture) -> some View {
        ZStack {
            layer(photo)
            if let painting = studio.painting {
                layer(painting)
                    .opacity(showsPhoto ? 0 : studio.strength)
            }
        }
        .contentShape(Rectangle())
        .onLongPressGesture(minimumDuration: .infinity, maximumDistance: .infinity) {
        } onPressingChanged: { pressed in
            showsPhoto = pressed
        }
        .accessibilityElement()
        .accessibilityLabel(showsPhoto ? "The photo" : "The painting")
        .accessibilityHint("Press and hold to see the photo")
        .accessibilityAddTraits(.isImage)
        .accessibilityAction(named: "Switch between photo and painting") { showsPhoto.toggle() }
    }

    private func layer(_ picture: Picture) -> some View {
        Image(decorative: picture.cgImage, scale: 1)
            .resizable()
            .aspectRatio(contentMode: .fit)
    }

    private var welcome: some View {
        VStack(spacing: 12) {
            Image(systemName: "paintbrush.pointed")
                .font(.largeTitle)
                .foregroundStyle(Color.accentColor)
                .accessibilityHidden(true)
            Text(
                """
                Pick a photo or take one. Tap a style to paint; hold another to blend it in. \
                Press the painting to see the photo.
                """
            )
            .multilineTextAlignment(.center)
        }
        .padding(32)
    }
}
