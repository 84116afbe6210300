#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A shared library that is loaded when it is first needed, and stays.
package struct DynamicLibrary: @unchecked Sendable {
    // A handle of the dynamic loader, whose functions any thread may call.
    private let handle: UnsafeMutableRawPointer

    /// Loads the first of `names` that the system has; nil if it has none.
    package init?(names: [String]) {
        guard let handle = names.lazy.compactMap({ dlopen($0, RTLD_NOW | RTLD_LOCAL) }).first else { return nil }
        self.handle = handle
    }

    /// The address of a function; nil if the library does not have it.
    package func address(of name: String) -> UnsafeMutableRawPointer? { dlsym(handle, name) }
}
