import AVFoundation
import BrushportCore
import CoreMedia
import CoreVideo
import Foundation

/// Frames of the camera on one side of the device, or of any where there is none there.
///
/// The session is touched on `queue` only, where AVFoundation also delivers the frames: that is what makes this safe to
/// share.
final class Camera: NSObject, @unchecked Sendable {
    /// The newest frame each time; those that come while one is being painted are dropped. To be iterated once.
    let frames: AsyncStream<Frame>
    private let feed: AsyncStream<Frame>.Continuation
    private let position: AVCaptureDevice.Position
    private let queue = DispatchQueue(label: "app.brushport.camera", qos: .userInitiated)
    private let session = AVCaptureSession()
    private let output = AVCaptureVideoDataOutput()

    init(_ position: AVCaptureDevice.Position) {
        self.position = position
        (frames, feed) = AsyncStream.makeStream(of: Frame.self, bufferingPolicy: .bufferingNewest(1))
        super.init()
    }

    /// Asks for permission where that was not yet answered, and starts the frames, upright for a device held this way.
    /// Throws ``PaintError``.
    func start(_ orientation: AVCaptureVideoOrientation) async throws {
        guard await AVCaptureDevice.requestAccess(for: .video) else {
            throw PaintError("Without the permission to use the camera there is no picture; allow it in Settings.")
        }
        try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
            queue.async {
                done.resume(with: Result { try self.open(orientation) })
            }
        }
    }

    func stop() {
        feed.finish()
        queue.async { self.session.stopRunning() }
    }

    /// Turns frames upright for a device held this way.
    func turn(to orientation: AVCaptureVideoOrientation) {
        queue.async { self.setOrientation(orientation) }
    }

    private func setOrientation(_ orientation: AVCaptureVideoOrientation) {
        guard let connection = output.connection(with: .video), connection.isVideoOrientationSupported,
            connection.videoOrientation != orientation
        else { return }
        connection.videoOrientation = orientation
    }

    /// Users expect to see themselves as in a mirror; frames come as others see them.
    private func mirror(_ isMirrored: Bool) {
        guard let connection = output.connection(with: .video), connection.isVideoMirroringSupported else { return }
        connection.automaticallyAdjustsVideoMirroring = false  // else it is an error to set it
        connection.isVideoMirrored = isMirrored
    }

    private func open(_ orientation: AVCaptureVideoOrientation) throws {
        let wanted = AVCaptureDevice.default(.builtInWideAngleCamera, for: .video, position: position)
        guard let device = wanted ?? AVCaptureDevice.default(for: .video) else {
            throw PaintError("This device has no camera.")
        }
        do {
            let input = try AVCaptureDeviceInput(device: device)
            session.beginConfiguration()
            defer { session.commitConfiguration() }
            session.sessionPreset = session.canSetSessionPreset(.hd1280x720) ? .hd1280x720 : .high
            output.videoSettings = [kCVPixelBufferPixelFormatTypeKey as String: kCVPixelFormatType_32BGRA]
            output.alwaysDiscardsLateVideoFrames = true
            output.setSampleBufferDelegate(self, queue: queue)
            guard session.canAddInput(input), session.canAddOutput(output) else {
                throw PaintError("The camera is in use; close other apps.")
            }
            session.addInput(input)
            session.addOutput(output)
            setOrientation(orientation)
            mirror(device.position == .front)
        } catch let error as PaintError {
            throw error
        } catch {
            throw PaintError("The camera cannot be used (\(error.localizedDescription)).")
        }
        session.startRunning()
    }
}

extension Camera: AVCaptureVideoDataOutputSampleBufferDelegate {
    func captureOutput(
        _ output: AVCaptureOutput, didOutput sampleBuffer: CMSampleBuffer, from connection: AVCaptureConnection
    ) {
        guard let buffer = CMSampleBufferGetImageBuffer(sampleBuffer) else { return }
        feed.yield(Frame(buffer: buffer))
    }
}
