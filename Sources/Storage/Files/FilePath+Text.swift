import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

// File names are bytes that need not be UTF-8, while options, lists of names and messages are texts. In a text, a byte
// that is not valid UTF-8 becomes a private character, so that nothing is lost. Messages show it as \xFF.

extension String {
    /// The characters for the bytes 0x80 to 0xFF. They lie at the end of the last private plane.
    private static let privateBytes: ClosedRange<UInt32> = 0x10_FE80...0x10_FEFF
    private static let privateBase: UInt32 = 0x10_FE00

    /// Creates a text from bytes that need not be UTF-8. `fileNameBytes` returns the same bytes.
    package init(fileNameBytes bytes: some Collection<UInt8>) {
        var text = ""
        var parser = Unicode.UTF8.ForwardParser()
        var input = bytes.makeIterator()
        var rest = bytes[...]
        func takeAsPrivate(_ count: Int) {
            for byte in rest.prefix(count) {
                // Always 0x80 or above: ASCII is never invalid.
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

    /// The bytes that were passed to `init(fileNameBytes:)`; the UTF-8 of any other text.
    package var fileNameBytes: [UInt8] {
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

    /// The text with U+FFFD in place of bytes that are not UTF-8, as for any text that a model reads.
    package var repairingFileNameBytes: String {
        hasPrivateBytes ? String(decoding: fileNameBytes, as: UTF8.self) : self
    }

    /// Whether the text has a byte that is not UTF-8.
    private var hasPrivateBytes: Bool { unicodeScalars.contains { Self.privateBytes.contains($0.value) } }

    /// The text for display: control characters, which a terminal would obey, as `\u{…}`, and bytes that are not UTF-8
    /// as `\xFF`.
    package var escapingControlCharacters: String {
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

    /// The text with bytes that are not UTF-8 as `\xFF`.
    package var escapingFileNameBytes: String {
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
    /// Creates a path from a text. Bytes that are not UTF-8 are encoded as by `String.init(fileNameBytes:)`.
    package init(text: String) {
        let bytes = text.fileNameBytes.map { CChar(bitPattern: $0) }
        self = (bytes + [0]).withUnsafeBufferPointer { bytes in
            bytes.baseAddress.map { FilePath(platformString: $0) } ?? FilePath()
        }
    }

    /// The path as a text; `init(text:)` restores the path.
    package var text: String {
        withPlatformString { String(fileNameBytes: UnsafeRawBufferPointer(start: $0, count: strlen($0))) }
    }

    /// The path for display, on one line.
    package var readable: String { text.escapingControlCharacters }

    /// The last component as a text; empty if there is none.
    package var name: String { lastComponent.map { FilePath(root: nil, [$0]).text } ?? "" }

    /// The path of a file in this folder.
    package func appending(fileNamed name: String) -> FilePath { pushing(FilePath(text: name)) }
}
