import CPlatform

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// How many processors this process can use.
package enum MachineProcessors {
    /// The number of processors that are online and in the affinity mask, limited by the quotas of the control groups,
    /// rounded up.
    package static var available: Int {
        let allowed = Int(pvit_allowed_processor_count())
        return available(
            allowed: allowed > 0 ? allowed : nil, online: Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))),
            quota: ControlGroups(SystemFiles()).processorQuota)
    }

    /// - Parameters:
    ///   - allowed: The processors of the affinity mask; nil if unknown.
    ///   - online: The processors that are online; 0 or less if unknown.
    ///   - quota: The quota of the control groups, in processors.
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
