import Storage

/// Turns a pickle into plain data. It never calls anything: classes and functions are looked up in `TorchGlobal`, whose
/// rules make data. Every other name is an error, and so is every instruction that would need code.
///
/// Time and memory are bounded by the length of the pickle and the limits below, whatever the pickle says.
struct Unpickler {
    /// The largest pickle in bytes. A state dictionary needs about 300 for each tensor.
    static let maximumByteCount = 64 << 20
    /// The most objects (strings, containers, tensors).
    static let maximumObjectCount = 1_000_000
    /// The most elements of all containers together.
    static let maximumElementCount = 8_000_000
    /// The most values on the stack, and in the memo.
    static let maximumValueCount = 1_000_000
    /// The most containers that are under construction at once.
    static let maximumMarkCount = 1000
    /// The longest text of a number or of a name, in bytes.
    static let maximumShortLength = 1024

    private(set) var heap = PickleHeap()
    /// The offset in `bytes` of the next byte to read.
    private(set) var position: Int
    private let bytes: [UInt8]
    /// Where `bytes` begins in the file.
    private let fileOffset: Int
    private var stack: [PickleValue] = []
    private var marks: [Int] = []
    private var memo: [UInt32: PickleValue] = [:]
    private var elementCount = 0
    private var frameEnd: Int?

    /// Creates a machine that reads from `position`.
    ///
    /// - Parameter fileOffset: Where `bytes` begins in the file, for messages.
    init(_ bytes: [UInt8], from position: Int = 0, fileOffset: Int) {
        self.bytes = bytes
        self.position = position
        self.fileOffset = fileOffset
    }

    /// Runs the pickle to its end and returns its value. Objects stay in `heap`.
    ///
    /// - Throws: A `torch.pickle*` error or `torch.tensor`, `torch.unsupported-type`, naming the bytes of the
    ///   instruction.
    mutating func load() throws -> PickleValue {
        let start = position
        var instruction = start
        do {
            guard try byte() == PickleOpcode.proto.rawValue, (2...5).contains(try byte()) else {
                throw PVITError(.torchPickle, "this is not a pickle of protocol 2 to 5")
            }
            while true {
                instruction = position
                if position == frameEnd { frameEnd = nil }
                let code = try byte()
                guard let opcode = PickleOpcode(rawValue: code) else {
                    throw PVITError(
                        .torchPickleInstruction, "the pickle has the byte \(code) where an instruction should be")
                }
                if opcode == .stop { break }
                try execute(opcode)
                if let frameEnd, position > frameEnd {
                    throw PVITError(.torchPickle, "an instruction of the pickle reaches past its frame")
                }
                guard stack.count <= Self.maximumValueCount, memo.count <= Self.maximumValueCount,
                    heap.objects.count <= Self.maximumObjectCount, elementCount <= Self.maximumElementCount,
                    marks.count <= Self.maximumMarkCount
                else { throw PVITError(.torchPickleLimit, "the pickle has more objects than any state dictionary") }
            }
            guard stack.count == 1, marks.isEmpty, let value = stack.last else {
                throw PVITError(.torchPickle, "the pickle ends with \(stack.count) values, not one")
            }
            return value
        } catch var error as PVITError {
            if error.bytes == nil {
                error.bytes = UInt64(fileOffset + instruction)..<UInt64(fileOffset + max(position, instruction + 1))
            }
            throw error
        }
    }

    // MARK: - Instructions

    private mutating func execute(_ opcode: PickleOpcode) throws {
        switch opcode {
        case .none: stack.append(.none)
        case .newTrue: stack.append(.bool(true))
        case .newFalse: stack.append(.bool(false))
        case .binaryInteger: stack.append(.integer(Int(try number(Int32.self))))
        case .binaryInteger1: stack.append(.integer(Int(try byte())))
        case .binaryInteger2: stack.append(.integer(Int(try number(UInt16.self))))
        case .binaryFloat: stack.append(.float(Double(bitPattern: try number(UInt64.self).byteSwapped)))
        case .long1: try pushWholeNumber(byteCount: Int(try byte()))
        case .long4: try pushWholeNumber(byteCount: Int(try number(Int32.self)))
        case .shortBinaryUnicode: try pushText(byteCount: UInt64(try byte()))
        case .binaryUnicode: try pushText(byteCount: UInt64(try number(UInt32.self)))
        case .binaryUnicode8: try pushText(byteCount: try number())
        case .shortBinaryString: try pushOldText(byteCount: UInt64(try byte()))
        case .binaryString: try pushOldText(byteCount: UInt64(try number(UInt32.self)))
        case .shortBinaryBytes: try pushBytes(byteCount: UInt64(try byte()))
        case .binaryBytes: try pushBytes(byteCount: UInt64(try number(UInt32.self)))
        case .binaryBytes8, .byteArray8: try pushBytes(byteCount: try number())
        case .emptyTuple: push(PickleObject(kind: .tuple))
        case .emptyList: push(PickleObject(kind: .list))
        case .emptyDictionary: push(PickleObject(kind: .dictionary))
        case .emptySet: push(PickleObject(kind: .set))
        case .tuple1: try push(.tuple, items: pop(1))
        case .tuple2: try push(.tuple, items: pop(2))
        case .tuple3: try push(.tuple, items: pop(3))
        case .tuple: try push(.tuple, items: popToMark())
        case .frozenSet: try push(.set, items: popToMark())
        case .append: try extend(.list, by: pop(1))
        case .appends: try extend(.list, by: popToMark())
        case .addItems: try extend(.set, by: popToMark())
        case .setItem: try extend(.dictionary, by: pop(2))
        case .setItems: try extend(.dictionary, by: popToMark())
        case .mark: marks.append(stack.count)
        case .pop: try popAny()
        case .popMark: _ = try popToMark()
        case .duplicate: stack.append(try top())
        case .binaryPut: memo[UInt32(try byte())] = try top()
        case .longBinaryPut: memo[try number()] = try top()
        case .memoize: memo[UInt32(memo.count)] = try top()
        case .binaryGet: try recall(UInt32(try byte()))
        case .longBinaryGet: try recall(try number())
        case .global: try pushGlobal(module: line(), name: line())
        case .stackGlobal:
            let names = try pop(2).map(heap.string)
            guard let module = names[0], let name = names[1] else {
                throw PVITError(.torchPickle, "the pickle names a class with something other than strings")
            }
            try pushGlobal(module: module, name: name)
        case .persistent: try pushStorage()
        case .reduce: try reduce()
        case .build: try build()
        case .frame: try enterFrame()
        case .proto, .stop: throw PVITError(.torchPickle, "the pickle begins a second time")
        case .instance: throw TorchGlobal.forbidden(module: try line(), name: try line())
        case .newObject: try newObject()
        case .object, .newObjectExtended, .extension1, .extension2, .extension4, .persistentText,
            .nextBuffer, .readOnlyBuffer:
            throw Self.forbidden(opcode)
        }
    }

    private static func forbidden(_ opcode: PickleOpcode) -> PVITError {
        PVITError(
            .torchPickleInstruction,
            "the pickle has the instruction \(opcode.forbiddenName ?? "\(opcode)"), which state dictionaries do not "
                + "use and which could run code",
            remedy: "do not trust this file; if you trust its author, load it with torch and save only its state_dict")
    }

    /// `NEWOBJ` creates an object of a class; only byte streams are created like that, and they are not read.
    private mutating func newObject() throws {
        let operands = try pop(2)
        guard case .global(.byteStream) = heap.object(operands[0])?.kind, heap.tuple(operands[1])?.isEmpty == true
        else { throw Self.forbidden(.newObject) }
        push(PickleObject(kind: .inert))
    }

    private mutating func enterFrame() throws {
        let length: UInt64 = try number()
        guard frameEnd == nil, length <= UInt64(bytes.count - position) else {
            throw PVITError(.torchPickle, "the pickle has a frame of \(length) bytes that does not fit")
        }
        frameEnd = position + Int(length)
    }

    /// `BUILD` gives an object attributes. Those of an `OrderedDict` (`_metadata` of a state dictionary) and
    /// of byte streams do not matter for the weights. Nothing else may have attributes.
    private mutating func build() throws {
        let state = try pop(1)[0]
        if heap.object(try top())?.kind == .inert { return }
        guard heap.dictionary(try top()) != nil, heap.dictionary(state) != nil || state == .none else {
            throw PVITError(
                .torchPickleInstruction, "the pickle gives attributes (BUILD) to something other than a dictionary",
                remedy:
                    "do not trust this file; if you trust its author, load it with torch and save only its state_dict")
        }
    }

    /// `REDUCE` calls a function; here it applies a rule to its arguments.
    private mutating func reduce() throws {
        let operands = try pop(2)
        guard case .global(let global) = heap.object(operands[0])?.kind, let arguments = heap.tuple(operands[1]) else {
            throw PVITError(.torchPickle, "the pickle calls (REDUCE) something that is not a function")
        }
        switch global {
        case .dictionary: try push(.dictionary, items: dictionaryItems(arguments))
        case .set: try push(.set, items: arguments.first.map { try sequence($0) } ?? [])
        case .size:
            guard let first = arguments.first else { throw Self.badArguments("torch.Size") }
            try push(.tuple, items: sequence(first))
        case .bytes: push(PickleObject(kind: .bytes))
        case .device: push(PickleObject(kind: .inert))
        case .rebuildTensor, .rebuildTypedTensor: try pushTensor(arguments, isTyped: global == .rebuildTypedTensor)
        case .rebuildParameter:
            guard let first = arguments.first, heap.tensor(first) != nil else {
                throw Self.badArguments("torch._utils._rebuild_parameter")
            }
            stack.append(first)
        case .byteStream: push(PickleObject(kind: .inert))
        case .storageClass, .dtype, .inert:
            throw PVITError(.torchPickle, "the pickle calls (REDUCE) a type, which state dictionaries do not do")
        }
    }

    /// The content of `OrderedDict(…)`: nothing, a dictionary, or a list of pairs.
    private func dictionaryItems(_ arguments: [PickleValue]) throws -> [PickleValue] {
        guard let argument = arguments.first else { return [] }
        if let items = heap.dictionary(argument) { return items }
        return try sequence(argument).flatMap { pair in
            guard let pair = heap.sequence(pair), pair.count == 2 else { throw Self.badArguments("OrderedDict") }
            return pair
        }
    }

    private func sequence(_ value: PickleValue) throws -> [PickleValue] {
        guard let items = heap.sequence(value) else { throw Self.badArguments("a container") }
        return items
    }

    private static func badArguments(_ function: String) -> PVITError {
        PVITError(.torchPickle, "the pickle fills \(function) with arguments that it does not take")
    }

    // MARK: - Tensors

    /// A persistent id: `('storage', class, key, location, count)`, and in files without archive a sixth element, None
    /// or `(key, first element, count)` of a view. The location (`cpu`, `cuda:0`) does not matter.
    private mutating func pushStorage() throws {
        let malformed = PVITError(.torchPickle, "the pickle refers to a storage that is not described properly")
        guard let elements = heap.tuple(try pop(1)[0]), (5...6).contains(elements.count),
            heap.string(elements[0]) == "storage",
            case .global(.storageClass(let type)) = heap.object(elements[1])?.kind,
            let key = heap.string(elements[2]), case .integer(let count) = elements[4], count >= 0
        else { throw malformed }
        var usable = 0..<count
        if elements.count == 6, elements[5] != .none {
            guard let view = heap.tuple(elements[5]), view.count == 3, case .integer(let first) = view[1],
                case .integer(let length) = view[2], first >= 0, length >= 0, first <= count, length <= count - first
            else { throw malformed }
            usable = first..<first + length
        }
        heap.storages.append(TorchStorage(key: key, type: type, count: count, usable: usable))
        push(PickleObject(kind: .storage(heap.storages.count - 1)))
    }

    private mutating func pushTensor(_ arguments: [PickleValue], isTyped: Bool) throws {
        let malformed = Self.badArguments("torch._utils._rebuild_tensor_v\(isTyped ? 3 : 2)")
        guard (isTyped ? 7...8 : 6...7).contains(arguments.count),
            case .storage(let index) = heap.object(arguments[0])?.kind, case .integer(let offset) = arguments[1],
            let sizes = integers(arguments[2]), let strides = integers(arguments[3])
        else { throw malformed }
        let storage = heap.storages[index]
        var type = storage.type
        if isTyped {
            guard case .global(.dtype(let dtype)) = heap.object(arguments[6])?.kind else { throw malformed }
            type = dtype
        } else if type == .untyped {
            throw PVITError(.torchTensor, "a tensor has neither an element type nor a storage that has one")
        }
        heap.tensors.append(
            try TorchTensor(
                storage: index, of: storage, type: type, offset: offset, sizes: sizes, strides: strides))
        push(PickleObject(kind: .tensor(heap.tensors.count - 1)))
    }

    private func integers(_ value: PickleValue) -> [Int]? {
        guard let items = heap.sequence(value), items.count <= 64 else { return nil }
        var result: [Int] = []
        for item in items {
            guard case .integer(let number) = item else { return nil }
            result.append(number)
        }
        return result
    }

    // MARK: - Values

    private mutating func push(_ object: PickleObject) {
        stack.append(.object(Int32(heap.objects.count)))
        heap.objects.append(object)
    }

    private mutating func push(_ kind: PickleObject.Kind, items: [PickleValue]) throws {
        guard kind != .dictionary || items.count % 2 == 0 else { throw Self.badArguments("a dictionary") }
        elementCount += items.count
        push(PickleObject(kind: kind, items: items))
    }

    private mutating func pushGlobal(module: String, name: String) throws {
        push(PickleObject(kind: .global(try TorchGlobal(module: module, name: name))))
    }

    private mutating func pushText(byteCount: UInt64) throws {
        let range = try take(byteCount)
        guard let text = String(validating: bytes[range], as: UTF8.self) else {
            throw PVITError(.torchPickle, "the pickle has a text that is not UTF-8")
        }
        push(PickleObject(kind: .string(text)))
    }

    /// A text of Python 2, whose encoding is not known.
    private mutating func pushOldText(byteCount: UInt64) throws {
        let range = try take(byteCount)
        push(PickleObject(kind: String(validating: bytes[range], as: UTF8.self).map { .string($0) } ?? .bytes))
    }

    private mutating func pushBytes(byteCount: UInt64) throws {
        _ = try take(byteCount)
        push(PickleObject(kind: .bytes))
    }

    private mutating func pushWholeNumber(byteCount: Int) throws {
        guard (0...Self.maximumShortLength).contains(byteCount) else {
            throw PVITError(.torchPickleLimit, "the pickle has a whole number of \(byteCount) bytes")
        }
        let digits = bytes[try take(UInt64(byteCount))]
        guard byteCount <= 8 else {
            push(PickleObject(kind: .wideInteger(Array(digits))))
            return
        }
        var value = digits.last.map { $0 >= 0x80 ? -1 : 0 } ?? 0
        for digit in digits.reversed() { value = value << 8 | Int(digit) }
        stack.append(.integer(value))
    }

    private mutating func extend(_ kind: PickleObject.Kind, by items: [PickleValue]) throws {
        guard case .object(let number) = try top(), heap.objects[Int(number)].kind == kind,
            kind != .dictionary || items.count % 2 == 0
        else { throw PVITError(.torchPickle, "the pickle adds to something that is not such a container") }
        elementCount += items.count
        heap.objects[Int(number)].items.append(contentsOf: items)
    }

    private mutating func recall(_ number: UInt32) throws {
        guard let value = memo[number] else {
            throw PVITError(.torchPickle, "the pickle refers to memo \(number), which it has not filled")
        }
        stack.append(value)
    }

    private func top() throws -> PickleValue {
        guard stack.count > marks.last ?? 0, let value = stack.last else { throw Self.emptyStack }
        return value
    }

    private mutating func pop(_ count: Int) throws -> [PickleValue] {
        guard stack.count - count >= marks.last ?? 0 else { throw Self.emptyStack }
        let values = Array(stack.suffix(count))
        stack.removeLast(count)
        return values
    }

    /// Discards the top of the stack: a value, or else the mark.
    private mutating func popAny() throws {
        if stack.count == marks.last { marks.removeLast() } else { _ = try pop(1) }
    }

    private mutating func popToMark() throws -> [PickleValue] {
        guard let mark = marks.popLast() else { throw PVITError(.torchPickle, "the pickle lacks a mark") }
        let values = Array(stack[mark...])
        stack.removeLast(values.count)
        return values
    }

    private static var emptyStack: PVITError { PVITError(.torchPickle, "the pickle takes more values than it has") }

    // MARK: - Bytes

    private mutating func take(_ count: UInt64) throws -> Range<Int> {
        guard count <= UInt64(bytes.count - position) else {
            throw PVITError(
                .torchPickleTruncated, "the pickle ends before the \(count) bytes of an instruction",
                remedy: "download or copy the file again")
        }
        let range = position..<position + Int(count)
        position = range.upperBound
        return range
    }

    private mutating func byte() throws -> UInt8 { bytes[try take(1).lowerBound] }

    private mutating func number<Number: FixedWidthInteger & BitwiseCopyable>(
        _ type: Number.Type = Number.self
    ) throws -> Number {
        let range = try take(UInt64(MemoryLayout<Number>.size))
        return try bytes.span.bytes.littleEndian(at: range.lowerBound)
    }

    /// A line of text without its line feed.
    private mutating func line() throws -> String {
        let limit = min(bytes.count, position + Self.maximumShortLength)
        guard let end = bytes[position..<limit].firstIndex(of: 0x0A) else {
            throw limit == bytes.count
                ? PVITError(.torchPickleTruncated, "the pickle ends within a name")
                : PVITError(.torchPickleLimit, "the pickle has a name of more than \(Self.maximumShortLength) bytes")
        }
        guard let text = String(validating: bytes[position..<end], as: UTF8.self) else {
            throw PVITError(.torchPickle, "the pickle has a name that is not UTF-8")
        }
        position = end + 1
        return text
    }
}
