import Tensors

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What the operating system says of memory (`/proc`, `/sys/fs/cgroup`).
public enum MachineMemory {
    /// What this process may take without others having to give something up: the least of what the machine has available and
    /// of the limits of the process's control groups. nil when nothing is known.
    public static var available: ByteCount? {
        let free = field("MemAvailable:", of: "/proc/meminfo").map { $0 * 1024 + resident.rawValue }
        // What a group has used may be page cache, which it gives back; a little is the system's own.
        let limit = groupLimit.map { $0 - min($0 / 32 + (16 << 20), $0) }
        return [free, limit].compactMap(\.self).min().map { ByteCount(rawValue: $0) }
    }

    /// What this process has in memory at the moment, pages of mapped files included; 0 when it is unknown.
    public static var resident: ByteCount {
        let pages = lines(of: "/proc/self/statm").first?.split(separator: " ").dropFirst().first.flatMap { UInt64($0) }
        return ByteCount(rawValue: (pages ?? 0) * UInt64(max(sysconf(Int32(_SC_PAGESIZE)), 1)))
    }

    /// The least limit of the control groups that the process is in, of version 2 or 1, and of those around them.
    private static var groupLimit: UInt64? {
        var limits: [UInt64] = []
        for line in lines(of: "/proc/self/cgroup") {
            // number:controllers:path
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let controllers = parts[1].split(separator: ",")
            let places: [(root: String, file: String)]
            if parts[1].isEmpty {
                places = [("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/unified", "memory.max")]
            } else if controllers.contains("memory") {
                places = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes")]
            } else {
                continue
            }
            for (root, file) in places { limits += self.limits(from: String(parts[2]), under: root, file: file) }
        }
        return limits.min()
    }

    private static func limits(from path: String, under root: String, file: String) -> [UInt64] {
        var components = path.split(separator: "/")
        var result: [UInt64] = []
        while true {
            let folder = ([root] + components.map(String.init)).joined(separator: "/")
            // "max", and in version 1 a number beyond any machine's memory, is no limit.
            if let limit = lines(of: "\(folder)/\(file)").first.flatMap({ UInt64($0) }), limit < 1 << 60 {
                result.append(limit)
            }
            guard !components.isEmpty else { return result }
            components.removeLast()
        }
    }

    private static func field(_ name: String, of path: String) -> UInt64? {
        let line = lines(of: path).first { $0.hasPrefix(name) }
        return line?.dropFirst(name.count).split(separator: " ").first.flatMap { UInt64($0) }
    }

    private static func lines(of path: String) -> [String] {
        guard let file = fopen(path, "r") else { return [] }
        defer { fclose(file) }
        var result: [String] = []
        var line = [CChar](repeating: 0, count: 4096)
        while result.count < 1000, fgets(&line, Int32(line.count), file) != nil {
            let bytes = line.prefix { $0 != 0 && $0 != CChar(UInt8(ascii: "\n")) }.map { UInt8(bitPattern: $0) }
            result.append(String(decoding: bytes, as: UTF8.self))
        }
        return result
    }
}
