import Foundation

/// Says in one sentence, fit to be shown, what is wrong and what helps.
public struct PaintError: LocalizedError, Equatable {
    public let message: String

    public init(_ message: String) {
        self.message = message
    }

    /// What `error` says; nil where a task was only canceled.
    public init?(_ error: any Error) {
        guard !(error is CancellationError) else { return nil }
        self = error as? PaintError ?? PaintError(error.localizedDescription)
    }

    public var errorDescription: String? { message }
}
