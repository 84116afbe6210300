import CheckpointTestSupport
import Checkpoints
import Container
import Conversion

/// Converts a checkpoint and opens the result.
func convert(
    _ checkpoint: Checkpoint, _ options: QuantizeOptions, in folder: TemporaryFolder
) throws -> (container: Container, report: Quantize.Report) {
    let path = folder.path.appending("model.pvq")
    let report = try Quantize.write(checkpoint, to: path, options: options)
    return (try Container(opening: path), report)
}
