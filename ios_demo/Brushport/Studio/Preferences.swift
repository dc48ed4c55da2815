import BrushportCore
import Foundation

/// What the user chose for good.
enum Preferences {
    private static let key = "processor"

    /// What the model may run on.
    static var processor: Processor {
        get { UserDefaults.standard.string(forKey: key).flatMap(Processor.init) ?? .all }
        set { UserDefaults.standard.set(newValue.rawValue, forKey: key) }
    }
}
