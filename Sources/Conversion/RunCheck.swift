import Architectures
import Checkpoints
import Storage
import SystemPackage
import Tensors
import Tokenization

/// Checks before conversion that the model can be run afterwards.
package enum RunCheck {
    /// Throws what running the model would throw for its configuration, tensors, tokenizer and towers.
    ///
    /// A model without a tokenizer is accepted unless it is PVIT: its speed can still be measured.
    ///
    /// - Throws: `model.is-delta`, `checkpoint.config`, `model.config`, `model.unsupported`, `checkpoint.tensors`,
    ///   `tokenizer.*`, `tower.mismatch`, `vision.config`, `vision.unsupported`, naming the file.
    package static func require(_ checkpoint: Checkpoint, towers: [Tower] = []) throws {
        try CheckpointDiagnosis.requireWeights(checkpoint)
        try DeltaRecognition.requireModel(checkpoint, role: "source")
        let checkpoint = try checkpoint.resolvingOutputLayer()
        let architecture = try CheckpointDiagnosis.decoder(checkpoint)
        let config = checkpoint.config ?? [:]
        let tokenizer = try tokenizer(of: checkpoint, isNeeded: PVITConfiguration.isPVIT(config))
        guard let tower = towers.first(where: { $0.kind == .vision }) else { return }
        do {
            try checkVision(config, tower)
        } catch let error as PVITError {
            throw error.located(file: checkpoint.path(ofSideFile: SideFiles.config))
        }
        let pvit = PVITArchitecture(
            try PVITConfiguration(parsing: config), hiddenSize: architecture.configuration.hiddenSize,
            regionFeatureWidth: towers.first { $0.kind == .region }?.featureWidth)
        try pvit.check(checkpoint.weights.tensors, file: checkpoint.path)
        let missing = PVITTokenTexts.all.filter { tokenizer?.id(ofAddedToken: $0) == nil }
        guard missing.isEmpty else {
            throw PVITError(
                .badTokenizer, "the tokenizer lacks tokens that PVIT's prompts need for images: \(missing.listed())",
                file: checkpoint.path, remedy: "put the tokenizer files of the PVIT model beside its weights")
        }
    }

    /// The reason why a model cannot be run, as a sentence; nil if there is none. Also nil for checkpoints that are not
    /// models, which have findings of their own.
    ///
    /// - Throws: Errors of reading.
    package static func problem(of checkpoint: Checkpoint, towers: [Tower] = []) throws -> String? {
        guard !Tower.isOne(checkpoint) else { return nil }
        do {
            try require(checkpoint, towers: towers)
            _ = try tokenizer(of: checkpoint, isNeeded: true)
            return nil
        } catch let error as PVITError where [.modelIsDelta, .notAModel, .quantizedCheckpoint].contains(error.code) {
            return nil
        } catch let error as PVITError where error.code.category != .inputOutput {
            return error.what
        }
    }

    /// The reason why the model in a container cannot be run, as a sentence; nil if there is none.
    ///
    /// - Throws: Errors of reading.
    package static func problem(ofContainer path: FilePath) throws -> String? {
        do {
            return try problem(of: ModelSource.open(path), towers: Tower.all(inContainer: path))
        } catch let error as PVITError where error.code.category == .badData {
            return error.what
        }
    }

    private static func tokenizer(of checkpoint: Checkpoint, isNeeded: Bool) throws -> Tokenizer? {
        let files = checkpoint.sideFiles
        let name = files[SideFiles.tokenizerJSON] == nil ? SideFiles.sentencePieceModel : SideFiles.tokenizerJSON
        do {
            return try Tokenizer(files: TokenizerFiles(of: files))
        } catch let error as PVITError where error.code == .missingTokenizer {
            guard isNeeded else { return nil }
            throw error.located(file: checkpoint.path)
        } catch let error as PVITError {
            throw error.located(file: checkpoint.path(ofSideFile: name))
        }
    }

    private static func checkVision(_ config: JSONObject, _ tower: Tower) throws {
        guard PVITConfiguration.isPVIT(config) else {
            throw PVITError(
                .modelConfig, "model_type \"\(config["model_type"]?.string ?? "llama")\" does not see images",
                remedy: "give a PVIT model, whose model_type is \"llava\", or no vision tower")
        }
        let pvit = try PVITConfiguration(parsing: config)
        let clip: CLIPVisionConfiguration
        do {
            clip = try CLIPVisionConfiguration(parsing: tower.config, preprocessor: tower.preprocessor)
        } catch let error as PVITError { throw error.located(file: tower.path) }
        guard clip.hiddenSize == pvit.imageFeatureWidth else {
            throw PVITError(
                .towerMismatch,
                "the features of the vision tower have the length \(clip.hiddenSize), and mm_hidden_size is "
                    + "\(pvit.imageFeatureWidth)",
                remedy: "give the vision tower that the model was trained with")
        }
    }
}
