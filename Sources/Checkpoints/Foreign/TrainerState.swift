import Storage
import SystemPackage
import Tensors

/// Files that training frameworks save beside the weights to resume training.
package enum TrainerState {
    private static let names: Set = [
        "training_args.bin", "optimizer.bin", "scheduler.bin", "optimizer.pt", "scheduler.pt", "scaler.pt",
        "trainer_state.json",
    ]
    private static let randomState = FileNamePattern(#"(rng|random)_states?(_[0-9]+)?\.(pth|pkl)"#)

    /// Whether the name of a file is that of such a state.
    static func isOne(fileName: String) -> Bool {
        names.contains(fileName) || randomState.matches(fileName)
            || fileName.hasSuffix("optim_states.pt")
    }

    /// The error for such a file given as a checkpoint; nil for other names.
    static func error(for path: FilePath) -> PVITError? {
        guard isOne(fileName: path.name), !isFolder(path) else { return nil }
        return PVITError(
            .notAModel, "\(path.name) is the state of a training run, not a model", file: path,
            remedy: "give the folder with the model's config.json and weights")
    }

    /// Whether the names of tensors are those of an optimizer's state dictionary in PyTorch.
    package static func isOptimizer(_ tensors: [TensorDescription]) -> Bool {
        tensors.contains { tensor in
            tensor.name.rawValue.split(separator: ".").last.map { ["exp_avg", "exp_avg_sq"].contains($0) } ?? false
        }
    }
}
