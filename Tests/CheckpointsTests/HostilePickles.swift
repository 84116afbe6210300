import CheckpointTestSupport
import Testing

/// A file that must be refused, and the error that says so.
struct HostileFile: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    let code: String
    /// A part of the message.
    var words = ""
    var testDescription: String { name }
}

private typealias P = PickleBytes

/// An archive whose pickle has a member with the value `value`, beside a harmless tensor.
private func archive(_ value: [UInt8]) -> [UInt8] {
    let pickle = P.pickle(P.dictionary(("x", value), ("weight", P.vector(2))), protocol: 4)
    return ZipBytes(pickle: pickle, storages: [[UInt8](repeating: 0, count: 8)]).bytes
}

private func hostile(_ name: String, _ code: String, _ words: String, _ value: [UInt8]) -> HostileFile {
    HostileFile(name: name, bytes: archive(value), code: "torch." + code, words: words)
}

/// A pickle that creates a file when Python loads it.
struct CodeRunningPickle: Sendable, CustomTestStringConvertible {
    let name: String
    /// What the error must name.
    let words: String
    /// The instructions that run `touch` for a path.
    let value: @Sendable (_ marker: String) -> [UInt8]

    init(_ name: String, _ words: String, _ value: @escaping @Sendable (_ marker: String) -> [UInt8]) {
        self.name = name
        self.words = words
        self.value = value
    }

    var testDescription: String { name }

    /// The pickle alone.
    func pickle(_ marker: String) -> [UInt8] { P.pickle(value(marker), protocol: 4) }

    /// A checkpoint that has it beside a harmless tensor.
    func file(_ marker: String) -> [UInt8] { archive(value(marker)) }
}

private let system = P.global("os", "system")
private func stackGlobal(_ module: String, _ name: String) -> [UInt8] { P.text(module) + P.text(name) + [0x93] }
private func touch(_ marker: String) -> [UInt8] { P.text("touch \(marker)") }
private func touchWords(_ marker: String) -> [UInt8] { P.tuple(["touch", marker].map(P.text)) }

/// Pickles that run code, by every instruction that can.
let codeRunningPickles: [CodeRunningPickle] = [
    CodeRunningPickle("REDUCE", "os.system") { P.call(system, touch($0)) },
    CodeRunningPickle("REDUCE after STACK_GLOBAL", "posix.system") {
        P.call(stackGlobal("posix", "system"), touch($0))
    },
    CodeRunningPickle("INST", "os.system") { [0x28] + touch($0) + [0x69] + Array("os\nsystem\n".utf8) },
    CodeRunningPickle("OBJ", "subprocess.Popen") {
        [0x28] + P.global("subprocess", "Popen") + touchWords($0) + [0x6F]
    },
    CodeRunningPickle("NEWOBJ", "subprocess.Popen") {
        // The class of the object to make is a type whose call runs the command.
        P.global("subprocess", "Popen") + P.tuple(touchWords($0)) + [0x81] + [0x30]
            + P.call(P.global("subprocess", "Popen"), touchWords($0))
    },
    CodeRunningPickle("BUILD of an object that was given a __setstate__", "os.system") {
        P.global("collections", "OrderedDict") + [0x29, 0x52] + P.dictionary(("__setstate__", system)) + [0x62]
            + touch($0)
            + [0x62]
    },
    CodeRunningPickle("eval", "builtins.eval") {
        P.call(P.global("builtins", "eval"), P.text("__import__('os').system('touch \($0)')"))
    },
    CodeRunningPickle("exec", "builtins.exec") {
        P.call(P.global("builtins", "exec"), P.text("import os; os.system('touch \($0)')"))
    },
    CodeRunningPickle("getattr of a module", "builtins.getattr") {
        let module = P.call(P.global("importlib", "import_module"), P.text("os"))
        return P.call(P.call(P.global("builtins", "getattr"), module, P.text("system")), touch($0))
    },
    CodeRunningPickle("a name with full stops", "OrderedDict.fromkeys") {
        P.call(stackGlobal("collections", "OrderedDict.fromkeys"), P.text("a")) + [0x30] + P.call(system, touch($0))
    },
    CodeRunningPickle("a partial call", "functools.partial") {
        P.call(P.call(P.global("functools", "partial"), system), touch($0))
    },
    CodeRunningPickle("a pickle in a pickle", "_pickle.loads") {
        let inner = P.pickle(P.call(system, touch($0)))
        return P.call(P.global("_pickle", "loads"), P.counted(0x42, UInt32(inner.count)) + inner)
    },
]

/// Pickles that would run code if something else were set up, refused all the same.
let otherPickles: [HostileFile] = [
    hostile(
        "NEWOBJ of an allowed class", "pickle-instruction", "NEWOBJ",
        P.global("collections", "OrderedDict") + [0x29, 0x81]),
    hostile(
        "NEWOBJ_EX", "pickle-instruction", "NEWOBJ_EX", P.global("collections", "OrderedDict") + [0x29, 0x7D, 0x92]),
    hostile(
        "OBJ of an allowed class", "pickle-instruction", "OBJ", [0x28] + P.global("collections", "OrderedDict") + [0x6F]
    ),
    hostile("EXT1", "pickle-instruction", "EXT1", [0x82, 1]),
    hostile("EXT2", "pickle-instruction", "EXT2", [0x83, 1, 0]),
    hostile("EXT4", "pickle-instruction", "EXT4", [0x84, 1, 0, 0, 0]),
    hostile("PERSID", "pickle-instruction", "PERSID", [0x50] + Array("storage\n".utf8)),
    hostile("NEXT_BUFFER", "pickle-instruction", "NEXT_BUFFER", [0x97]),
    hostile("BUILD of a class", "pickle-instruction", "BUILD", P.global("collections", "OrderedDict") + [0x7D, 0x62]),
    hostile("BUILD of a tensor", "pickle-instruction", "BUILD", P.vector(2) + [0x7D, 0x62]),
    hostile("BUILD with a tuple of states", "pickle-instruction", "BUILD", [0x7D] + P.tuple([0x4E], [0x7D]) + [0x62]),
    hostile("REDUCE of a string", "pickle", "REDUCE", P.call(P.text("os.system"), P.text("true"))),
    hostile("REDUCE of a type", "pickle", "REDUCE", P.call(P.global("torch", "float16"), P.text("true"))),
    hostile(
        "REDUCE without a tuple", "pickle", "REDUCE", P.global("collections", "OrderedDict") + P.text("x") + [0x52]),
    hostile("STACK_GLOBAL of numbers", "pickle", "strings", [0x4B, 1, 0x4B, 2, 0x93]),
    hostile(
        "a whole module as persistent id", "pickle", "storage",
        P.tuple(P.text("module"), P.global("torch", "FloatStorage"), P.text("a"), P.text("b"), P.integer(1)) + [0x51]),
    hostile("a persistent id that is a string", "pickle", "storage", P.text("storage") + [0x51]),
    hostile("argparse.Namespace", "pickle-global", "argparse.Namespace", P.global("argparse", "Namespace")),
    hostile(
        "numpy scalar", "pickle-global", "numpy.core.multiarray.scalar", P.global("numpy.core.multiarray", "scalar")),
    hostile("torch.load", "pickle-global", "torch.load", P.global("torch", "load")),
    hostile(
        "a function of torch.storage", "pickle-global", "torch.storage._load_from_bytes",
        P.global("torch.storage", "_load_from_bytes")),
    hostile("a class of torch", "pickle-global", "torch.nn.Linear", P.global("torch", "nn.Linear")),
    hostile("an empty name", "pickle-global", "", P.global("", "")),
    hostile("control characters in a name", "pickle-global", "\\u{1b}", P.global("a\u{1B}[2J", "b")),
    hostile("a quantized tensor", "unsupported-type", "_rebuild_qtensor", P.global("torch._utils", "_rebuild_qtensor")),
    hostile(
        "a sparse tensor", "unsupported-type", "_rebuild_sparse_tensor",
        P.global("torch._utils", "_rebuild_sparse_tensor")),
    hostile("an unknown instruction", "pickle-instruction", "255", [0xFF]),
    hostile("an instruction of protocol 0", "pickle-instruction", "73", [0x49] + Array("1\n".utf8)),
]

private let tuple2: UInt8 = 0x86

/// Pickles that ask for much more memory or time than they have bytes, or more than there is.
let bombs: [HostileFile] = [
    // Each level holds the one below twice: 2^60 parts when written out.
    HostileFile(
        name: "a memo bomb of tuples",
        bytes: ZipBytes(
            pickle: P.pickle(
                P.text("lol") + [0x71, 0] + (0..<60).flatMap { [0x68, $0, 0x68, $0, tuple2, 0x71, $0 + 1] as [UInt8] })
        ).bytes,
        code: "torch.pickle", words: "values"),
    hostile(
        "a memo bomb of dictionaries around a tensor", "pickle-limit", "",
        P.vector(2) + [0x71, 0]
            + (0..<30).flatMap { level -> [UInt8] in
                [0x30, 0x7D, 0x28] + P.text("a") + [0x68, level] + P.text("b") + [0x68, level, 0x75, 0x71, level + 1]
            }),
    hostile("a million nested lists", "pickle-limit", "", [UInt8](repeating: 0x5D, count: 1_000_002)),
    hostile("a million marks", "pickle-limit", "", [UInt8](repeating: 0x28, count: 1_000_000)),
    hostile("a million nested tuples", "pickle-limit", "", [0x29] + [UInt8](repeating: 0x85, count: 1_000_000)),
    hostile(
        "dictionaries nested around a tensor", "pickle-limit", "nested",
        (0..<500).flatMap { _ in [0x7D] + P.text("a") } + P.vector(2) + [UInt8](repeating: 0x73, count: 500)),
    hostile(
        "a tensor inside itself", "pickle-limit", "nested",
        [0x7D, 0x71, 0] + P.text("w") + P.vector(2) + [0x73] + P.text("self") + [0x68, 0, 0x73]),
    hostile(
        "long names made of one long name", "pickle-limit", "names",
        (0..<30).flatMap { level -> [UInt8] in
            [0x7D] + (level == 0 ? P.text(String(repeating: "x", count: 4000)) + [0x71, 0] : [0x68, 0])
        } + P.vector(2) + [UInt8](repeating: 0x73, count: 30)),
    hostile(
        "copies of a large dictionary", "pickle-limit", "",
        [0x30, 0x7D, 0x71, 0, 0x28] + (0..<50_000).flatMap { _ in [0x4B, 1, 0x4B, 1] as [UInt8] } + [0x75]
            + (0..<200).flatMap { _ in
                P.global("collections", "OrderedDict") + [0x68, 0, 0x85, 0x52, 0x4B, 2, 0x4B, 2, 0x73] as [UInt8]
            }),
    hostile("a whole number of 2 GB", "pickle-limit", "2147483647", P.counted(0x8B, 0x7FFF_FFFF)),
    hostile("a whole number of -1 bytes", "pickle-limit", "-1", P.counted(0x8B, 0xFFFF_FFFF)),
    hostile(
        "a whole number of 100 kB", "pickle-limit", "100000",
        P.counted(0x8B, 100_000) + [UInt8](repeating: 7, count: 100_000)),
    hostile("a text of 2^60 bytes", "pickle-truncated", "1152921504606846976", P.counted8(0x8D, 1 << 60)),
    hostile("a text of 2^64 - 1 bytes", "pickle-truncated", "18446744073709551615", P.counted8(0x8D, .max)),
    hostile("bytes of 2^63 bytes", "pickle-truncated", "", P.counted8(0x8E, 1 << 63)),
    hostile("a byte array of 2^62 bytes", "pickle-truncated", "", P.counted8(0x96, 1 << 62)),
    hostile("a text of 4 GB", "pickle-truncated", "", P.counted(0x58, .max)),
    hostile("a frame of 2^60 bytes", "pickle", "frame", P.counted8(0x95, 1 << 60)),
    hostile("a frame that ends in an instruction", "pickle", "frame", P.counted8(0x95, 3) + P.text("longer")),
    hostile("a frame in a frame", "pickle", "frame", P.counted8(0x95, 20) + P.counted8(0x95, 2)),
    hostile("a name of 2000 bytes", "pickle-limit", "1024", P.global(String(repeating: "a", count: 2000), "b")),
    hostile("a name without end", "pickle-limit", "1024", [0x63] + [UInt8](repeating: 0x61, count: 1 << 20)),
    hostile("a memo that was not filled", "pickle", "memo 4294967295", P.counted(0x6A, .max)),
    hostile("texts that are not UTF-8", "pickle", "UTF-8", [0x8C, 2, 0xC0, 0x80]),
    hostile("more values taken than there are", "pickle", "", [UInt8](repeating: 0x30, count: 20)),
    hostile(
        "a list filled with a dictionary's members", "pickle", "container", [0x5D] + P.text("a") + P.text("b") + [0x73]),
    hostile("a dictionary with half a member", "pickle", "container", [0x7D, 0x28] + P.text("a") + [0x75]),
    hostile("pops below a mark", "pickle", "", [0x28, 0x73]),
]

/// Tensors that are not what they say.
let badTensors: [HostileFile] = {
    func tensor(_ name: String, _ code: String, _ words: String = "", _ value: [UInt8]) -> HostileFile {
        hostile("tensor: " + name, code, words, value)
    }
    func two(_ sizes: [Int], _ strides: [Int], offset: Int = 0, count: Int = 2) -> [UInt8] {
        P.tensor(P.storage(count: count), offset: offset, sizes: sizes, strides: strides)
    }
    return [
        tensor("absent storage", "storage", "77", P.tensor(P.storage(key: "77", count: 2), sizes: [2], strides: [1])),
        tensor(
            "storage with a path for a name", "storage", "..",
            P.tensor(P.storage(key: "../version", count: 2), sizes: [2], strides: [1])),
        tensor("storage larger than its bytes", "storage", "8 bytes", two([3], [1], count: 3)),
        tensor("storage of 2^62 elements", "tensor", "too large", two([2], [1], count: 1 << 62)),
        tensor("storage of -1 elements", "pickle", "", two([2], [1], count: -1)),
        tensor("past its storage", "tensor", "past", two([3], [1])),
        tensor("offset past its storage", "tensor", "past", two([1], [1], offset: 2)),
        tensor("negative offset", "tensor", "", two([1], [1], offset: -1)),
        tensor("offset of 2^63 - 1", "tensor", "", two([1], [1], offset: .max)),
        tensor("negative stride", "tensor", "", two([2], [-1], offset: 1)),
        tensor("stride of 2^63 - 1", "tensor", "", two([2, 2], [.max, 1])),
        tensor("stride past the storage", "tensor", "past", two([2, 2], [2, 1])),
        tensor("negative size", "tensor", "", two([-1], [1])),
        tensor("sizes of 2^80 elements", "tensor", "", two([1 << 40, 1 << 40], [0, 0])),
        tensor("a row of 2^50 repeated elements", "tensor", "repeats", two([1, 1 << 50], [0, 0])),
        tensor("fewer strides than sizes", "tensor", "", two([1, 1], [1])),
        tensor("nine dimensions", "tensor", "", two([Int](repeating: 1, count: 9), [Int](repeating: 1, count: 9))),
        tensor("a thousand dimensions", "pickle", "arguments", two([Int](repeating: 1, count: 1000), [])),
        tensor("no storage", "pickle", "arguments", P.tensor(P.text("x"), sizes: [1], strides: [1])),
        tensor(
            "complex", "unsupported-type", "complex64",
            P.tensor(P.storage("ComplexFloatStorage", count: 1), sizes: [1], strides: [1])),
        tensor(
            "quantized storage", "unsupported-type", "qint8",
            P.tensor(P.storage("QInt8Storage", count: 1), sizes: [1], strides: [1])),
        tensor(
            "bytes without a type", "tensor", "type",
            P.tensor(P.storage("UntypedStorage", count: 8), sizes: [2], strides: [1])),
        tensor(
            "parameter of no tensor", "pickle", "_rebuild_parameter",
            P.call(P.global("torch._utils", "_rebuild_parameter"), P.text("a"), [0x88], [0x4E])),
        tensor("the name of another one", "duplicate-name", "", [0x4E] + P.text("weight") + P.vector(1)),
    ]
}()
