import BrushportCore
import SwiftUI
import UIKit

/// The easel: a photo, its painting laid over it, and what to paint it with.
struct EaselView: View {
    @EnvironmentObject private var studio: Studio
    @Environment(\.horizontalSizeClass) private var across
    @Environment(\.verticalSizeClass) private var down
    @State private var sheet: Sheet?
    @State private var camera: CameraUse?

    private enum Sheet: Identifiable {
        case settings, benchmark

        var id: Self { self }
    }

    private enum CameraUse: Identifiable {
        case photo, live

        var id: Self { self }
    }

    var body: some View {
        NavigationStack {
            layout {
                CanvasView()
                ViewThatFits(in: .vertical) {
                    ControlPanel()
                    ScrollView { ControlPanel() }  // with large text, or little room
                }
                .frame(maxWidth: isWide ? 360 : .infinity)
            }
            .navigationTitle("Brushport")
            .navigationBarTitleDisplayMode(.inline)
            .toolbar {
                ToolbarItemGroup(placement: .bottomBar) {
                    PhotoButton()
                    Spacer()
                    cameraButton("Camera", "camera", .photo)
                    Spacer()
                    cameraButton("Live", "video", .live)
                }
                ToolbarItemGroup(placement: .primaryAction) {
                    FinishedButtons()
                    Menu {
                        SizePicker()
                        Button {
                            sheet = .settings
                        } label: {
                            Label("Settings", systemImage: "cpu")
                        }
                        Button {
                            sheet = .benchmark
                        } label: {
                            Label("Benchmark", systemImage: "stopwatch")
                        }
                    } label: {
                        Label("More", systemImage: "ellipsis.circle")
                    }
                }
            }
        }
        .task { await studio.prepare() }
        .sheet(item: $sheet) { sheet in
            switch sheet {
            case .settings: SettingsView()
            case .benchmark: BenchmarkView()
            }
        }
        .fullScreenCover(item: $camera) { use in
            switch use {
            case .photo: CameraPicker().ignoresSafeArea()
            case .live: LiveView()
            }
        }
        .onReceive(NotificationCenter.default.publisher(for: UIApplication.didReceiveMemoryWarningNotification)) { _ in
            studio.freeMemory()
        }
        .problemAlert($studio.problem)
    }

    /// Canvas and controls lie side by side on iPads and on phones held sideways.
    private var isWide: Bool { across == .regular || down == .compact }

    private var layout: AnyLayout {
        isWide ? AnyLayout(HStackLayout(spacing: 0)) : AnyLayout(VStackLayout(spacing: 0))
    }

    private func cameraButton(_ title: LocalizedStringKey, _ symbol: String, _ use: CameraUse) -> some View {
        Button {
            camera = use
        } label: {
            Label(title, systemImage: symbol)
        }
        .disabled(!UIImagePickerController.isSourceTypeAvailable(.camera))
    }
}
