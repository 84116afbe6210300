import CPlatform

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The arguments that the program was started with.
package enum ProcessArguments {
    /// The bytes of each argument, the program's name first, as they need not be UTF-8; nil if the C library does not
    /// pass them on.
    package static var bytes: [[UInt8]]? {
        let count = pvit_argument_count()
        guard count > 0 else { return nil }
        return (0..<count).compactMap { number in
            pvit_argument(number).map { Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))) }
        }
    }
}
