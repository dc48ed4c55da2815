@_exported import AppleFoundation

// developer.apple.com/documentation/photokit/phaccesslevel
public enum PHAccessLevel: Int, Sendable {
    case addOnly = 1
    case readWrite
}

// developer.apple.com/documentation/photokit/phauthorizationstatus
public enum PHAuthorizationStatus: Int, Sendable { case notDetermined, restricted, denied, authorized, limited }

// developer.apple.com/documentation/photokit/phassetresourcetype
public enum PHAssetResourceType: Int, Sendable { case photo = 1 }

public final class PHAssetResourceCreationOptions {}

// developer.apple.com/documentation/photokit/phphotolibrary
public final class PHPhotoLibrary: Sendable {
    public class func shared() -> PHPhotoLibrary { PHPhotoLibrary() }
    public class func requestAuthorization(for accessLevel: PHAccessLevel) async -> PHAuthorizationStatus { .denied }
    public func performChanges(_ changeBlock: @escaping @Sendable () -> Void) async throws {}
}

// developer.apple.com/documentation/photokit/phassetcreationrequest
public final class PHAssetCreationRequest {
    public class func forAsset() -> Self { fatalError() }
    public func addResource(with type: PHAssetResourceType, data: Data, options: PHAssetResourceCreationOptions?) {}
}
