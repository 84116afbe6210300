import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The limits of the control groups that this process is in, of version 2 or 1, and of those around them.
struct ControlGroups {
    /// What stands before `/proc` and `/sys`.
    private let root: String

    /// The groups of this process.
    ///
    /// - Parameter root: A folder that holds `proc` and `sys`; by default the system's.
    init(root: String = "") { self.root = root }

    /// The least limit of memory, in bytes; nil without one.
    var memoryLimit: UInt64? {
        let limits = folders(of: "memory", in: ["memory"]).flatMap { folder in
            // "max", and in version 1 a number beyond any machine's memory, is no limit.
            ["memory.max", "memory.limit_in_bytes"].compactMap { name in
                firstLine(of: "\(folder)/\(name)").flatMap { UInt64($0) }
            }
        }
        return limits.filter { $0 < 1 << 60 }.min()
    }

    /// The least share of the processors' time, in processors, such as 1.5; nil without one.
    var processorQuota: Double? {
        folders(of: "cpu", in: ["cpu", "cpu,cpuacct", "cpuacct,cpu"]).compactMap { folder in
            // Microseconds of work in each period, in version 2 on one line.
            var numbers = firstLine(of: "\(folder)/cpu.max")?.split(separator: " ").map { Double($0) } ?? []
            if numbers.isEmpty {
                numbers = ["quota", "period"].map { part in
                    firstLine(of: "\(folder)/cpu.cfs_\(part)_us").flatMap { Double($0) }
                }
            }
            // "max" and -1 are no limit.
            guard numbers.count == 2, let quota = numbers[0], let period = numbers[1], quota > 0, period > 0 else {
                return nil
            }
            return quota / period
        }.min()
    }

    /// The folders of the process's groups for a controller, from the innermost outwards.
    ///
    /// - Parameter hierarchies: Where version 1 has the controller.
    private func folders(of controller: String, in hierarchies: [String]) -> [String] {
        // Without /proc the outermost group that is seen, which is a container's own.
        let groups = textLines(of: "\(root)/proc/self/cgroup")
        return (groups.isEmpty ? ["0::/", "1:\(controller):/"] : groups).flatMap { line -> [String] in
            // number:controllers:path
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { return [] }
            let places: [String]
            if parts[1].isEmpty {
                places = ["", "/unified"]
            } else if parts[1].split(separator: ",").contains(Substring(controller)) {
                places = hierarchies.map { "/" + $0 }
            } else {
                return []
            }
            return places.flatMap { place in Self.ancestors(of: parts[2]).map { "\(root)/sys/fs/cgroup\(place)\($0)" } }
        }
    }

    /// A path and those around it, without the separator at the end.
    private static func ancestors(of path: Substring) -> [String] {
        let components = path.split(separator: "/")
        return (0...components.count).reversed().map { components[..<$0].map { "/" + $0 }.joined() }
    }

    private func firstLine(of path: String) -> String? { textLines(of: path).first }
}

/// The lines of a small file that the operating system writes; none when there is no such file.
func textLines(of path: String) -> [String] {
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
