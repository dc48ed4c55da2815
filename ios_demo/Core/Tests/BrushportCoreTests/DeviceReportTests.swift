import XCTest

@testable import BrushportCore

final class DeviceReportTests: XCTestCase {
    private struct Stream: Decodable {
        let count: Int
        let adler32: UInt32
        let content, deflated, stream: [UInt8]?
    }

    func testAStreamIsThatOfZlib() throws {
        for one in try Vectors.read("streams", as: Stream.self) {
            let content = one.content ?? (0..<one.count).map { UInt8($0 % 251 | 4) }
            XCTAssertEqual(Zlib.adler32(Data(content)), one.adler32)
            if let deflated = one.deflated, let stream = one.stream {
                XCTAssertEqual(Array(Zlib.stream(of: Data(content), deflated: Data(deflated))), stream)
            }
        }
    }

    func testAReportSaysWhatWasMeasuredOfWhat() throws {
        let painted = Raster(width: 2, height: 1, pixels: [0xFF01_0203, 0xFF04_0506])
        let one = Timing(
            processor: .cpuAndNeuralEngine, used: .cpu, fallback: nil, loading: 12, milliseconds: [3, 1, 2, 9],
            megabytes: 40, painted: painted)
        let manifest = try Manifest(json: manifestJSON())
        let report = try DeviceReport(of: manifest, on: ["model": "iPhone"], timings: [one]) { bytes in
            XCTAssertEqual(Array(bytes), [1, 2, 3, 4, 5, 6])
            return Data([0xAB])
        }
        let object = try JSONSerialization.jsonObject(with: report.json())
        let whole = try XCTUnwrap(object as? [String: Any])
        XCTAssertEqual(whole["brushport_device_report"] as? Int, 1)
        XCTAssertEqual(
            whole["model"] as? [String: String],
            ["file": "painter-fp16.mlpackage", "sha256": "00", "name": "painter", "precision": "fp16"])
        XCTAssertEqual(whole["picture"] as? [String: Int], ["width": 128, "height": 64])
        XCTAssertEqual(whole["device"] as? [String: String], ["model": "iPhone"])
        let run = try XCTUnwrap((whole["runs"] as? [[String: Any]])?.first)
        XCTAssertEqual(run["processor"] as? String, "cpu+neural-engine")
        XCTAssertEqual(run["used"] as? String, "cpu")
        XCTAssertTrue(run["fallback"] is NSNull)
        XCTAssertEqual(run["threads"] as? Int, 0)
        XCTAssertEqual(run["loading_ms"] as? Double, 12)
        XCTAssertEqual(run["milliseconds"] as? [Double], [3, 1, 2, 9])
        XCTAssertEqual(run["memory_mb"] as? Double, 40)
        let packed = try XCTUnwrap(Data(base64Encoded: try XCTUnwrap(run["painting"] as? String)))
        XCTAssertEqual(packed, Zlib.stream(of: Data([1, 2, 3, 4, 5, 6]), deflated: Data([0xAB])))
    }
}
