import Storage
import SystemPackage
import Tensors

/// The tensors of an image encoder.
package protocol TowerTensors {
    /// Name and shape of every tensor, in the order of a forward pass.
    var tensors: [ExpectedTensor] { get }
    /// The weights that can be stored in 8 bits: the matrices of a transformer's layers and the kernels of a residual
    /// network's stages, without what reads pixels (patch embedding, stem) and what makes the features (pooling).
    var quantizableTensors: [ExpectedTensor] { get }
    /// Which encoder it is.
    static var kind: TowerKind { get }
}

extension TowerTensors {
    /// Throws unless `found` are exactly the tensors of the encoder.
    ///
    /// - Throws: `tower.tensors`, listing what is missing, misshaped or unexpected.
    package func check(_ found: [TensorDescription], file: FilePath) throws {
        let differences = TensorDifferences(found, expected: tensors)
        guard let first = differences.first else { return }
        let title = Self.kind.title
        throw PVITError(
            .towerTensors, "these are not the tensors of the \(title); \(differences.summary)", file: file,
            tensor: first, remedy: "check that the files are complete and belong to the model's \(title)")
    }
}
