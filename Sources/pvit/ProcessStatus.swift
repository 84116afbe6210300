import Glibc

/// What the operating system says of this process (`/proc/self`).
enum ProcessStatus {
    /// The number of processors that this process may run on.
    static var availableProcessors: Int {
        let mask = field("Cpus_allowed", of: "status") ?? ""
        let allowed = mask.reduce(0) { $0 + ($1.hexDigitValue ?? 0).nonzeroBitCount }
        let online = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        return allowed > 0 ? min(allowed, online) : online
    }

    /// The largest resident size so far, in bytes; 0 when it is unknown.
    static var peakResidentBytes: UInt64 {
        let kilobytes = field("VmHWM", of: "status")?.split(separator: " ").first.flatMap { UInt64($0) }
        return (kilobytes ?? 0) * 1024
    }

    /// The bytes that were fetched from disks for this process so far; 0 when that is unknown.
    static var bytesReadFromDisk: UInt64 { field("read_bytes", of: "io").flatMap { UInt64($0) } ?? 0 }

    private static func field(_ name: String, of document: String) -> String? {
        guard let file = fopen("/proc/self/\(document)", "r") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 4096)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            guard text.hasPrefix(name + ":") else { continue }
            return String(text.dropFirst(name.count + 1).drop { $0 == " " || $0 == "\t" }.prefix { $0 != "\n" })
        }
        return nil
    }
}
