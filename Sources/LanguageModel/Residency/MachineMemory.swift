import CProcess
import Storage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What the operating system says of memory (`/proc`, `/sys/fs/cgroup`).
public enum MachineMemory {
    /// What this process may take without others having to give something up: the least of what the machine has
    /// available and of the limits of the process's control groups. nil when nothing is known.
    public static var available: ByteCount? {
        let free = field("MemAvailable:", of: "/proc/meminfo").map { $0 * 1024 + resident.rawValue }
        // What a group has used may be page cache, which it gives back; a little is the system's own.
        let limit = ControlGroups().memoryLimit.map { $0 - min($0 / 32 + (16 << 20), $0) }
        return [free, limit].compactMap(\.self).min().map { ByteCount(rawValue: $0) }
    }

    /// What this process has in memory at the moment, pages of mapped files included; without `/proc`, the most that it
    /// had.
    public static var resident: ByteCount {
        let pages = textLines(of: "/proc/self/statm").first?.split(separator: " ").dropFirst().first.flatMap {
            UInt64($0)
        }
        guard let pages else { return ByteCount(rawValue: pvit_peak_resident_byte_count()) }
        return ByteCount(rawValue: pages * UInt64(max(sysconf(Int32(_SC_PAGESIZE)), 1)))
    }

    private static func field(_ name: String, of path: String) -> UInt64? {
        let line = textLines(of: path).first { $0.hasPrefix(name) }
        return line?.dropFirst(name.count).split(separator: " ").first.flatMap { UInt64($0) }
    }
}
