import Storage
import Testing

@Suite("SHA-256")
struct SHA256Tests {
    // The examples of FIPS 180-2, appendix B.
    @Test(
        "digests are those of the standard",
        arguments: [
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
            (
                String(repeating: "a", count: 1_000_000),
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
            ),
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ])
    func standard(text: String, expected: String) {
        #expect(SHA256.digest(of: Array(text.utf8)).description == expected)
        var hash = SHA256()
        for byte in text.utf8.prefix(100) { hash.update([byte]) }
        hash.update(Array(text.utf8.dropFirst(100)))
        #expect(hash.digest.description == expected)
        #expect(hash.digest.description == expected, "asking twice changes nothing")
    }
}
