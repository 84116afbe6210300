import CheckpointTestSupport
import Checkpoints
import Tensors
import Testing

/// An importance matrix that breaks one rule, and the error that says so.
struct MalformedImportanceMatrix: BrokenRule {
    let name: String
    let code: String
    let bytes: [UInt8]
    /// The tensor that the error must name.
    let tensor: TensorName?

    init(_ name: String, _ code: String, _ bytes: [UInt8], tensor: TensorName? = nil) {
        self.name = name
        self.code = code
        self.bytes = bytes
        self.tensor = tensor
    }

    /// A GGUF file with one matrix, changed.
    init(_ name: String, _ code: String, tensor: TensorName? = nil, gguf change: (inout GGUFBytes) -> Void) {
        var file = GGUFBytes()
        file.pairs = [GGUFBytes.pair("general.type", "imatrix")]
        change(&file)
        self.init(name, code, file.bytes, tensor: tensor)
    }
}

private typealias Bytes = ImportanceMatrixBytes

private let query = "blk.0.attn_q.weight"
private let valid: Bytes.Entry = (query, [1, 2, 3], 4)
private let sums: [UInt8] = [1, 2, 3].flatMap(littleEndianBytes)
private let one = GGUFBytes.integer(Int32(1))

let malformedImportanceMatrices: [MalformedImportanceMatrix] = [
    // Not an importance matrix.
    MalformedImportanceMatrix("empty", "imatrix.format", []),
    MalformedImportanceMatrix("three bytes", "imatrix.format", [1, 0, 0]),
    MalformedImportanceMatrix("a text", "imatrix.format", Array("It is a truth universally acknowledged".utf8)),
    MalformedImportanceMatrix("a web page", "checkpoint.web-page", Array("<!DOCTYPE html><html></html>".utf8)),
    MalformedImportanceMatrix("a model", "imatrix.format", tinyLlamaGGUF().bytes),
    MalformedImportanceMatrix("a GGUF file of no type", "imatrix.format", Bytes.gguf([valid], type: nil)),
    MalformedImportanceMatrix("a damaged GGUF file", "gguf.truncated", Array("GGUF".utf8)),
    MalformedImportanceMatrix("a type that is a number", "gguf.metadata") {
        $0.pairs = [GGUFBytes.pair("general.type", UInt32(1))]
    },
    // GGUF.
    MalformedImportanceMatrix("no matrices", "imatrix.format", Bytes.gguf([])),
    MalformedImportanceMatrix("no counts", "imatrix.unpaired", tensor: "blk.0.attn_q.weight.in_sum2") {
        $0.add("\(query).in_sum2", .f32, [3], sums)
    },
    MalformedImportanceMatrix("no sums", "imatrix.unpaired", tensor: "blk.0.attn_q.weight.counts") {
        $0.add("\(query).counts", .f32, [1], littleEndianBytes(1))
    },
    MalformedImportanceMatrix("f16 sums", "imatrix.shape", tensor: "blk.0.attn_q.weight.in_sum2") {
        $0.add("\(query).in_sum2", .f16, [3], [0, 0, 0, 0, 0, 0])
        $0.add("\(query).counts", .f32, [1], littleEndianBytes(1))
    },
    MalformedImportanceMatrix("a quantized count", "imatrix.shape", tensor: "blk.0.attn_q.weight.counts") {
        $0.add("\(query).in_sum2", .f32, [3], sums)
        $0.add("\(query).counts", .f16, [1], [0, 0])
    },
    MalformedImportanceMatrix("an empty count", "imatrix.shape", tensor: "blk.0.attn_q.weight.counts") {
        $0.add("\(query).in_sum2", .f32, [3], sums)
        $0.add("\(query).counts", .f32, [0], [])
    },
    MalformedImportanceMatrix("two counts", "imatrix.experts", tensor: "blk.0.attn_q.weight") {
        $0.add("\(query).in_sum2", .f32, [3], sums)
        $0.add("\(query).counts", .f32, [1, 2], littleEndianBytes(1) + littleEndianBytes(1))
    },
    MalformedImportanceMatrix("sums of two matrices", "imatrix.experts", tensor: "blk.0.attn_q.weight") {
        $0.add("\(query).in_sum2", .f32, [3, 2], sums + sums)
        $0.add("\(query).counts", .f32, [1], littleEndianBytes(1))
    },
    // Matrices of other models.
    MalformedImportanceMatrix(
        "experts", "imatrix.experts", Bytes.gguf([("blk.0.ffn_gate_exps.weight", [1], 1)]),
        tensor: "blk.0.ffn_gate_exps.weight"),
    MalformedImportanceMatrix(
        "experts in the older form", "imatrix.experts", Bytes.data([("blk.0.ffn_gate_exps.weight", [1], 1)]),
        tensor: "blk.0.ffn_gate_exps.weight"),
    MalformedImportanceMatrix(
        "a matrix of another family", "imatrix.other-model", Bytes.gguf([("blk.0.attn_qkv.weight", [1], 1)]),
        tensor: "blk.0.attn_qkv.weight"),
    MalformedImportanceMatrix(
        "a layer of another spelling", "imatrix.other-model", Bytes.data([("blk.00.attn_q.weight", [1], 1)]),
        tensor: "blk.00.attn_q.weight"),
    // Numbers.
    MalformedImportanceMatrix(
        "a sum that is not a number", "imatrix.value", Bytes.gguf([(query, [1, .nan, 3], 4)]),
        tensor: "blk.0.attn_q.weight"),
    MalformedImportanceMatrix(
        "an infinite sum", "imatrix.value", Bytes.data([(query, [1, .infinity, 3], 4)]), tensor: "blk.0.attn_q.weight"),
    MalformedImportanceMatrix(
        "a negative sum", "imatrix.value", Bytes.gguf([(query, [1, -1, 3], 4)]), tensor: "blk.0.attn_q.weight"),
    MalformedImportanceMatrix(
        "a negative count", "imatrix.value", Bytes.gguf([(query, [1, 2, 3], -1)]), tensor: "blk.0.attn_q.weight"),
    MalformedImportanceMatrix(
        "an infinite count", "imatrix.value", Bytes.gguf([(query, [1, 2, 3], .infinity)]),
        tensor: "blk.0.attn_q.weight"),
    MalformedImportanceMatrix(
        "a negative number of calls", "imatrix.value", Bytes.data([(query, [1, 2, 3], -1)]),
        tensor: "blk.0.attn_q.weight"),
    MalformedImportanceMatrix(
        "a negative sum where there was no call", "imatrix.value", Bytes.gguf([(query, [1, -2, 3], 0)]),
        tensor: "blk.0.attn_q.weight"),
    // The older form.
    MalformedImportanceMatrix("no entries", "imatrix.format", GGUFBytes.integer(Int32(0)) + Bytes.data(valid)),
    MalformedImportanceMatrix("-1 entries", "imatrix.format", GGUFBytes.integer(Int32(-1)) + Bytes.data(valid)),
    MalformedImportanceMatrix(
        "more entries than bytes", "imatrix.format", GGUFBytes.integer(Int32.max) + Bytes.data(valid)),
    MalformedImportanceMatrix(
        "an entry too many", "imatrix.truncated", GGUFBytes.integer(Int32(2)) + Bytes.data(valid)),
    MalformedImportanceMatrix("an empty name", "imatrix.name", one + Bytes.data(("", [1, 2, 3, 4], 1))),
    MalformedImportanceMatrix("a negative name", "imatrix.name", one + Bytes.data(valid, length: -1)),
    MalformedImportanceMatrix("a name of 2 GiB", "imatrix.name", one + Bytes.data(valid, length: .max)),
    MalformedImportanceMatrix("a name past the end", "imatrix.truncated", one + Bytes.data(valid, length: 200)),
    MalformedImportanceMatrix(
        "a name that is not UTF-8", "imatrix.name",
        one + GGUFBytes.integer(Int32(2)) + [0xC3, 0x28] + one + one + littleEndianBytes(1)),
    MalformedImportanceMatrix(
        "two entries of one name", "imatrix.duplicate", Bytes.data([valid, valid]), tensor: "blk.0.attn_q.weight"),
    MalformedImportanceMatrix(
        "no columns", "imatrix.shape", one + Bytes.data(valid, columns: 0), tensor: "blk.0.attn_q.weight"),
    MalformedImportanceMatrix(
        "negative columns", "imatrix.shape", one + Bytes.data(valid, columns: -3), tensor: "blk.0.attn_q.weight"),
    MalformedImportanceMatrix(
        "columns past the end", "imatrix.truncated", one + Bytes.data(valid, columns: .max),
        tensor: "blk.0.attn_q.weight"),
    MalformedImportanceMatrix("a cut number of chunks", "imatrix.truncated", Bytes.data([valid]) + [1, 0]),
    MalformedImportanceMatrix(
        "a name of the text past the end", "imatrix.truncated", Bytes.data([valid]) + one + GGUFBytes.integer(Int32(9))),
    MalformedImportanceMatrix(
        "a negative name of the text", "imatrix.truncated", Bytes.data([valid]) + one + GGUFBytes.integer(Int32(-1))),
    MalformedImportanceMatrix("bytes behind the end", "imatrix.trailing", Bytes.data([valid]) + one + one + [65, 0]),
]
