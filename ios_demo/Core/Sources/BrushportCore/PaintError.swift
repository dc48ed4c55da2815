import Foundation

/// Says in one sentence, fit to be shown, what is wrong and what helps.
public struct PaintError: LocalizedError, Equatable {
    public let message: String

    public init(_ message: String) {
        self.message = message
    }

    public var errorDescription: String? { message }
}
