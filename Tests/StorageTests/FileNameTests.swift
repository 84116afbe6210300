import Foundation
import SystemPackage
import Testing

@testable import Storage

@Suite("Names of files that are not UTF-8")
struct FileNameTests {
    private static let names: [[UInt8]] = [
        Array("plain".utf8), Array("größe 🦙".utf8), [0xFF], [0x61, 0xC3, 0x62], [0xE2, 0x82], [0xED, 0xA0, 0x80],
        [0xF0, 0x9F, 0xA6], [0xC0, 0xAF, 0x2E], [0x80, 0xBF, 0xFE], [0xF4, 0x90, 0x80, 0x80],
        // UTF-8 of the characters that stand for bytes.
        [0xF4, 0x8F, 0xBA, 0x80, 0x78, 0xF4, 0x8F, 0xBB, 0xBF],
    ]

    @Test("every byte comes back, and ordinary text is itself", arguments: names)
    func roundTrip(name: [UInt8]) throws {
        let text = String(fileNameBytes: name)
        #expect(text.fileNameBytes == name)
        #expect(text.repairingFileNameBytes == String(decoding: name, as: UTF8.self))
        if name.first != 0xF4, let ordinary = String(validating: name, as: UTF8.self) { #expect(text == ordinary) }
        #expect(FilePath(text: text).text == text)
    }

    @Test("all sequences of two bytes come back")
    func pairs() {
        for first in 1...255 as ClosedRange<UInt8> {
            for second in 1...255 as ClosedRange<UInt8> {
                let bytes = [first, second, 0x61]
                if String(fileNameBytes: bytes).fileNameBytes != bytes { Issue.record("\(bytes)") }
            }
        }
    }

    @Test("messages show the bytes")
    func messages() {
        let path = FilePath(text: String(fileNameBytes: [0x61, 0xFF, 0x0A, 0xC3]))
        #expect(path.readable == #"a\xFF\u{a}\xC3"#)
        let error = PVITError(.fileNotFound, "there is no such file", file: path)
        #expect(error.description == #"there is no such file (file a\xFF\u{a}\xC3)"#)
    }

    @Test("such files are written, listed, read and told apart")
    func files() throws {
        let parent = FilePath(FileManager.default.temporaryDirectory.path)
        let folder = parent.appending("pvit-names-\(UUID().uuidString)")
        let names = [[0x61, 0xFF], [0x61, 0xFE], [0x61]].map { String(fileNameBytes: $0 as [UInt8]) }
        defer {
            for name in names { _ = folder.appending(fileNamed: name).withPlatformString { unlink($0) } }
            rmdir(folder.string)
        }
        var output = try OutputFolder(path: folder)
        for (number, name) in names.enumerated() { try output.add(name: name, bytes: [UInt8(number)]) }
        try output.commit()
        #expect(try Set(folderEntries(folder)) == Set(names))
        for (number, name) in names.enumerated() {
            let file = try MappedFile(path: folder.appending(fileNamed: name))
            let path = file.path
            #expect(path.name == name)
            #expect(try file.withBytes(0..<1) { $0.unsafeLoad(fromByteOffset: 0, as: UInt8.self) } == UInt8(number))
        }
    }
}
