import BrushportCore
import Combine
import Foundation

/// The photo on the easel, what it is painted with, and the painting.
///
/// Everything heavy happens off the main actor; this object holds what the screens show. A change of photo, brush, size
/// or processor ends the painting at hand and begins a new one. Strength needs none: it is how strongly the painting
/// lies over the photo.
@MainActor
final class Studio: ObservableObject {
    /// Runs of the model: done, and of how many (0 while nothing is known).
    struct Progress: Equatable {
        var done = 0
        var total = 0
    }

    @Published private(set) var manifest: Manifest?
    @Published private(set) var photo: Picture?
    @Published private(set) var painting: Picture?
    /// The photo in each style, small.
    @Published private(set) var thumbnails: [Picture] = []
    /// Nil when nothing is being painted.
    @Published private(set) var progress: Progress?
    /// What was measured of the last painting.
    @Published private(set) var status = ""
    @Published private(set) var isSaving = false
    @Published var problem: PaintError?
    @Published var strength = 1.0
    @Published private(set) var brush = Brush()
    @Published private(set) var size = PaintingSize.model
    @Published private(set) var processor = Preferences.processor

    let store = ModelStore()
    private var file: Data?
    private var onEasel: Raster?
    private var painted: Raster?
    private var isShrunk = false  // to what memory holds
    private var isStopped = false  // so that the same brush paints again
    private var work: Task<Void, Never>?

    private static let screen = 2048  // pixels a side, enough for any device
    private static let thumbnail = 192

    /// What is saved and shared; nil until there is a painting.
    var finished: FinishedPainting? {
        guard let onEasel, let painted else { return nil }
        return FinishedPainting(photo: onEasel, painting: painted, strength: Float(strength))
    }

    /// Reads the manifest, so that the styles can be shown before there is a photo.
    func prepare() async {
        guard manifest == nil else { return }
        do {
            manifest = try ModelFiles().manifest
        } catch {
            report(error)
        }
    }

    // MARK: - What the user does

    /// Puts a photo on the easel and paints it; `load` gives its file.
    func open(_ load: @escaping @Sendable () async throws -> Data?) {
        start { [self] in
            guard let loaded = try await load() else {
                throw PaintError("This photo cannot be read; pick another.")
            }
            try Task.checkCancellation()
            file = loaded
            (onEasel, thumbnails) = (nil, [])
            try await paint()
        }
    }

    func choose(_ wanted: Brush) {
        guard wanted != brush || isStopped else { return }
        brush = wanted
        repaint()
    }

    func resize(to wanted: PaintingSize) {
        guard wanted != size else { return }
        size = wanted
        onEasel = nil
        repaint()
    }

    func run(on wanted: Processor) {
        guard wanted != processor else { return }
        processor = wanted
        Preferences.processor = wanted
        repaint()
    }

    /// Stops painting.
    func stop() {
        isStopped = isStopped || progress != nil
        work?.cancel()
        work = nil
        progress = nil
    }

    func save() async {
        guard let finished, !isSaving else { return }
        isSaving = true
        defer { isSaving = false }
        do {
            try await PhotoLibrary.save(finished.jpeg())
            status = "Saved to Photos."
        } catch {
            report(error)
        }
    }

    /// Gives up what can be made again, when the system is short of memory.
    func freeMemory() {
        thumbnails = []
        if progress != nil, size != .model {
            stop()
            problem = PaintError("There is not enough memory for this size; choose a smaller one.")
        }
        Task { await store.release() }
    }

    /// Says what went wrong, unless it was only stopped.
    private func report(_ error: any Error) {
        if let found = PaintError(error) {
            problem = found
        }
    }

    // MARK: - Painting

    private func repaint() {
        guard file != nil else { return }
        start { [self] in try await paint() }
    }

    /// Ends the work at hand and begins `next`.
    private func start(_ next: @escaping @MainActor () async throws -> Void) {
        work?.cancel()
        isStopped = false
        progress = Progress()
        work = Task {
            var failure: (any Error)?
            do {
                try await next()
            } catch {
                failure = error
            }
            // Of work that was ended, nobody wants to hear, and progress is that of the next.
            guard !Task.isCancelled else { return }
            progress = nil
            if let failure {
                report(failure)
            }
        }
    }

    private func paint() async throws {
        let model = try await store.model(on: processor)
        let manifest = model.manifest
        self.manifest = manifest
        let photo = try await photoOnEasel(for: manifest)
        try await paintThumbnails(of: photo, with: model)
        let clock = ContinuousClock()
        let started = clock.now
        let weights = brush.weights(count: manifest.styles.count)
        let result = try await Tiler(model).paint(photo, weights: weights) { done, total in
            await self.note(done, total)
        }
        let took = (clock.now - started).inMilliseconds
        let shown = try await result.picture(longSide: Self.screen)
        let used = await model.used
        try Task.checkCancellation()
        (painted, painting) = (result, shown)
        status = "\(photo.width)×\(photo.height) · \(Int(took)) ms · \(used) · \(Memory.megabytes) MB"
        if isShrunk {
            status += "\nPainted as large as memory reaches."
        }
    }

    /// The photo at the size that is wanted, read again if that changed.
    private func photoOnEasel(for manifest: Manifest) async throws -> Raster {
        if let onEasel {
            return onEasel
        }
        guard let file else { throw CancellationError() }
        let side = size.longSide(for: manifest)
        let mostPixels = Memory.mostPixels
        var read = try await PhotoReader.read(file, longSide: side, pixels: mostPixels)
        if manifest.tiles == nil {
            read = try await read.fitted(into: manifest)
        }
        let shown = try await read.picture(longSide: Self.screen)
        try Task.checkCancellation()
        (onEasel, photo) = (read, shown)
        isShrunk = read.width * read.height >= mostPixels / 10 * 9
        (painted, painting) = (nil, nil)
        return read
    }

    private func paintThumbnails(of photo: Raster, with model: StyleModel) async throws {
        guard thumbnails.isEmpty else { return }
        let small = try await photo.fitted(into: model.manifest)
        var found: [Picture] = []
        let count = model.manifest.styles.count
        for style in 0..<count {
            let painted = try await Tiler(model).paint(small, weights: Brush(first: style).weights(count: count))
            found.append(try await painted.picture(longSide: Self.thumbnail))
        }
        try Task.checkCancellation()
        thumbnails = found
    }

    private func note(_ done: Int, _ total: Int) {
        guard !Task.isCancelled, total > 1 else { return }
        progress = Progress(done: done, total: total)
    }
}
