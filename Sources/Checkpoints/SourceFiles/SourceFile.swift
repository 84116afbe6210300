import SystemPackage

extension Checkpoint {
    /// A file that weights come from.
    package struct SourceFile: Sendable, Hashable {
        /// Where it is.
        package let path: FilePath
        /// Its size in bytes.
        package let byteCount: UInt64
        /// What it is for when a checkpoint is made of several: `base`, `delta`, `target`.
        package let role: String?
        /// The ranges with weights that the file has checksums for, in the order of their bytes.
        package let checksums: [ChecksummedRange]

        /// Creates a record of a file without checksums.
        package init(path: FilePath, byteCount: UInt64, role: String? = nil) {
            self.init(path: path, byteCount: byteCount, role: role, checksums: [])
        }

        /// Creates a record of an open file.
        package init(_ file: any WeightFile) {
            self.init(path: file.path, byteCount: UInt64(file.byteCount), role: nil, checksums: file.checksums)
        }

        private init(path: FilePath, byteCount: UInt64, role: String?, checksums: [ChecksummedRange]) {
            self.path = path
            self.byteCount = byteCount
            self.role = role
            self.checksums = checksums
        }

        /// The same file in another role.
        package func with(role: String) -> Self {
            Self(path: path, byteCount: byteCount, role: role, checksums: checksums)
        }
    }
}
