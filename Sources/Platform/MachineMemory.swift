/// How much memory this process can use.
package enum MachineMemory {
    /// The bytes that this process can use without taking memory from other programs: the smaller of what the machine
    /// has available and the limits of the process's control groups. nil if neither is known.
    package static var availableByteCount: UInt64? { availableByteCount(SystemFiles()) }

    static func availableByteCount(_ files: SystemFiles) -> UInt64? {
        // What this process holds already is its own to use.
        let free = files.number("MemAvailable", in: "/proc/meminfo").map {
            $0.multipliedReportingOverflow(by: 1024).partialValue
                .addingReportingOverflow(ProcessStatus(files).residentByteCount).partialValue
        }
        // A group's use includes page cache, which can be reclaimed. A little is left for the system.
        let limit = ControlGroups(files).memoryLimit.map { $0 - min($0 / 32 + (16 << 20), $0) }
        return [free, limit].compactMap(\.self).min()
    }
}
