import CheckpointTestSupport
import SystemPackage
import TestSupport
import Testing

@testable import Checkpoints

@Suite("Pickles written by Python", .needsPython)
struct PythonPickleTests {
    /// A value as Python's `repr` writes it, for the kinds that there are here.
    private func text(_ value: PickleValue, in heap: PickleHeap) -> String {
        switch value {
        case .none: return "None"
        case .bool(let value): return value ? "True" : "False"
        case .integer(let value): return String(value)
        case .float(let value): return "\(value)"
        case .object:
            guard let object = heap.object(value) else { return "?" }
            let items = object.items.map { text($0, in: heap) }
            switch object.kind {
            case .string(let text): return "'\(text)'"
            case .bytes: return "bytes"
            case .wideInteger(let digits): return "wide \(digits.count)"
            case .list: return "[" + items.joined(separator: ", ") + "]"
            case .tuple: return "(" + items.joined(separator: ", ") + (items.count == 1 ? ",)" : ")")
            case .set: return "{" + items.sorted().joined(separator: ", ") + "}"
            case .dictionary:
                let pairs = stride(from: 0, to: items.count, by: 2).map { "\(items[$0]): \(items[$0 + 1])" }
                return "{" + pairs.joined(separator: ", ") + "}"
            case .global, .storage, .tensor, .inert: return "?"
            }
        }
    }

    @Test("plain values of every kind are what Python wrote, in protocols 2 to 5", arguments: 2...5)
    func values(version: Int) throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("pickle")
        _ = try Python.run(
            """
            import pickle, sys, collections
            shared = ["s", 1.5]
            value = {
                "none": None, "bools": (True, False), "ints": [0, -1, 255, 256, 65535, 65536, -2**31, 2**31, 2**63 - 1, -2**63],
                "wide": 2**80, "floats": [0.5, -1e300], "text": "ünï" + "x" * 300, "bytes": b"ab", "array": bytearray(b"cd"),
                "empty": [(), [], {}], "nested": {1: {"a": [shared, shared, (1,), (1, 2, 3, 4)]}}, "set": {3}, "frozen": frozenset([4]),
                "ordered": collections.OrderedDict([("z", 1), ("a", 2)]), "counter": collections.Counter("aab"),
                "many": list(range(1500)),
            }
            pickle.dump(value, open(sys.argv[1], "wb"), protocol=int(sys.argv[2]))
            """, path.string, String(version))
        var unpickler = Unpickler(try contents(of: path), fileOffset: 0)
        let root = try unpickler.load()
        let heap = unpickler.heap
        func member(_ key: String) throws -> String { text(try #require(heap.member(key, of: root)), in: heap) }
        #expect(try member("none") == "None")
        #expect(try member("bools") == "(True, False)")
        #expect(
            try member("ints")
                == "[0, -1, 255, 256, 65535, 65536, -2147483648, 2147483648, 9223372036854775807, -9223372036854775808]"
        )
        #expect(try member("wide") == "wide 11")
        #expect(try member("floats") == "[0.5, -1e+300]")
        #expect(try member("text") == "'ünï" + String(repeating: "x", count: 300) + "'")
        #expect(try member("bytes") == "bytes")
        #expect(try member("array") == "bytes")
        #expect(try member("empty") == "[(), [], {}]")
        #expect(try member("nested") == "{1: {'a': [['s', 1.5], ['s', 1.5], (1,), (1, 2, 3, 4)]}}")
        #expect(try member("set") == "{3}")
        #expect(try member("frozen") == "{4}")
        #expect(try member("ordered") == "{'z': 1, 'a': 2}")
        #expect(try member("counter") == "{'a': 2, 'b': 1}")
        #expect(try member("many") == "[" + (0..<1500).map(String.init).joined(separator: ", ") + "]")
    }
}
