import SystemPackage

/// Reading past the page cache (`O_DIRECT`).
package enum DirectReading {
    /// Offsets, sizes and addresses of direct reads are multiples of this many bytes.
    package static let blockByteCount = 4096

    /// Opens a file for direct reads.
    ///
    /// - Returns: The file, or nil if its file system cannot read it directly in blocks of `blockByteCount`.
    package static func open(_ path: FilePath) -> FileDescriptor? {
        guard let option, let file = try? FileDescriptor.open(path, .readOnly, options: [.closeOnExec, option]) else {
            return nil
        }
        // Some file systems open the file and then refuse to read it, or need larger blocks.
        guard readsBlocks(file) else {
            try? file.close()
            return nil
        }
        return file
    }

    /// Whether the first block can be read.
    private static func readsBlocks(_ file: FileDescriptor) -> Bool {
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: blockByteCount, alignment: blockByteCount)
        defer { block.deallocate() }
        return (try? file.read(fromAbsoluteOffset: 0, into: block)) != nil
    }

    /// O_DIRECT, which the C library's headers hide from Swift (include/uapi/asm-generic/fcntl.h and the architectures'
    /// own); nil where its value is not known.
    private static var option: FileDescriptor.OpenOptions? {
        #if os(Linux) && arch(x86_64)
            FileDescriptor.OpenOptions(rawValue: 0o40000)
        #elseif os(Linux) && arch(arm64)
            FileDescriptor.OpenOptions(rawValue: 0o200000)
        #else
            nil
        #endif
    }
}
