import Checkpoints
import Storage

/// Builds GGUF files byte by byte, valid or not.
public struct GGUFBytes {
    /// A tensor's record. Every field is what the file says, whether it is true or not.
    public struct Record {
        /// The name.
        public var name: [UInt8]
        /// The extents, innermost first.
        public var extents: [UInt64]
        /// The number of the type.
        public var type: UInt32
        /// Where the elements are said to begin in the data.
        public var offset: UInt64
        /// The number of extents that is written.
        public var rank: UInt32

        /// Creates a record.
        public init(_ name: String, _ extents: [UInt64], type: UInt32 = 0, offset: UInt64 = 0, rank: UInt32? = nil) {
            self.name = Array(name.utf8)
            self.extents = extents
            self.type = type
            self.offset = offset
            self.rank = rank ?? UInt32(extents.count)
        }
    }

    /// The first four bytes.
    public var magic = Array("GGUF".utf8)
    /// The version.
    public var version: UInt32 = 3
    /// The number of tensors; nil for the truth.
    public var tensorCount: UInt64?
    /// The number of keys; nil for the truth.
    public var keyCount: UInt64?
    /// The key-value pairs, each as its bytes.
    public var pairs: [[UInt8]] = []
    /// The tensors.
    public var records: [Record] = []
    /// The data behind the padding.
    public var data: [UInt8] = []
    /// What the data is aligned to.
    public var alignment = 32

    /// Creates a file without keys and tensors.
    public init() {}

    /// The bytes of the file.
    public var bytes: [UInt8] {
        var bytes = magic
        bytes.appendLittleEndian(version)
        bytes.appendLittleEndian(tensorCount ?? UInt64(records.count))
        bytes.appendLittleEndian(keyCount ?? UInt64(pairs.count))
        for pair in pairs { bytes += pair }
        for record in records {
            bytes.appendLittleEndian(UInt64(record.name.count))
            bytes += record.name
            bytes.appendLittleEndian(record.rank)
            for extent in record.extents { bytes.appendLittleEndian(extent) }
            bytes.appendLittleEndian(record.type)
            bytes.appendLittleEndian(record.offset)
        }
        if !data.isEmpty || !records.isEmpty {
            bytes += repeatElement(0, count: (alignment - bytes.count % alignment) % alignment)
        }
        return bytes + data
    }

    /// Appends a tensor whose data are these bytes.
    package mutating func add(_ name: String, _ type: GGUFType, _ extents: [UInt64], _ bytes: [UInt8]) {
        records.append(Record(name, extents, type: type.rawValue, offset: UInt64(data.count)))
        data += bytes
        data += repeatElement(0, count: (alignment - data.count % alignment) % alignment)
    }

    /// A key and a value of the type with this number, as its bytes.
    public static func pair(_ key: String, type: UInt32, _ value: [UInt8]) -> [UInt8] {
        var bytes = string(key)
        bytes.appendLittleEndian(type)
        return bytes + value
    }

    /// A key with a u32.
    public static func pair(_ key: String, _ value: UInt32) -> [UInt8] { pair(key, type: 4, integer(value)) }
    /// A key with a u16.
    public static func pair(_ key: String, _ value: UInt16) -> [UInt8] { pair(key, type: 2, integer(value)) }
    /// A key with an f32.
    public static func pair(_ key: String, _ value: Float) -> [UInt8] {
        pair(key, type: 6, integer(value.bitPattern))
    }
    /// A key with a boolean.
    public static func pair(_ key: String, _ value: Bool) -> [UInt8] { pair(key, type: 7, [value ? 1 : 0]) }
    /// A key with a text.
    public static func pair(_ key: String, _ value: String) -> [UInt8] { pair(key, type: 8, string(value)) }
    /// A key with an array of texts.
    public static func pair(_ key: String, _ values: [String]) -> [UInt8] {
        array(key, type: 8, count: UInt64(values.count), values.flatMap(string))
    }
    /// A key with an array of f32 numbers.
    public static func pair(_ key: String, _ values: [Float]) -> [UInt8] {
        array(key, type: 6, count: UInt64(values.count), values.flatMap { integer($0.bitPattern) })
    }
    /// A key with an array of i32 numbers.
    public static func pair(_ key: String, _ values: [Int32]) -> [UInt8] {
        array(key, type: 5, count: UInt64(values.count), values.flatMap { integer($0) })
    }
    /// A key with an array of any type, count and elements.
    public static func array(_ key: String, type: UInt32, count: UInt64, _ elements: [UInt8]) -> [UInt8] {
        pair(key, type: 9, integer(type) + integer(count) + elements)
    }

    /// A length and the text.
    public static func string(_ text: String) -> [UInt8] { integer(UInt64(text.utf8.count)) + Array(text.utf8) }

    /// The bytes of an integer, least significant first.
    public static func integer(_ value: some FixedWidthInteger) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(value)
        return bytes
    }
}

/// A LLaMA model of one layer as a GGUF file: hidden 32, 2 heads over 1 key/value head, a SentencePiece vocabulary.
package func tinyLlamaGGUF(
    type: GGUFType = .f32, isTied: Bool = false, leavingOut absent: Set<String> = [], more: [[UInt8]] = []
) -> GGUFBytes {
    var file = GGUFBytes()
    let tokens = ["<unk>", "<s>", "</s>", "▁", "a", "b", "▁a", "ab"]
    let pairs: [(String, [UInt8])] = [
        ("general.architecture", GGUFBytes.pair("general.architecture", "llama")),
        ("llama.context_length", GGUFBytes.pair("llama.context_length", UInt32(128))),
        ("llama.embedding_length", GGUFBytes.pair("llama.embedding_length", UInt32(32))),
        ("llama.block_count", GGUFBytes.pair("llama.block_count", UInt32(1))),
        ("llama.feed_forward_length", GGUFBytes.pair("llama.feed_forward_length", UInt32(64))),
        ("llama.attention.head_count", GGUFBytes.pair("llama.attention.head_count", UInt32(2))),
        ("llama.attention.head_count_kv", GGUFBytes.pair("llama.attention.head_count_kv", UInt32(1))),
        (
            "llama.attention.layer_norm_rms_epsilon",
            GGUFBytes.pair("llama.attention.layer_norm_rms_epsilon", Float(1e-5))
        ),
        ("tokenizer.ggml.model", GGUFBytes.pair("tokenizer.ggml.model", "llama")),
        ("tokenizer.ggml.tokens", GGUFBytes.pair("tokenizer.ggml.tokens", tokens)),
        (
            "tokenizer.ggml.scores",
            GGUFBytes.pair("tokenizer.ggml.scores", [0, 0, 0, -3, -4, -5, -1, -2] as [Float])
        ),
        (
            "tokenizer.ggml.token_type",
            GGUFBytes.pair("tokenizer.ggml.token_type", [2, 3, 3, 1, 1, 1, 1, 1] as [Int32])
        ),
    ]
    file.pairs = pairs.filter { !absent.contains($0.0) }.map(\.1) + more
    var tensors: [(String, [UInt64])] = [
        ("token_embd.weight", [32, 8]), ("blk.0.attn_norm.weight", [32]), ("blk.0.attn_q.weight", [32, 32]),
        ("blk.0.attn_k.weight", [32, 16]), ("blk.0.attn_v.weight", [32, 16]), ("blk.0.attn_output.weight", [32, 32]),
        ("blk.0.ffn_norm.weight", [32]), ("blk.0.ffn_gate.weight", [32, 64]), ("blk.0.ffn_up.weight", [32, 64]),
        ("blk.0.ffn_down.weight", [64, 32]), ("output_norm.weight", [32]),
    ]
    if !isTied { tensors.append(("output.weight", [32, 8])) }
    for (name, extents) in tensors where !absent.contains(name) {
        let count = Int(extents.reduce(1, *))
        let type = extents.count == 1 ? .f32 : type
        let size = count / type.elementsPerBlock * type.bytesPerBlock
        // Small numbers of every type, different in every row; those of f32 tensors count their elements.
        let bytes =
            type == .f32
            ? packed((0..<count).map(Float.init), .f32) : (0..<size).map { UInt8($0 * 7 % 32) }
        file.add(name, type, extents, bytes)
    }
    return file
}
