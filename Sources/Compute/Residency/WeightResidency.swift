/// Where the bytes of weights come from.
package enum WeightResidency: Sendable {
    /// The mapped file. The operating system keeps as many of its pages in memory as there is room for.
    case mapped
    /// Memory of the process's own, which a stream fills ahead of use.
    case streamed(WeightStream)

    /// The stream, if there is one.
    package var stream: WeightStream? {
        switch self {
        case .mapped: nil
        case .streamed(let stream): stream
        }
    }
}
