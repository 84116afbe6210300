import Checkpoints
import Storage
import Tensors

/// A safetensors file: its header and all its rows.
func readSafetensors(_ bytes: [UInt8]) throws {
    try InputFile.with(bytes, named: "model.safetensors") { try readRows(of: SafetensorsFile(path: $0)) }
}

/// A PyTorch file, an archive or bare pickles: its tensors and all their rows.
func readTorch(_ bytes: [UInt8]) throws {
    try InputFile.with(bytes, named: "model.bin") { try readRows(of: TorchFile(path: $0)) }
}

/// A GGUF model: its configuration, its tokenizer and all its rows.
func readGGUF(_ bytes: [UInt8]) throws {
    try InputFile.with(bytes, named: "model.gguf") {
        try readRows(of: GGUFFile(path: $0))
        try readRows(of: CheckpointSource.open($0).weights)
    }
}

/// An importance matrix of llama.cpp, in either form.
func readImportanceMatrix(_ bytes: [UInt8]) throws {
    try InputFile.with(bytes, named: "imatrix.gguf") {
        let numbers = try ImportanceMatrix(path: $0).columns.values.joined()
        precondition(numbers.allSatisfy { $0.isFinite && $0 >= 0 }, "an importance that no column can have")
    }
}

/// Reads every row that a source says it has, of tensors up to 1 MiB: one whose elements repeat may be far larger than
/// its file.
private func readRows(of source: some TensorSource) throws {
    for tensor in source.tensors where tensor.byteCount <= 1 << 20 {
        let bytes = try source.bytes(ofRows: 0..<tensor.shape.rows, of: tensor)
        precondition(bytes.count == tensor.byteCount, "a tensor of another size than it says")
    }
}
