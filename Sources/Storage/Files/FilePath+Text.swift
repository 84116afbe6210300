import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

// Names of files are bytes, which need not be UTF-8, while options, lists of names and messages are texts. A byte that
// is no part of UTF-8 stands in a text as a private character of its own, so that nothing is lost on the way; messages
// show it as \xFF.

extension String {
    /// The characters for the bytes 0x80 to 0xFF. They lie at the end of the last private plane.
    private static let privateBytes: ClosedRange<UInt32> = 0x10_FE80...0x10_FEFF
    private static let privateBase: UInt32 = 0x10_FE00

    /// The text of bytes that need not be UTF-8. `fileNameBytes` gives them back as they were.
    public init(fileNameBytes bytes: some Collection<UInt8>) {
        var text = ""
        var parser = Unicode.UTF8.ForwardParser()
        var input = bytes.makeIterator()
        var rest = bytes[...]
        func takeAsPrivate(_ count: Int) {
            for byte in rest.prefix(count) {
                // Continuation and start bytes alone: bytes of ASCII are never part of an error.
                text.unicodeScalars.append(Unicode.Scalar(Self.privateBase + UInt32(byte)) ?? "\u{FFFD}")
            }
            rest = rest.dropFirst(count)
        }
        while true {
            switch parser.parseScalar(from: &input) {
            case .valid(let encoded):
                let scalar = Unicode.UTF8.decode(encoded)
                if Self.privateBytes.contains(scalar.value) {
                    takeAsPrivate(encoded.count)
                } else {
                    text.unicodeScalars.append(scalar)
                    rest = rest.dropFirst(encoded.count)
                }
            case .error(let length): takeAsPrivate(length)
            case .emptyInput:
                self = text
                return
            }
        }
    }

    /// The bytes that the text was made of by `init(fileNameBytes:)`; for any other text its UTF-8.
    public var fileNameBytes: [UInt8] {
        guard hasPrivateBytes else { return Array(utf8) }
        var bytes: [UInt8] = []
        for scalar in unicodeScalars {
            if Self.privateBytes.contains(scalar.value) {
                bytes.append(UInt8(truncatingIfNeeded: scalar.value))
            } else {
                bytes += UTF8.encode(scalar) ?? .init()
            }
        }
        return bytes
    }

    /// The text with U+FFFD for what is not UTF-8, as text for a model is repaired everywhere.
    public var repairingFileNameBytes: String {
        hasPrivateBytes ? String(decoding: fileNameBytes, as: UTF8.self) : self
    }

    /// Whether there is a byte that is not UTF-8.
    private var hasPrivateBytes: Bool { unicodeScalars.contains { Self.privateBytes.contains($0.value) } }

    /// The text for a person: control characters, which a terminal would obey, written as `\u{…}`, and bytes that are
    /// not UTF-8 as `\xFF`.
    public var escapingControlCharacters: String {
        guard unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
            return escapingFileNameBytes
        }
        var result = ""
        for scalar in unicodeScalars {
            if scalar.properties.generalCategory == .control {
                result += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result.escapingFileNameBytes
    }

    /// The text with bytes that are not UTF-8 written as `\xFF`.
    public var escapingFileNameBytes: String {
        guard hasPrivateBytes else { return self }
        var result = ""
        for scalar in unicodeScalars {
            if Self.privateBytes.contains(scalar.value) {
                result += "\\x" + String(scalar.value & 0xFF, radix: 16, uppercase: true)
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

extension FilePath {
    /// The path of a text, in which bytes that are not UTF-8 may stand as `String.init(fileNameBytes:)` puts them.
    public init(text: String) {
        let bytes = text.fileNameBytes.map { CChar(bitPattern: $0) }
        self = (bytes + [0]).withUnsafeBufferPointer { bytes in
            bytes.baseAddress.map { FilePath(platformString: $0) } ?? FilePath()
        }
    }

    /// The path as a text from which `init(text:)` makes the same path.
    public var text: String {
        withPlatformString { String(fileNameBytes: UnsafeRawBufferPointer(start: $0, count: strlen($0))) }
    }

    /// The path for a person, on one line.
    public var readable: String { text.escapingControlCharacters }

    /// The name of the file or folder at the path's end, as a text; empty where there is none.
    public var name: String { lastComponent.map { FilePath(root: nil, [$0]).text } ?? "" }

    /// The path of a file in this folder.
    public func appending(fileNamed name: String) -> FilePath { pushing(FilePath(text: name)) }
}
