import SystemPackage
import Tensors

/// A file whose weights are read in place.
package protocol WeightFile: TensorSource {
    /// The path that the file was opened at.
    var path: FilePath { get }
    /// The size of the file in bytes.
    var byteCount: Int { get }
    /// The ranges with weights that the file has checksums for, in the order of their bytes.
    var checksums: [ChecksummedRange] { get }
}

extension WeightFile {
    /// None: most formats have no checksums.
    package var checksums: [ChecksummedRange] { [] }
}
