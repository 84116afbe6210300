import CPlatform

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Owns a mapping of a file and notices pages that the file or its disk no longer delivers.
///
/// Such a page reads as zeros instead of ending the process with SIGBUS; `failure` says so afterwards.
package final class WatchedMapping: @unchecked Sendable {
    /// The mapped bytes.
    package let bytes: UnsafeRawBufferPointer
    private let watch: OpaquePointer

    /// Takes over a mapping; nil, with the mapping still the caller's, if there is no memory to watch it.
    package init?(adopting bytes: UnsafeRawBufferPointer) {
        guard let watch = pvit_mapping_watch(bytes.baseAddress, bytes.count) else { return nil }
        self.bytes = bytes
        self.watch = watch
    }

    deinit {
        pvit_mapping_forget(watch)
        munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
    }

    /// The offset of the first byte that was not delivered; `Int.max` if none failed so far.
    package var failure: Int { pvit_mapping_failure(watch) }
}
