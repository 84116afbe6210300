import CheckpointTestSupport
import Testing

@testable import Platform

/// Texts in `/proc` as Linux 6.18 wrote them.
@Suite("Memory of the machine and of this process")
struct MachineMemoryTests {
    private let folder: TemporaryFolder
    private let files: SystemFiles

    init() throws {
        folder = try TemporaryFolder()
        files = SystemFiles(root: folder.path.string)
    }

    private func write(_ texts: [String: String]) throws {
        for (name, text) in texts { try folder.write(name, text + "\n") }
    }

    private static let meminfo = """
        MemTotal:       24684092 kB
        MemFree:        16011780 kB
        MemAvailable:   23255912 kB
        Buffers:          108304 kB
        Cached:          7115356 kB
        """

    @Test("resident and peak sizes, and bytes read from disks, are read from /proc")
    func process() throws {
        try write([
            "proc/self/statm": "765 446 418 5 0 123 0",
            "proc/self/status": """
            Name:\thead
            VmPeak:\t    2928 kB
            VmHWM:\t    1768 kB
            VmRSS:\t    1766 kB
            """,
            "proc/self/io": "rchar: 6976\nwchar: 0\nread_bytes: 40960\nwrite_bytes: 0\ncancelled_write_bytes: 0",
        ])
        let status = ProcessStatus(files)
        #expect(status.residentByteCount == 446 * UInt64(PageAdvice.pageByteCount))
        #expect(status.peakResidentByteCount == 1768 * 1024)
        #expect(status.diskReadByteCount == 40960)
    }

    @Test("without /proc the peak comes from getrusage, and stands for the resident size")
    func withoutProc() {
        let status = ProcessStatus(files)
        #expect(status.peakResidentByteCount > 1 << 20)
        #expect(status.residentByteCount >= 1 << 20)
    }

    @Test("what the machine has available and what the process holds already can be used")
    func machine() throws {
        try write(["proc/meminfo": Self.meminfo, "proc/self/statm": "765 446 418 5 0 123 0"])
        #expect(
            MachineMemory.availableByteCount(files)
                == 23_255_912 * 1024 + 446 * UInt64(PageAdvice.pageByteCount))
    }

    @Test("a control group's limit, less a thirty-second and 16 MiB, counts if it is smaller")
    func group() throws {
        try write([
            "proc/meminfo": Self.meminfo, "proc/self/statm": "765 446 418 5 0 123 0",
            "proc/self/cgroup": "0::/job", "sys/fs/cgroup/job/memory.max": "3221225472",
        ])
        #expect(MachineMemory.availableByteCount(files) == UInt64(3_221_225_472 - 100_663_296 - 16_777_216))
        try write(["sys/fs/cgroup/job/memory.max": "max"])
        #expect(
            MachineMemory.availableByteCount(files)
                == 23_255_912 * 1024 + 446 * UInt64(PageAdvice.pageByteCount))
        try write(["sys/fs/cgroup/job/memory.max": "1000"])
        #expect(MachineMemory.availableByteCount(files) == 0)
    }

    @Test("without /proc and control groups nothing is known")
    func unknown() {
        #expect(MachineMemory.availableByteCount(files) == nil)
    }

    @Test(
        "malformed and huge numbers do no harm",
        arguments: ["", "x", "-1", "18446744073709551615", "1 99999999999999999999"])
    func malformed(text: String) throws {
        try write([
            "proc/meminfo": "MemAvailable: \(text) kB", "proc/self/statm": "1 \(text)",
            "proc/self/status": "VmHWM:\(text)",
        ])
        _ = MachineMemory.availableByteCount(files)
        _ = ProcessStatus(files).peakResidentByteCount
    }

    @Test("the running process has a size")
    func running() {
        #expect(ProcessStatus().residentByteCount > 1 << 20)
        #expect(MachineMemory.availableByteCount ?? 1 > 0)
    }
}
