import CPlatform

/// What the operating system knows about this process.
package struct ProcessStatus {
    private let files: SystemFiles

    /// The running process.
    package init() { self.init(SystemFiles()) }

    init(_ files: SystemFiles) { self.files = files }

    /// The memory that is resident now, in bytes, pages of mapped files included. Without `/proc` it is the peak.
    package var residentByteCount: UInt64 {
        let fields = files.lines(of: "/proc/self/statm").first?.split(separator: " ") ?? []
        guard let pages = fields.dropFirst().first.flatMap({ UInt64($0) }) else { return peakResidentByteCount }
        return pages.multipliedReportingOverflow(by: UInt64(PageAdvice.pageByteCount)).partialValue
    }

    /// Gives back the pages of code and constants, most of which only the start of a program needs.
    package static func releaseProgramPages() { pvit_release_program_pages() }

    /// The largest resident size so far, in bytes. Without `/proc` it may be that of the program that started this one.
    package var peakResidentByteCount: UInt64 {
        guard let kilobytes = files.number("VmHWM", in: "/proc/self/status") else {
            return pvit_peak_resident_byte_count()
        }
        return kilobytes.multipliedReportingOverflow(by: 1024).partialValue
    }

    /// How many bytes have been read from disks for this process.
    package var diskReadByteCount: UInt64 {
        files.number("read_bytes", in: "/proc/self/io") ?? pvit_disk_read_byte_count()
    }
}
