import CProcess

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What the operating system says of processors.
public enum MachineProcessors {
    /// How many processors this process may keep busy: those that it may run on and that are online, and no more than
    /// the quotas of its control groups pay for, rounded up.
    public static var available: Int {
        let allowed = Int(pvit_allowed_processor_count())
        return available(
            allowed: allowed > 0 ? allowed : nil, online: Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))),
            quota: ControlGroups().processorQuota)
    }

    /// - Parameters:
    ///   - allowed: Processors of the process's affinity mask; nil when it is unknown.
    ///   - online: Processors that work; 0 or less when it is unknown.
    ///   - quota: The share of a control group in processors.
    static func available(allowed: Int?, online: Int, quota: Double?) -> Int {
        let counts = [allowed ?? .max, online > 0 ? online : .max, quota.map { Int($0.rounded(.up).clamped) } ?? .max]
        let least = counts.min() ?? .max
        return least == .max ? 1 : max(least, 1)
    }
}

extension Double {
    /// A number that fits an `Int` of 32 bits.
    fileprivate var clamped: Double { Swift.min(Swift.max(self, 0), 1_000_000_000) }
}
