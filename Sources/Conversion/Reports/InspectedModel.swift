import Checkpoints
import Container
import Storage
import SystemPackage
import Tensors

/// A model file or folder of any kind that `inspect` reads.
package struct InspectedModel {
    /// What is known without reading the weights.
    package let report: ModelReport
    /// The weights. Those of a packed delta cannot be read.
    package let source: any TensorSource

    /// Opens a container, a packed delta or a checkpoint.
    ///
    /// - Throws: The errors of opening it.
    package init(opening path: FilePath) throws {
        guard !isFolder(path), let container = try Self.container(path) else {
            let checkpoint = try CheckpointSource.open(path)
            report = try ModelReport(of: checkpoint)
            source = checkpoint.weights
            return
        }
        if container.needsBase {
            let delta = try PackedDelta(container)
            report = try ModelReport(of: delta)
            source = UnmergedDelta(delta: delta)
        } else {
            report = try ModelReport(of: container)
            source = try ContainerSource(container)
        }
    }

    private static func container(_ path: FilePath) throws -> Container? {
        do {
            return try Container(opening: path, allowsPackedDelta: true)
        } catch let error as PVITError where error.code == .notAContainer {
            return nil
        }
    }
}
