import BrushportCore
@preconcurrency import Darwin
import os

/// What memory the app holds, and what it may.
enum Memory {
    /// Bytes that count against the app's limit.
    static var footprint: UInt64 {
        var info = task_vm_info_data_t()
        let size = MemoryLayout<task_vm_info_data_t>.size / MemoryLayout<integer_t>.size
        var count = mach_msg_type_number_t(size)
        let status = withUnsafeMutablePointer(to: &info) { pointer in
            pointer.withMemoryRebound(to: integer_t.self, capacity: size) { integers in
                task_info(mach_task_self_, task_flavor_t(TASK_VM_INFO), integers, &count)
            }
        }
        return status == KERN_SUCCESS ? info.phys_footprint : 0
    }

    /// Megabytes, to be shown.
    static var megabytes: Int { Int(footprint / 1_000_000) }

    /// How many pixels a photo may have: it, its painting and a copy to be encoded take a third of what is free.
    static var mostPixels: Int {
        let free = os_proc_available_memory()
        return max(1, (free > 0 ? free : unlimited) / share / (pictures * Raster.pixelBytes))
    }

    /// What counts as free where the system sets no limit and says 0: in the simulator, and on a Mac.
    private static let unlimited = 1 << 30
    private static let share = 3
    private static let pictures = 3
}
