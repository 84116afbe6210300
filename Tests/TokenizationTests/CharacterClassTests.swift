import TestSupport
import Foundation
import Storage
import Testing

@testable import Tokenization

@Suite("Character classes of pre-tokenization")
struct CharacterClassTests {
    @Test(
        "every scalar has the same class as in the tokenizers library", .slow,
        .needsPython)
    func allScalars() throws {
        let classes = try PythonLibraries.run("classes", [], output: "classes.json") { path in
            try JSONValue(parsing: [UInt8](Data(contentsOf: URL(fileURLWithPath: path))))
        }
        func set(_ key: String) -> Set<Int> { Set((classes[key]?.array ?? []).compactMap(\.integer)) }
        let (letters, numbers, spaces, digits) = (set("letters"), set("numbers"), set("spaces"), set("digits"))
        #expect(letters.count > 140_000 && numbers.count > 1900 && spaces.count == 25)
        var differences: [Int] = []
        for value in 0..<0x110000 where Unicode.Scalar(UInt32(value)) != nil {
            let kind = CharacterClass(of: UInt32(value))
            let isNumeric = kind == .number || kind == .newNumber
            let agrees =
                (kind == .letter) == letters.contains(value) && kind.isNumber == numbers.contains(value)
                && kind.isWhiteSpace == spaces.contains(value) && isNumeric == digits.contains(value)
            if !agrees { differences.append(value) }
        }
        #expect(differences.isEmpty)
    }

    @Test("Python's white space has four characters more than Unicode's")
    func whiteSpace() {
        // sum(map(str.isspace, map(chr, range(0x110000)))) is 29 in Python 3.
        let python = (UInt32(0)..<0x110000).filter { WhiteSpace.python.contains($0) }
        let unicode = (UInt32(0)..<0x110000).filter { WhiteSpace.unicode.contains($0) }
        #expect(python.count == 29 && unicode.count == 25)
        #expect(Set(python).subtracting(unicode) == [0x1C, 0x1D, 0x1E, 0x1F])
    }
}
