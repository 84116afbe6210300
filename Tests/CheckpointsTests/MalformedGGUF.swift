import Checkpoints
import CheckpointTestSupport
import Tensors
import Testing

/// A GGUF file that breaks one rule of the format, and the error that says so.
struct MalformedGGUF: BrokenRule {
    let name: String
    let bytes: [UInt8]
    let code: String
    /// The tensor that the error must name.
    let tensor: TensorName?
    /// Whether the error must name bytes of the file.
    let namesBytes: Bool

    init(
        _ name: String, _ code: String, tensor: TensorName? = nil, namesBytes: Bool = true,
        _ change: (inout GGUFBytes) -> Void
    ) {
        var file = GGUFBytes()
        change(&file)
        self.init(name, code, file.bytes, tensor: tensor, namesBytes: namesBytes)
    }

    init(_ name: String, _ code: String, _ bytes: [UInt8], tensor: TensorName? = nil, namesBytes: Bool = true) {
        self.name = name
        self.bytes = bytes
        self.code = "gguf." + code
        self.tensor = tensor
        self.namesBytes = namesBytes
    }
}

private typealias Record = GGUFBytes.Record

let malformedGGUFs: [MalformedGGUF] = [
    // The frame.
    MalformedGGUF("empty", "truncated", []),
    MalformedGGUF("three bytes", "truncated", Array("GGU".utf8)),
    MalformedGGUF("another magic", "magic") { $0.magic = Array("GGML".utf8) },
    MalformedGGUF("no version", "truncated", Array("GGUF".utf8)),
    MalformedGGUF("version 0", "version") { $0.version = 0 },
    MalformedGGUF("version 1", "version") { $0.version = 1 },
    MalformedGGUF("version 4", "version") { $0.version = 4 },
    MalformedGGUF("version 2^32 - 1", "version") { $0.version = .max },
    MalformedGGUF("big-endian", "big-endian") { $0.version = UInt32(3).byteSwapped },
    MalformedGGUF("no counts", "truncated", Array("GGUF".utf8) + [3, 0, 0, 0, 0, 0, 0]),
    // Counts.
    MalformedGGUF("2^60 tensors", "count") { $0.tensorCount = 1 << 60 },
    MalformedGGUF("2^64 - 1 tensors", "count") { $0.tensorCount = .max },
    MalformedGGUF("a tensor too many", "count") {
        $0.records = [Record("a", [1])]
        $0.tensorCount = 5
    },
    MalformedGGUF("2^60 keys", "count") { $0.keyCount = 1 << 60 },
    MalformedGGUF("2^63 keys", "count") { $0.keyCount = 1 << 63 },
    MalformedGGUF("one key too many", "truncated") {
        $0.pairs = [GGUFBytes.pair("a", String(repeating: "x", count: 100))]
        $0.keyCount = 2
    },
    MalformedGGUF("one tensor too many", "truncated") {
        $0.records = [Record("a", [4])]
        $0.data = [UInt8](repeating: 255, count: 16)
        $0.tensorCount = 2
    },
    // Keys.
    MalformedGGUF("key of 2^60 bytes", "truncated") {
        $0.pairs = [GGUFBytes.integer(UInt64(1) << 60) + [UInt8](repeating: 0x61, count: 40)]
    },
    MalformedGGUF("key of 2^64 - 1 bytes", "truncated") {
        $0.pairs = [GGUFBytes.integer(UInt64.max) + [UInt8](repeating: 0x61, count: 40)]
    },
    MalformedGGUF("key past the limit", "key") {
        $0.pairs = [GGUFBytes.pair(String(repeating: "k", count: 65536), UInt32(1))]
    },
    MalformedGGUF("empty key", "key") { $0.pairs = [GGUFBytes.pair("", UInt32(1))] },
    MalformedGGUF("key that is not UTF-8", "key") {
        $0.pairs = [GGUFBytes.integer(UInt64(2)) + [0xC0, 0x80] + GGUFBytes.integer(UInt32(4)) + [0, 0, 0, 0]]
    },
    MalformedGGUF("key twice", "duplicate-key") {
        $0.pairs = [GGUFBytes.pair("a.b", UInt32(1)), GGUFBytes.pair("a.b", "x")]
    },
    // Values.
    MalformedGGUF("value of type 13", "value-type") { $0.pairs = [GGUFBytes.pair("a", type: 13, [0, 0, 0, 0])] },
    MalformedGGUF("value of type 2^32 - 1", "value-type") { $0.pairs = [GGUFBytes.pair("a", type: .max, [0])] },
    MalformedGGUF("value cut off", "truncated") { $0.pairs = [GGUFBytes.pair("a", type: 10, [1, 2, 3, 4, 5, 6, 7])] },
    MalformedGGUF("text of 2^60 bytes", "truncated") {
        $0.pairs = [GGUFBytes.pair("a", type: 8, GGUFBytes.integer(UInt64(1) << 60) + [1, 2, 3])]
    },
    MalformedGGUF("text one byte too long", "truncated") {
        $0.pairs = [GGUFBytes.pair("a", type: 8, GGUFBytes.integer(UInt64(4)) + [1, 2, 3])]
    },
    MalformedGGUF("array of 2^60 bytes", "truncated") {
        $0.pairs = [GGUFBytes.array("a", type: 0, count: 1 << 60, [1])]
    },
    MalformedGGUF("array whose size overflows", "truncated") {
        $0.pairs = [GGUFBytes.array("a", type: 10, count: 1 << 61, [1, 2, 3, 4, 5, 6, 7, 8])]
    },
    MalformedGGUF("array of 2^60 texts", "truncated") {
        $0.pairs = [GGUFBytes.array("a", type: 8, count: 1 << 60, GGUFBytes.string("x"))]
    },
    MalformedGGUF("array of texts that lie", "truncated") {
        $0.pairs = [
            GGUFBytes.array("a", type: 8, count: 2, GGUFBytes.string("x") + GGUFBytes.integer(UInt64.max >> 1))
        ]
    },
    MalformedGGUF("array of arrays", "nested-array") {
        $0.pairs = [
            GGUFBytes.array(
                "a", type: 9, count: 1, GGUFBytes.integer(UInt32(0)) + GGUFBytes.integer(UInt64(1)) + [1])
        ]
    },
    MalformedGGUF("arrays nested deeply", "nested-array") {
        let level = GGUFBytes.integer(UInt32(9)) + GGUFBytes.integer(UInt64(1))
        $0.pairs = [GGUFBytes.pair("a", type: 9, Array((0..<5000).map { _ in level }.joined()))]
    },
    MalformedGGUF("array of an unknown type", "value-type") {
        $0.pairs = [GGUFBytes.array("a", type: 77, count: 1, [0])]
    },
    // Alignment.
    MalformedGGUF("alignment 0", "alignment") { $0.pairs = [GGUFBytes.pair("general.alignment", UInt32(0))] },
    MalformedGGUF("alignment 24", "alignment") { $0.pairs = [GGUFBytes.pair("general.alignment", UInt32(24))] },
    MalformedGGUF("alignment 2^32 - 1", "alignment") { $0.pairs = [GGUFBytes.pair("general.alignment", UInt32.max)] },
    MalformedGGUF("alignment that is a text", "alignment") { $0.pairs = [GGUFBytes.pair("general.alignment", "32")] },
    MalformedGGUF("alignment that is an array", "alignment") {
        $0.pairs = [GGUFBytes.array("general.alignment", type: 4, count: 1, [32, 0, 0, 0])]
    },
    MalformedGGUF("alignment of 2^31 bytes", "tensor-truncated", tensor: "a") {
        $0.pairs = [GGUFBytes.pair("general.alignment", UInt32(1) << 31)]
        $0.records = [Record("a", [1])]
        $0.data = [0, 0, 0, 0]
    },
    // Names and shapes of tensors.
    MalformedGGUF("tensor name of 2^60 bytes", "truncated") {
        $0.tensorCount = 1
        $0.keyCount = 0
        $0.pairs = [GGUFBytes.integer(UInt64(1) << 60) + [UInt8](repeating: 0x61, count: 40)]
    },
    MalformedGGUF("tensor name past the limit", "tensor-name") {
        $0.records = [Record(String(repeating: "n", count: 256), [1])]
        $0.data = [0, 0, 0, 0]
    },
    MalformedGGUF("empty tensor name", "tensor-name") {
        $0.records = [Record("", [1])]
        $0.data = [0, 0, 0, 0]
    },
    MalformedGGUF("tensor name that is not UTF-8", "tensor-name") {
        $0.records = [Record("a", [1])]
        $0.records[0].name = [0xFF]
        $0.data = [0, 0, 0, 0]
    },
    MalformedGGUF("tensor twice", "duplicate-tensor", tensor: "a") {
        $0.add("a", .f32, [1], [0, 0, 0, 0])
        $0.add("a", .f32, [1], [0, 0, 0, 0])
    },
    MalformedGGUF("five extents", "shape", tensor: "a") {
        $0.records = [Record("a", [1, 1, 1, 1, 1])]
        $0.data = [0, 0, 0, 0]
    },
    MalformedGGUF("2^32 - 1 extents", "shape", tensor: "a") {
        $0.records = [Record("a", [1], rank: .max)]
        $0.data = [0, 0, 0, 0]
    },
    MalformedGGUF("extent of 2^63", "shape", tensor: "a") { $0.records = [Record("a", [1 << 63])] },
    MalformedGGUF("product past 2^64", "shape", tensor: "a") {
        $0.records = [Record("a", [1 << 32, 1 << 32, 1 << 32])]
    },
    MalformedGGUF("bytes past 2^63", "shape", tensor: "a") { $0.records = [Record("a", [1 << 62], type: 28)] },
    MalformedGGUF("row of half a block", "shape", tensor: "a") {
        $0.records = [Record("a", [48, 2], type: 8)]
        $0.data = [UInt8](repeating: 0, count: 102)
    },
    MalformedGGUF("row of half a superblock", "shape", tensor: "a") {
        $0.records = [Record("a", [128, 2], type: 12)]
        $0.data = [UInt8](repeating: 0, count: 144)
    },
    MalformedGGUF("quantized scalar", "shape", tensor: "a") {
        $0.records = [Record("a", [], type: 8)]
        $0.data = [UInt8](repeating: 0, count: 34)
    },
    // Types.
    MalformedGGUF("type 42", "unknown-type", tensor: "a") { $0.records = [Record("a", [32], type: 42)] },
    MalformedGGUF("type 2^32 - 1", "unknown-type", tensor: "a") { $0.records = [Record("a", [32], type: .max)] },
    MalformedGGUF("IQ2_XXS", "unsupported-type", tensor: "a") { $0.records = [Record("a", [256], type: 16)] },
    MalformedGGUF("MXFP4", "unsupported-type", tensor: "a") { $0.records = [Record("a", [32], type: 39)] },
    MalformedGGUF("removed type Q4_2", "unsupported-type", tensor: "a") { $0.records = [Record("a", [32], type: 4)] },
    // Offsets.
    MalformedGGUF("offset that is not aligned", "offset", tensor: "a") {
        $0.records = [Record("a", [1], offset: 4)]
        $0.data = [UInt8](repeating: 0, count: 8)
    },
    MalformedGGUF("offset past the end", "tensor-truncated", tensor: "a") {
        $0.records = [Record("a", [1], offset: 64)]
        $0.data = [UInt8](repeating: 0, count: 32)
    },
    MalformedGGUF("offset of 2^63", "tensor-truncated", tensor: "a") {
        $0.records = [Record("a", [1], offset: 1 << 63)]
        $0.data = [UInt8](repeating: 0, count: 32)
    },
    MalformedGGUF("offset of 2^64 - 32", "tensor-truncated", tensor: "a") {
        $0.records = [Record("a", [16], offset: .max - 31)]
        $0.data = [UInt8](repeating: 0, count: 64)
    },
    MalformedGGUF("data cut by a byte", "tensor-truncated", tensor: "a") {
        $0.records = [Record("a", [2])]
        $0.data = [UInt8](repeating: 0, count: 7)
    },
    MalformedGGUF("tensor of 2^60 elements", "tensor-truncated", tensor: "a") {
        $0.records = [Record("a", [1 << 60])]
        $0.data = [UInt8](repeating: 0, count: 64)
    },
    MalformedGGUF("no data", "tensor-truncated", tensor: "a") { $0.records = [Record("a", [1])] },
    MalformedGGUF("overlap", "overlap", tensor: "b") {
        $0.records = [Record("a", [16]), Record("b", [16], offset: 32)]
        $0.data = [UInt8](repeating: 0, count: 96)
    },
    MalformedGGUF("two tensors of the same bytes", "overlap", tensor: "b") {
        $0.records = [Record("a", [8]), Record("b", [8])]
        $0.data = [UInt8](repeating: 0, count: 32)
    },
    MalformedGGUF("tensor inside another", "overlap", tensor: "b") {
        $0.records = [Record("b", [8], offset: 32), Record("a", [32])]
        $0.data = [UInt8](repeating: 0, count: 128)
    },
]
