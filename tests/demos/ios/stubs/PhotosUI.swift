@_exported import Photos
@_exported import SwiftUI

// developer.apple.com/documentation/photokit/phpickerfilter
public struct PHPickerFilter: Sendable {
    public static let images = PHPickerFilter()
}

// developer.apple.com/documentation/photokit/photospickeritem
public struct PhotosPickerItem: Hashable, Sendable {
    public func loadTransferable<T: Transferable>(type: T.Type) async throws -> T? { nil }
}

// developer.apple.com/documentation/photokit/photospicker
public struct PhotosPicker<Label: View>: View {
    public init(
        selection: Binding<PhotosPickerItem?>, matching filter: PHPickerFilter? = nil,
        @ViewBuilder label: () -> Label
    ) {}
    public var body: Never { fatalError() }
}
