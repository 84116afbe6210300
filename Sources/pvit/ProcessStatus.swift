import CProcess
import Glibc

/// What the operating system says of this process (`/proc/self`, or `getrusage` where that is absent).
enum ProcessStatus {
    /// The largest resident size so far, in bytes.
    static var peakResidentBytes: UInt64 {
        let kilobytes = field("VmHWM", of: "status")?.split(separator: " ").first.flatMap { UInt64($0) }
        return kilobytes.map { $0 * 1024 } ?? pvit_peak_resident_byte_count()
    }

    /// The bytes that were fetched from disks for this process so far.
    static var bytesReadFromDisk: UInt64 {
        field("read_bytes", of: "io").flatMap { UInt64($0) } ?? pvit_disk_read_byte_count()
    }

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
