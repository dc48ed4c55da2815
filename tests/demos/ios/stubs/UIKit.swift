@_exported import CoreGraphics

// developer.apple.com/documentation/uikit/uiimage
public final class UIImage {
    public func jpegData(compressionQuality: CGFloat) -> Data? { nil }
}

// developer.apple.com/documentation/uikit/uicolor
public final class UIColor: Sendable {
    public class var secondarySystemBackground: UIColor { UIColor() }
    public class var tertiarySystemFill: UIColor { UIColor() }
}

// developer.apple.com/documentation/uikit/uidevice
@MainActor
open class UIDevice {
    public class var current: UIDevice { UIDevice() }
    public var systemName: String { "" }
    public var systemVersion: String { "" }
}

// developer.apple.com/documentation/uikit/uiinterfaceorientation
public enum UIInterfaceOrientation: Int, Sendable {
    case unknown, portrait, portraitUpsideDown, landscapeRight, landscapeLeft
}

// developer.apple.com/documentation/uikit/uiscene and uiwindowscene
@MainActor
open class UIScene: Hashable {
    nonisolated public static func == (a: UIScene, b: UIScene) -> Bool { a === b }
    nonisolated public func hash(into hasher: inout Hasher) {}
}

@MainActor
open class UIWindowScene: UIScene {
    public var interfaceOrientation: UIInterfaceOrientation { .unknown }
}

// developer.apple.com/documentation/uikit/uiapplication
@MainActor
open class UIApplication {
    public class var shared: UIApplication { UIApplication() }
    public var connectedScenes: Set<UIScene> { [] }
    nonisolated public static let didReceiveMemoryWarningNotification = Notification.Name("")
}

// developer.apple.com/documentation/uikit/uiviewcontroller
@MainActor
open class UIViewController {
    public init() {}
}

@MainActor
open class UINavigationController: UIViewController {}

// developer.apple.com/documentation/uikit/uinavigationcontrollerdelegate
@MainActor
public protocol UINavigationControllerDelegate: AnyObject {}

// developer.apple.com/documentation/uikit/uiimagepickercontrollerdelegate
@MainActor
public protocol UIImagePickerControllerDelegate: AnyObject {
    func imagePickerController(
        _ picker: UIImagePickerController,
        didFinishPickingMediaWithInfo info: [UIImagePickerController.InfoKey: Any])
    func imagePickerControllerDidCancel(_ picker: UIImagePickerController)
}

// developer.apple.com/documentation/uikit/uiimagepickercontroller
@MainActor
open class UIImagePickerController: UINavigationController {
    public enum SourceType: Int, Sendable { case photoLibrary, camera, savedPhotosAlbum }

    public struct InfoKey: Hashable, Sendable {
        public static let originalImage = InfoKey()
    }

    public class func isSourceTypeAvailable(_ sourceType: SourceType) -> Bool { false }
    public var sourceType: SourceType = .photoLibrary
    public weak var delegate: (any UIImagePickerControllerDelegate & UINavigationControllerDelegate)?
}
