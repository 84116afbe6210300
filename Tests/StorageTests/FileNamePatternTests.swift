import Storage
import Testing

struct FileNamePatternTests {
    @Test("a pattern matches whole names and gives its groups")
    func groups() {
        let pattern = FileNamePattern("(.*)-([0-9]{1,3})(_old)?")
        #expect(pattern.groups(of: "modèle-1-of-023") == ["modèle-1-of", "023", ""])
        #expect(pattern.groups(of: "a\n-7_old") == ["a\n", "7", "_old"])
        #expect(pattern.groups(of: "-7") == ["", "7", ""])
        for other in ["a-1234", "a-7.bin", "a-٣", ""] { #expect(!pattern.matches(other)) }
    }

    @Test("alternatives match whole names, too")
    func alternatives() {
        let pattern = FileNamePattern("a|b[0-9]+")
        #expect(pattern.matches("a") && pattern.matches("b12"))
        #expect(!pattern.matches("ab1") && !pattern.matches("b") && !pattern.matches("b1\n"))
    }
}
