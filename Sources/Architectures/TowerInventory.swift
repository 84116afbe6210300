import Storage
import SystemPackage
import Tensors

/// Compares the tensors of an encoder with those that its sizes ask for.
package struct TowerInventory {
    /// Name and shape of every tensor, in the order of a forward pass.
    package let expected: [(name: TensorName, shape: [Int])]

    /// Throws unless `tensors` are exactly the expected ones.
    ///
    /// - Throws: `tower.tensors`, listing what is missing, misshaped or unexpected.
    package func check(_ tensors: [TensorDescription], title: String, file: FilePath) throws {
        var rest = Dictionary(tensors.map { ($0.name, $0) }) { first, _ in first }
        var missing: [TensorName] = []
        var misshaped: [(name: TensorName, text: String)] = []
        for (name, shape) in expected {
            guard let tensor = rest.removeValue(forKey: name) else {
                missing.append(name)
                continue
            }
            if tensor.shape.dimensions != shape {
                misshaped.append((name, "\(name) is \(tensor.shape), not \(shape)"))
            }
        }
        let unexpected = rest.keys.sorted()
        var complaints: [String] = []
        if !missing.isEmpty { complaints.append("missing: \(missing.map(\.rawValue).listed())") }
        if !misshaped.isEmpty { complaints.append("of another shape: \(misshaped.map(\.text).listed())") }
        if !unexpected.isEmpty { complaints.append("unexpected: \(unexpected.map(\.rawValue).listed())") }
        guard !complaints.isEmpty else { return }
        throw PVITError(
            .towerTensors, "the tensors are not those of the \(title); " + complaints.joined(separator: "; "),
            file: file, tensor: missing.first ?? misshaped.first?.name ?? unexpected.first,
            remedy: "check that the files are complete and of the \(title) that the model was trained with")
    }
}
