import PVITModel
import Storage
import Testing
import Vision

@Suite("Named regions")
struct NamedRegionTests {
    private let size = PixelSize(width: 200, height: 100)

    private static let first = "<Region><L0><L0><L500><L500></Region>"
    private static let second = "<Region><L500><L500><L1000><L1000></Region>"

    @Test(
        "names in braces are replaced wherever they occur, and nothing else is",
        arguments: [
            ("{a} and {b}, {a}", "\(first) and \(second), \(first)", []), ("{a}{a}{b}", first + first + second, []),
            ("none", "none", ["a", "b"]), ("{{a}} {b", "{\(first)} {b", ["b"]), ("{a{b}", "{a\(second)", ["a"]),
            ("{ab} {A} {} }{", "{ab} {A} {} }{", ["a", "b"]), ("{a\n} {b}{", "{a\n} \(second){", ["a"]),
        ] as [(String, String, [String])])
    func insertion(text: String, expected: String, unused: [String]) throws {
        let regions = try [NamedRegion(parsing: "a=0,0,100,50"), NamedRegion(parsing: "b=0.5,0.5,1.0,1.0")]
        let result = try NamedRegion.insert(regions, into: text, size: size)
        #expect(result.text == expected && result.unused == unused)
    }

    @Test("a long text with many names takes linear time")
    func many() throws {
        let regions = try (0..<2000).map { try NamedRegion(parsing: "region\($0)=0,0,100,50") }
        let text = String(repeating: "{region7} { ", count: 2000)
        let result = try NamedRegion.insert(regions, into: text, size: size)
        #expect(result.unused.count == 1999 && !result.text.contains("region"))
    }

    @Test("the error for a region beyond the image gives the stored size")
    func beyond() throws {
        let region = try NamedRegion(parsing: "a=0,0,90,190")
        let error = try #require(throws: PVITError.self) { try region.location(in: size) }
        #expect(error.what.contains("which has 200 × 100 pixels") && !error.what.contains("viewer"))
        let turned = try #require(throws: PVITError.self) {
            try region.location(in: size, orientation: .turnedCounterclockwise)
        }
        let words = "200 × 100 pixels as stored (a viewer shows it turned by 90° counterclockwise)"
        #expect(turned.what.contains(words))
    }
}
