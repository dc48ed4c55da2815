@_exported import CoreMedia

// developer.apple.com/documentation/avfoundation/avmediatype
public struct AVMediaType: Hashable, Sendable {
    public static let video = AVMediaType()
}

// developer.apple.com/documentation/avfoundation/avcapturedevice
public final class AVCaptureDevice {
    public struct DeviceType: Hashable, Sendable {
        public static let builtInWideAngleCamera = DeviceType()
    }

    public enum Position: Int, Sendable { case unspecified, back, front }

    public var position: Position { .unspecified }
    public static func `default`(for mediaType: AVMediaType) -> AVCaptureDevice? { nil }
    public static func `default`(
        _ deviceType: DeviceType, for mediaType: AVMediaType?, position: Position
    ) -> AVCaptureDevice? { nil }
    public static func requestAccess(for mediaType: AVMediaType) async -> Bool { false }
}

// developer.apple.com/documentation/avfoundation/avcaptureinput
open class AVCaptureInput {}

public final class AVCaptureDeviceInput: AVCaptureInput {
    public init(device: AVCaptureDevice) throws {}
}

// developer.apple.com/documentation/avfoundation/avcaptureoutput
open class AVCaptureOutput {
    public func connection(with mediaType: AVMediaType) -> AVCaptureConnection? { nil }
}

// developer.apple.com/documentation/avfoundation/avcapturevideodataoutput
public final class AVCaptureVideoDataOutput: AVCaptureOutput {
    public override init() {}
    public var videoSettings: [String: Any]! = [:]
    public var alwaysDiscardsLateVideoFrames = true
    public func setSampleBufferDelegate(
        _ sampleBufferDelegate: (any AVCaptureVideoDataOutputSampleBufferDelegate)?, queue: DispatchQueue?
    ) {}
}

// developer.apple.com/documentation/avfoundation/avcapturevideodataoutputsamplebufferdelegate
public protocol AVCaptureVideoDataOutputSampleBufferDelegate: AnyObject {
    func captureOutput(
        _ output: AVCaptureOutput, didOutput sampleBuffer: CMSampleBuffer, from connection: AVCaptureConnection)
}

// developer.apple.com/documentation/avfoundation/avcapturevideoorientation
public enum AVCaptureVideoOrientation: Int, Sendable {
    case portrait = 1
    case portraitUpsideDown, landscapeRight, landscapeLeft
}

// developer.apple.com/documentation/avfoundation/avcaptureconnection
public final class AVCaptureConnection {
    public var isVideoOrientationSupported: Bool { true }
    public var videoOrientation: AVCaptureVideoOrientation = .portrait
    public var isVideoMirroringSupported: Bool { true }
    public var automaticallyAdjustsVideoMirroring = true
    public var isVideoMirrored = false
}

// developer.apple.com/documentation/avfoundation/avcapturesession
public final class AVCaptureSession {
    public struct Preset: Hashable, Sendable {
        public static let hd1280x720 = Preset()
        public static let high = Preset()
    }

    public init() {}
    public var sessionPreset = Preset.high
    public func canSetSessionPreset(_ preset: Preset) -> Bool { true }
    public func beginConfiguration() {}
    public func commitConfiguration() {}
    public func canAddInput(_ input: AVCaptureInput) -> Bool { true }
    public func addInput(_ input: AVCaptureInput) {}
    public func canAddOutput(_ output: AVCaptureOutput) -> Bool { true }
    public func addOutput(_ output: AVCaptureOutput) {}
    public func startRunning() {}
    public func stopRunning() {}
}
