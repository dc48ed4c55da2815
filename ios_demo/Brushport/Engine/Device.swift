import Darwin
import UIKit

/// Which device this is, in the words of a device report.
@MainActor
enum Device {
    /// The model's identifier, such as `iPhone15,2`.
    static var machine: String {
        var info = utsname()
        uname(&info)
        return withUnsafeBytes(of: &info.machine) { name in
            String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    static var facts: [String: String] {
        let device = UIDevice.current
        return [
            "manufacturer": "Apple",
            "model": machine,
            "system": "\(device.systemName) \(device.systemVersion)",
        ]
    }
}
