import SystemPackage
import Tensors

/// One file that weights are read from in place.
package protocol WeightFile: TensorSource {
    /// Where the file was when it was opened.
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
