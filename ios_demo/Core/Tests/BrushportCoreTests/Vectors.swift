import Foundation
import XCTest

/// The data that both apps and Python must agree on, `tests/demos/vectors/NAME.json` in this repository.
enum Vectors {
    /// The cases of one file, of which there is at least one.
    static func read<Case: Decodable>(_ name: String, as _: Case.Type) throws -> [Case] {
        let file = folder.appendingPathComponent("\(name).json")
        let cases = try JSONDecoder().decode([Case].self, from: Data(contentsOf: file))
        XCTAssertFalse(cases.isEmpty)
        return cases
    }

    private static var folder: URL {
        if let named = ProcessInfo.processInfo.environment["BRUSHPORT_VECTORS"] {
            return URL(fileURLWithPath: named)
        }
        var repository = URL(fileURLWithPath: #filePath)
        for _ in 0..<5 {
            repository.deleteLastPathComponent()
        }
        return repository.appendingPathComponent("tests/demos/vectors")
    }
}
