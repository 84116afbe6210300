import Storage
import Testing

struct OccurrencesTests {
    @Test("occurrences do not overlap, and begin as far left as possible")
    func occurrences() {
        #expect(Array("aabaaab".utf8).occurrences(of: "aab".utf8) == [0..<3, 4..<7])
        #expect([1, 1, 1, 1, 1].occurrences(of: [1, 1]) == [0..<2, 2..<4])
        #expect([1, 2].occurrences(of: [2, 3]).isEmpty && [Int]().occurrences(of: [1]).isEmpty)
        #expect([1, 2].occurrences(of: []).isEmpty)
    }

    @Test("a replacement may be longer or empty, and is not searched")
    func replacements() {
        var numbers = [1, 2, 1]
        numbers.replaceOccurrences(of: [1], with: [1, 1])
        #expect(numbers == [1, 1, 2, 1, 1])
        numbers.replaceOccurrences(of: [1, 1], with: [])
        #expect(numbers == [2])
        numbers.replaceOccurrences(of: [], with: [5])
        #expect(numbers == [2])
    }

    @Test("a text is searched for bytes, not for characters")
    func bytes() {
        #expect("<image>\u{301}".contains(bytesOf: "<image>"))
        #expect(!"é".contains(bytesOf: "e") && !"e\u{301}".contains(bytesOf: "é"))
    }
}
