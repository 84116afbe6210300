import CheckpointTestSupport
import Testing

@testable import Platform

@Suite("Limits of control groups")
struct ControlGroupTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func groups(_ files: [String: String]) throws -> ControlGroups {
        for (name, text) in files { try folder.write(name, text + "\n") }
        return ControlGroups(SystemFiles(root: folder.path.string))
    }

    @Test("version 2: the smallest limit of a group and its ancestors counts")
    func version2() throws {
        let groups = try groups([
            "proc/self/cgroup": "0::/user.slice/job/inner",
            "sys/fs/cgroup/user.slice/job/inner/cpu.max": "max 100000",
            "sys/fs/cgroup/user.slice/job/inner/memory.max": "max",
            "sys/fs/cgroup/user.slice/job/cpu.max": "150000 100000",
            "sys/fs/cgroup/user.slice/job/memory.max": "3000000",
            "sys/fs/cgroup/user.slice/cpu.max": "400000 100000",
            "sys/fs/cgroup/user.slice/memory.max": "2000000",
            "sys/fs/cgroup/other/cpu.max": "10000 100000",
        ])
        #expect(groups.processorQuota == 1.5)
        #expect(groups.memoryLimit == 2_000_000)
    }

    @Test("version 1: a quota is divided by its period; -1 and numbers beyond any memory mean no limit")
    func version1() throws {
        let groups = try groups([
            "proc/self/cgroup": "7:memory:/box\n4:cpu,cpuacct:/box/a\n1:name=systemd:/x",
            "sys/fs/cgroup/cpu,cpuacct/box/a/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu,cpuacct/box/a/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us": "125000",
            "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us": "50000",
            "sys/fs/cgroup/memory/box/memory.limit_in_bytes": "9223372036854771712",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "5000000",
        ])
        #expect(groups.processorQuota == 2.5)
        #expect(groups.memoryLimit == 5_000_000)
    }

    @Test("both versions at once: each has its own controllers")
    func hybrid() throws {
        let groups = try groups([
            "proc/self/cgroup": "3:cpu:/a\n0::/b", "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "300000",
            "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000", "sys/fs/cgroup/unified/b/cpu.max": "200000 100000",
        ])
        #expect(groups.processorQuota == 2)
        #expect(groups.memoryLimit == nil)
    }

    @Test("without /proc the outermost visible group counts; without a group there is no limit")
    func absent() throws {
        #expect(try groups([:]).processorQuota == nil && groups([:]).memoryLimit == nil)
        #expect(try groups(["sys/fs/cgroup/cpu.max": "50000 100000"]).processorQuota == 0.5)
    }

    @Test(
        "a malformed quota is no limit",
        arguments: ["", "max", "0 0", "-5 100000", "a b", "100000", "100000 0", "1 2 3"])
    func nonsense(text: String) throws {
        #expect(try groups(["proc/self/cgroup": "0::/\nx\n::", "sys/fs/cgroup/cpu.max": text]).processorQuota == nil)
    }
}
