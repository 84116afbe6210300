import Storage

/// A pickle of protocol 2 to 5, instruction by instruction.
///
/// Values are written by functions that return their instructions, so that they nest as the values do.
public enum PickleBytes {
    /// A whole pickle of one value.
    public static func pickle(_ value: [UInt8], protocol version: UInt8 = 2) -> [UInt8] {
        [0x80, version] + value + [0x2E]
    }

    /// A string.
    public static func text(_ text: String) -> [UInt8] { counted(0x58, UInt32(text.utf8.count)) + Array(text.utf8) }

    /// An instruction with a 32-bit number.
    public static func counted(_ opcode: UInt8, _ count: UInt32) -> [UInt8] {
        var bytes = [opcode]
        bytes.appendLittleEndian(count)
        return bytes
    }

    /// An instruction with a 64-bit number.
    public static func counted8(_ opcode: UInt8, _ count: UInt64) -> [UInt8] {
        var bytes = [opcode]
        bytes.appendLittleEndian(count)
        return bytes
    }

    /// A whole number of 64 bits (`LONG1`).
    public static func integer(_ value: Int) -> [UInt8] {
        var bytes: [UInt8] = [0x8A, 8]
        bytes.appendLittleEndian(value)
        return bytes
    }

    /// A class or function (`GLOBAL`).
    public static func global(_ module: String, _ name: String) -> [UInt8] {
        [0x63] + Array("\(module)\n\(name)\n".utf8)
    }

    /// A tuple.
    public static func tuple(_ items: [UInt8]...) -> [UInt8] { tuple(items) }

    /// A tuple.
    public static func tuple(_ items: [[UInt8]]) -> [UInt8] { [0x28] + items.flatMap { $0 } + [0x74] }

    /// A dictionary.
    public static func dictionary(_ members: [([UInt8], [UInt8])]) -> [UInt8] {
        [0x7D, 0x28] + members.flatMap { $0.0 + $0.1 } + [0x75]
    }

    /// A dictionary with names for keys.
    public static func dictionary(_ members: (String, [UInt8])...) -> [UInt8] {
        dictionary(members.map { (text($0.0), $0.1) })
    }

    /// A call (`REDUCE`).
    public static func call(_ function: [UInt8], _ arguments: [UInt8]...) -> [UInt8] {
        function + tuple(arguments) + [0x52]
    }

    /// A storage by its persistent id.
    public static func storage(_ type: String = "FloatStorage", key: String = "0", count: Int) -> [UInt8] {
        tuple(text("storage"), global("torch", type), text(key), text("cpu"), integer(count)) + [0x51]
    }

    /// A tensor as torch writes it.
    public static func tensor(_ storage: [UInt8], offset: Int = 0, sizes: [Int], strides: [Int]) -> [UInt8] {
        call(
            global("torch._utils", "_rebuild_tensor_v2"), storage, integer(offset), tuple(sizes.map(integer)),
            tuple(strides.map(integer)), [0x89], call(global("collections", "OrderedDict")))
    }

    /// A tensor of f32 elements, the first ones of storage 0.
    public static func vector(_ count: Int) -> [UInt8] { tensor(storage(count: count), sizes: [count], strides: [1]) }
}
