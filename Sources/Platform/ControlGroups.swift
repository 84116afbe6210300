/// The limits of this process's control groups and of their ancestors, in version 1 or 2.
struct ControlGroups {
    private let files: SystemFiles

    init(_ files: SystemFiles) { self.files = files }

    /// The smallest memory limit, in bytes; nil without a limit.
    var memoryLimit: UInt64? {
        let limits = folders(of: "memory", in: ["memory"]).flatMap { folder in
            // "max" means no limit, as does a number beyond any machine's memory in version 1.
            ["memory.max", "memory.limit_in_bytes"].compactMap { name in
                firstLine(of: "\(folder)/\(name)").flatMap { UInt64($0) }
            }
        }
        return limits.filter { $0 < 1 << 60 }.min()
    }

    /// The smallest quota of processor time, in processors, such as 1.5; nil without a quota.
    var processorQuota: Double? {
        folders(of: "cpu", in: ["cpu", "cpu,cpuacct", "cpuacct,cpu"]).compactMap { folder in
            // Microseconds of work and of the period: one line in version 2, two files in version 1.
            var numbers = firstLine(of: "\(folder)/cpu.max")?.split(separator: " ").map { Double($0) } ?? []
            if numbers.isEmpty {
                numbers = ["quota", "period"].map { name in
                    firstLine(of: "\(folder)/cpu.cfs_\(name)_us").flatMap { Double($0) }
                }
            }
            // "max" and -1 mean no limit.
            guard numbers.count == 2, let quota = numbers[0], let period = numbers[1], quota > 0, period > 0 else {
                return nil
            }
            return quota / period
        }.min()
    }

    /// The folders of the process's groups for a controller, from the innermost outwards.
    ///
    /// - Parameter hierarchies: The folders in which version 1 may mount the controller.
    private func folders(of controller: String, in hierarchies: [String]) -> [String] {
        // Without /proc, use the outermost group that is visible: in a container, its own.
        let groups = files.lines(of: "/proc/self/cgroup")
        return (groups.isEmpty ? ["0::/", "1:\(controller):/"] : groups).flatMap { line -> [String] in
            // number:controllers:path
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { return [] }
            let mounts: [String]
            if fields[1].isEmpty {
                mounts = ["", "/unified"]
            } else if fields[1].split(separator: ",").contains(Substring(controller)) {
                mounts = hierarchies.map { "/" + $0 }
            } else {
                return []
            }
            return mounts.flatMap { mount in Self.ancestors(of: fields[2]).map { "/sys/fs/cgroup\(mount)\($0)" } }
        }
    }

    /// A path and its ancestors, without a separator at the end.
    private static func ancestors(of path: Substring) -> [String] {
        let components = path.split(separator: "/")
        return (0...components.count).reversed().map { components[..<$0].map { "/" + $0 }.joined() }
    }

    private func firstLine(of path: String) -> String? { files.lines(of: path).first }
}
