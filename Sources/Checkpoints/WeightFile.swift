import SystemPackage
import Tensors

/// One file that weights are read from in place.
public protocol WeightFile: TensorSource {
    /// Where the file was when it was opened.
    var path: FilePath { get }
    /// The size of the file in bytes.
    var byteCount: Int { get }
}
