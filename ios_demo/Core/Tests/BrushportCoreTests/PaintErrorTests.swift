import XCTest

@testable import BrushportCore

final class PaintErrorTests: XCTestCase {
    func testWhatIsShownIsWhatWasSaid() {
        XCTAssertEqual(PaintError("No camera.").localizedDescription, "No camera.")
        XCTAssertEqual(PaintError(PaintError("No camera.") as any Error)?.message, "No camera.")
        XCTAssertNil(PaintError(CancellationError()))
        XCTAssertFalse(PaintError(CocoaError(.fileNoSuchFile) as any Error)?.message.isEmpty ?? true)
    }
}
