@_exported import AppleFoundation

// developer.apple.com/documentation/combine/observableobject
public final class ObservableObjectPublisher {}
public protocol ObservableObject: AnyObject {}

// developer.apple.com/documentation/combine/published
@propertyWrapper
public struct Published<Value> {
    public struct Publisher {}
    public init(wrappedValue: Value) { self.wrappedValue = wrappedValue }
    public init(initialValue: Value) { wrappedValue = initialValue }
    public var wrappedValue: Value
    public var projectedValue: Publisher { Publisher() }
}

// developer.apple.com/documentation/combine/publisher
public protocol Publisher<Output, Failure> {
    associatedtype Output
    associatedtype Failure: Error
}

// developer.apple.com/documentation/foundation/notificationcenter/publisher(for:object:)
extension NotificationCenter {
    public struct Publisher: Combine.Publisher {
        public typealias Output = Notification
        public typealias Failure = Never
    }

    public func publisher(for name: Notification.Name, object: AnyObject? = nil) -> Publisher { Publisher() }
}
