import AVFoundation
import BrushportCore
import Combine
import UIKit

/// What the camera sees, painted as it comes.
@MainActor
final class LiveModel: ObservableObject {
    @Published private(set) var picture: Picture?
    @Published private(set) var status = ""
    /// Whether no picture is to be waited for.
    @Published private(set) var hasFailed = false
    @Published var brush = Brush()
    @Published var problem: PaintError?

    private var rate = FrameRate()
    private var memory = 0
    private var counted: ContinuousClock.Instant?
    private let started = ContinuousClock.now

    /// Paints frames, of what the user looks at or of the user, until the task is canceled.
    func run(_ studio: Studio, facesUser: Bool) async {
        hasFailed = false
        let camera = Camera(facesUser ? .front : .back)
        defer { camera.stop() }
        do {
            let model = try await studio.store.model(on: studio.processor)
            let used = await model.used
            try await camera.start(Self.orientation)
            for await frame in camera.frames {
                let weights = brush.weights(count: model.manifest.styles.count)
                let painted = try await model.paint(frame, weights: weights)
                show(painted.picture, painted.run, used)
                camera.turn(to: Self.orientation)
            }
        } catch {
            guard let found = PaintError(error) else { return }
            (problem, hasFailed) = (found, true)
        }
    }

    /// Saves what is seen now.
    func save() async {
        guard let picture else { return }
        do {
            try await PhotoLibrary.save(picture.jpeg())
            status = "Saved to Photos."
        } catch {
            problem = PaintError(error)
        }
    }

    private func show(_ painted: Picture, _ run: Run, _ used: String) {
        picture = painted
        let now = ContinuousClock.now
        if counted.map({ now - $0 > .seconds(1) }) ?? true {
            memory = Memory.megabytes
            counted = now
        }
        let frames = rate.frame(at: (now - started).inMilliseconds / 1e3) ?? 0
        let words = run.fallback ?? used
        status =
            "\(Int(run.milliseconds)) ms · \(String(format: "%.1f", frames)) frames a second · \(words) · \(memory) MB"
    }

    /// How the interface is turned now. No notification comes in time, so each frame asks.
    private static var orientation: AVCaptureVideoOrientation {
        let scene = UIApplication.shared.connectedScenes.compactMap { $0 as? UIWindowScene }.first
        switch scene?.interfaceOrientation {
        case .landscapeLeft: return .landscapeLeft
        case .landscapeRight: return .landscapeRight
        case .portraitUpsideDown: return .portraitUpsideDown
        default: return .portrait
        }
    }
}
