@_exported import Glibc

// developer.apple.com/documentation/kernel/1537934-task_info and mach/task_info.h
public typealias mach_port_t = UInt32
public typealias integer_t = Int32
public typealias natural_t = UInt32
public typealias mach_msg_type_number_t = natural_t
public typealias task_flavor_t = natural_t
public typealias task_info_t = UnsafeMutablePointer<integer_t>
public typealias kern_return_t = Int32
public let KERN_SUCCESS: Int32 = 0
public let TASK_VM_INFO: Int32 = 22

// A C variable: to Swift 6 it is shared and mutable.
nonisolated(unsafe) public var mach_task_self_: mach_port_t = 0

public struct task_vm_info_data_t {
    public var virtual_size: UInt64 = 0
    public var resident_size: UInt64 = 0
    public var phys_footprint: UInt64 = 0
    public init() {}
}

public func task_info(
    _ target_task: mach_port_t, _ flavor: task_flavor_t, _ task_info_out: task_info_t!,
    _ task_info_outCnt: UnsafeMutablePointer<mach_msg_type_number_t>!
) -> kern_return_t { 0 }
