import SwiftUI

/// Paints photos, and what the camera sees, in the styles of paintings.
@main
struct BrushportApp: App {
    @StateObject private var studio = Studio()

    var body: some Scene {
        WindowGroup {
            EaselView()
                .environmentObject(studio)
        }
    }
}
