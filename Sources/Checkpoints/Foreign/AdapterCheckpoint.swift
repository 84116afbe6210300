import Storage
import SystemPackage
import Tensors

/// Adapters of the `peft` library: changes to single matrices of a model, such as LoRA.
package enum AdapterCheckpoint {
    /// The file that an adapter's folder has instead of `config.json`.
    static let configName = "adapter_config.json"
    /// Parts of names that only adapters' tensors have.
    private static let markers: Set<Substring> = [
        "lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B", "lora_magnitude_vector", "hada_w1_a", "hada_w2_a",
        "lokr_w1", "lokr_w2", "oft_r", "ia3_l", "vera_lambda_b", "vera_lambda_d", "prompt_embeddings",
    ]

    /// Whether the names of some tensors are those of an adapter.
    package static func isOne(_ tensors: [TensorDescription]) -> Bool {
        tensors.contains { tensor in
            tensor.name.rawValue.split(separator: ".").contains { markers.contains($0) }
        }
    }

    /// The error for an adapter that was given instead of a model or delta.
    ///
    /// - Parameters:
    ///   - path: The file or folder that was given.
    ///   - folder: The folder with the adapter's configuration, which says what kind it is and of which model.
    package static func error(for path: FilePath, in folder: FilePath) -> PVITError {
        let config = try? JSONValue(parsing: SideFiles.read(folder.appending(configName)), dialect: .python)
        let kinds = ["LORA": "LoRA", "ADALORA": "AdaLoRA", "LOHA": "LoHa", "LOKR": "LoKr"]
        let type = config?["peft_type"]?.string ?? "LORA"
        let base = config?["base_model_name_or_path"]?.string.map { " of \($0)" } ?? ""
        return PVITError(
            .notAModel,
            "this is a \(kinds[type] ?? type) adapter\(base), neither a model nor a delta: it changes single "
                + "matrices of its base", file: path,
            remedy: "merge it into its base with peft: AutoPeftModelForCausalLM.from_pretrained(FOLDER)"
                + ".merge_and_unload().save_pretrained(NEW_FOLDER), and give the new folder")
    }
}
