import CheckpointTestSupport
import Tensors
import Testing

/// A file that breaks one rule of the format, and the error that says so.
struct MalformedFile: BrokenRule {
    let name: String
    let bytes: [UInt8]
    let code: String
    /// The tensor that the error must name.
    var tensor: TensorName?
    /// Whether the reference implementation reads the file all the same.
    var isAcceptedElsewhere = false

    init(
        _ name: String, _ code: String, header: String, data: Int = 0, tensor: TensorName? = nil,
        isAcceptedElsewhere: Bool = false
    ) {
        self.init(
            name, code, safetensorsBytes(header: header, data: [UInt8](repeating: 0, count: data)), tensor: tensor,
            isAcceptedElsewhere: isAcceptedElsewhere)
    }

    init(
        _ name: String, _ code: String, _ bytes: [UInt8], tensor: TensorName? = nil,
        isAcceptedElsewhere: Bool = false
    ) {
        self.name = name
        self.bytes = bytes
        self.code = "safetensors." + code
        self.tensor = tensor
        self.isAcceptedElsewhere = isAcceptedElsewhere
    }
}

private func entry(_ members: String) -> String { "{\"a\":{\(members)}}" }

let malformedFiles: [MalformedFile] = [
    // The frame.
    MalformedFile("empty", "too-short", []),
    MalformedFile("seven bytes", "too-short", [2, 0, 0, 0, 0, 0, 0]),
    MalformedFile(
        "header over the cap", "header-too-large", safetensorsBytes(header: "{}", data: [], length: 100_000_001)),
    MalformedFile(
        "header of 2^64 - 1 bytes", "header-too-large", safetensorsBytes(header: "{}", data: [], length: .max)),
    MalformedFile(
        "header of 2^63 bytes", "header-too-large", safetensorsBytes(header: "{}", data: [], length: 1 << 63)),
    MalformedFile("header past the end", "header-length", safetensorsBytes(header: "{}", data: [], length: 3)),
    MalformedFile(
        "header far past the end", "header-length", safetensorsBytes(header: "{}", data: [], length: 99_999_999)),
    MalformedFile("no header", "header-start", safetensorsBytes(header: "", data: [])),
    MalformedFile("header that begins with a space", "header-start", header: " {}", isAcceptedElsewhere: true),
    MalformedFile("header that is an array", "header-start", header: "[]"),
    // The text.
    MalformedFile(
        "not UTF-8", "header-encoding", safetensorsBytes(header: Array("{\"".utf8) + [0xFF, 0x22, 0x7D], data: [])),
    MalformedFile(
        "overlong UTF-8", "header-encoding",
        safetensorsBytes(header: Array("{\"".utf8) + [0xC0, 0x80, 0x22, 0x7D], data: [])),
    MalformedFile("cut JSON", "header-json", header: "{\"a\":"),
    MalformedFile("two values", "header-json", header: "{}{}"),
    MalformedFile("trailing comma", "header-json", header: "{\"__metadata__\":{},}"),
    MalformedFile("zero padding", "header-json", header: "{}\0\0\0"),
    MalformedFile("a lone surrogate", "header-json", header: #"{"__metadata__":{"a":"\ud800"}}"#),
    MalformedFile("deep nesting", "header-json", header: "{\"a\":" + String(repeating: "[", count: 100_000)),
    MalformedFile(
        "a name twice", "duplicate-name",
        header:
            #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#,
        data: 1, isAcceptedElsewhere: true),
    MalformedFile(
        "a name twice, once escaped", "duplicate-name",
        header:
            #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#,
        data: 2),
    MalformedFile(
        "a member twice", "duplicate-name",
        header: entry(#""dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]"#), data: 1),
    // Metadata.
    MalformedFile("metadata that is a number", "metadata", header: #"{"__metadata__":1}"#),
    MalformedFile("metadata that is null", "metadata", header: #"{"__metadata__":null}"#, isAcceptedElsewhere: true),
    MalformedFile("metadata with a number", "metadata", header: #"{"__metadata__":{"a":1}}"#),
    MalformedFile("metadata with an object", "metadata", header: #"{"__metadata__":{"a":{}}}"#),
    // Entries.
    MalformedFile("entry that is a number", "entry", header: #"{"a":1}"#, tensor: "a"),
    MalformedFile("entry that is null", "entry", header: #"{"a":null}"#, tensor: "a"),
    MalformedFile("no dtype", "entry", header: entry(#""shape":[1],"data_offsets":[0,1]"#), data: 1, tensor: "a"),
    MalformedFile("no shape", "entry", header: entry(#""dtype":"U8","data_offsets":[0,1]"#), data: 1, tensor: "a"),
    MalformedFile("no offsets", "entry", header: entry(#""dtype":"U8","shape":[1]"#), data: 1, tensor: "a"),
    MalformedFile(
        "dtype that is a number", "entry", header: entry(#""dtype":1,"shape":[1],"data_offsets":[0,1]"#), data: 1),
    MalformedFile(
        "shape that is a number", "entry", header: entry(#""dtype":"U8","shape":1,"data_offsets":[0,1]"#), data: 1),
    MalformedFile(
        "unknown dtype", "unknown-type", header: entry(#""dtype":"F17","shape":[1],"data_offsets":[0,2]"#), data: 2,
        tensor: "a"),
    MalformedFile(
        "dtype in small letters", "unknown-type", header: entry(#""dtype":"f32","shape":[1],"data_offsets":[0,4]"#),
        data: 4),
    MalformedFile(
        "8-bit floats", "unsupported-type", header: entry(#""dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]"#),
        data: 2, tensor: "a", isAcceptedElsewhere: true),
    MalformedFile(
        "unsigned 64 bits", "unsupported-type", header: entry(#""dtype":"U64","shape":[1],"data_offsets":[0,8]"#),
        data: 8, tensor: "a", isAcceptedElsewhere: true),
    MalformedFile(
        "an entry of 70 kB", "entry",
        header: entry(
            #""dtype":"U8","shape":[1],"data_offsets":[0,1],"x":"# + "[" + String(repeating: "0,", count: 35_000) + "0]"
        ),
        data: 1, tensor: "a", isAcceptedElsewhere: true),
    MalformedFile("a name without a value", "header-json", header: #"{"a"}"#),
    MalformedFile("a name without quotes", "header-json", header: #"{a:1}"#),
    MalformedFile("members without a comma", "header-json", header: #"{"__metadata__":{} "a":1}"#),
    MalformedFile("brackets that do not match", "header-json", header: #"{"a":{"shape":[}]}"#),
    MalformedFile("a string that does not end", "header-json", header: #"{"a"}"#),
    // Shapes.
    MalformedFile(
        "negative extent", "shape", header: entry(#""dtype":"U8","shape":[-1],"data_offsets":[0,1]"#), data: 1,
        tensor: "a"),
    MalformedFile(
        "two negative extents", "shape", header: entry(#""dtype":"U8","shape":[-1,-1],"data_offsets":[0,1]"#), data: 1),
    MalformedFile(
        "fractional extent", "shape", header: entry(#""dtype":"U8","shape":[1.0],"data_offsets":[0,1]"#), data: 1),
    MalformedFile(
        "extent that is a string", "shape", header: entry(#""dtype":"U8","shape":["1"],"data_offsets":[0,1]"#), data: 1),
    MalformedFile(
        "extent of 2^64", "shape",
        header: entry(#""dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,0]"#)),
    MalformedFile(
        "product past 2^64", "shape",
        header: entry(#""dtype":"U8","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,0]"#)),
    MalformedFile(
        "bytes past 2^63", "shape", header: entry(#""dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,0]"#)),
    MalformedFile(
        "no rows, each of 2^65 bytes", "shape",
        header: entry(#""dtype":"F32","shape":[0,9223372036854775807],"data_offsets":[0,0]"#),
        isAcceptedElsewhere: true),
    MalformedFile(
        "nine extents", "shape", header: entry(#""dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]"#),
        data: 1, isAcceptedElsewhere: true),
    // Offsets.
    MalformedFile(
        "one offset", "offsets", header: entry(#""dtype":"U8","shape":[1],"data_offsets":[1]"#), data: 1, tensor: "a"),
    MalformedFile(
        "three offsets", "offsets", header: entry(#""dtype":"U8","shape":[1],"data_offsets":[0,1,1]"#), data: 1),
    MalformedFile(
        "negative offset", "offsets", header: entry(#""dtype":"U8","shape":[1],"data_offsets":[-1,0]"#), data: 1),
    MalformedFile(
        "offsets in reverse", "offsets", header: entry(#""dtype":"U8","shape":[1],"data_offsets":[1,0]"#), data: 1,
        tensor: "a"),
    MalformedFile(
        "offset of 2^63 - 1", "offsets",
        header: entry(#""dtype":"U8","shape":[1],"data_offsets":[9223372036854775806,9223372036854775807]"#), data: 1),
    MalformedFile(
        "too few bytes for the shape", "size-mismatch",
        header: entry(#""dtype":"F32","shape":[2],"data_offsets":[0,7]"#),
        data: 7, tensor: "a"),
    MalformedFile(
        "too many bytes for the shape", "size-mismatch",
        header: entry(#""dtype":"F32","shape":[2],"data_offsets":[0,9]"#),
        data: 9, tensor: "a"),
    MalformedFile(
        "bytes for an empty shape", "size-mismatch", header: entry(#""dtype":"F32","shape":[0],"data_offsets":[0,4]"#),
        data: 4),
    MalformedFile(
        "no bytes for a scalar", "size-mismatch", header: entry(#""dtype":"F32","shape":[],"data_offsets":[0,0]"#)),
    // Coverage.
    MalformedFile(
        "overlap", "overlap",
        header:
            #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#,
        data: 3, tensor: "b"),
    MalformedFile(
        "two tensors of the same bytes", "overlap",
        header:
            #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}"#,
        data: 2),
    MalformedFile(
        "hole at the start", "hole", header: entry(#""dtype":"U8","shape":[1],"data_offsets":[1,2]"#), data: 2,
        tensor: "a"),
    MalformedFile(
        "hole between tensors", "hole",
        header:
            #"{"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#,
        data: 3, tensor: "b"),
    MalformedFile(
        "hole in front of an empty tensor", "hole", header: entry(#""dtype":"U8","shape":[0],"data_offsets":[1,1]"#),
        data: 1, tensor: "a"),
    MalformedFile(
        "data cut by a byte", "truncated", header: entry(#""dtype":"F32","shape":[2],"data_offsets":[0,8]"#), data: 7,
        tensor: "a"),
    MalformedFile(
        "no data", "truncated", header: entry(#""dtype":"F32","shape":[2],"data_offsets":[0,8]"#), tensor: "a"),
    MalformedFile(
        "a byte too many", "trailing-bytes", header: entry(#""dtype":"F32","shape":[2],"data_offsets":[0,8]"#), data: 9),
    MalformedFile("data without tensors", "trailing-bytes", header: "{}", data: 1),
]
