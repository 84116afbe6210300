import SystemPackage

/// What went wrong, where, and what to do next: the error type of every module.
///
/// The description is a single line: `what (file F, tensor T, bytes A..<B): remedy`.
public struct PVITError: Error, Sendable, Hashable {
    /// The stable identity of a failure, for scripts and tests.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// A dotted lower-case name that is the same in all versions, such as `safetensors.overlap`.
        public let name: String
        /// The kind of failure, which decides the exit status of the command line.
        public let category: Category

        /// Creates a code.
        public init(_ name: String, _ category: Category) {
            self.name = name
            self.category = category
        }

        /// The stable name.
        public var description: String { name }
    }

    /// Kinds of failure, with the exit status of `sysexits.h` that each has.
    public enum Category: Int32, Sendable, Hashable {
        /// The command line is wrong.
        case usage = 64
        /// The content of a file does not follow its format.
        case badData = 65
        /// A required file or folder is missing or unreadable.
        case missingInput = 66
        /// A defect of this program.
        case internalDefect = 70
        /// An output cannot be created.
        case cannotCreate = 73
        /// The operating system failed to read or write.
        case inputOutput = 74
    }

    /// The stable identity.
    public var code: Code
    /// What happened, as a sentence without a full stop.
    public var what: String
    /// The file at fault, as `FilePath.text`.
    public var file: String?
    /// The name of the tensor at fault.
    public var tensorName: String?
    /// The bytes at fault, as offsets into `file`.
    public var bytes: Range<UInt64>?
    /// What to do next, as a sentence without a full stop.
    public var remedy: String?

    /// Creates an error.
    public init(
        _ code: Code, _ what: String, file: FilePath? = nil, bytes: Range<UInt64>? = nil, remedy: String? = nil
    ) {
        self.code = code
        self.what = what
        self.file = file?.text
        self.bytes = bytes
        self.remedy = remedy
    }

    /// The same error with the file filled in if it names none.
    public func located(file: FilePath?) -> PVITError {
        var copy = self
        copy.file = copy.file ?? file?.text
        return copy
    }
}

extension PVITError: CustomStringConvertible {
    /// One line: what happened, where, and what to do next. Control characters, and bytes of names
    /// that are not UTF-8, are shown escaped.
    public var description: String {
        var locations: [String] = []
        if let file { locations.append("file \(file)") }
        if let tensorName { locations.append("tensor \(tensorName)") }
        if let bytes { locations.append("bytes \(bytes.lowerBound)..<\(bytes.upperBound)") }
        var line = what
        if !locations.isEmpty { line += " (\(locations.joined(separator: ", ")))" }
        if let remedy { line += ": \(remedy)" }
        return line.escapingControlCharacters
    }
}

extension PVITError.Code {
    /// The file or folder does not exist.
    public static let fileNotFound = Self("file.not-found", .missingInput)
    /// The file exists and cannot be opened or mapped.
    public static let fileUnreadable = Self("file.unreadable", .missingInput)
    /// Reading from the file failed.
    public static let readFailed = Self("file.read-failed", .inputOutput)
    /// Writing failed, for example on a full disk.
    public static let writeFailed = Self("file.write-failed", .inputOutput)
    /// The output cannot be created.
    public static let cannotCreate = Self("file.cannot-create", .cannotCreate)
    /// The output would replace one of the inputs.
    public static let outputIsInput = Self("file.output-is-input", .usage)
    /// Another process works on the same output.
    public static let inUse = Self("file.in-use", .cannotCreate)
    /// A range of bytes lies outside the file.
    public static let truncated = Self("file.truncated", .badData)
    /// A state that should be impossible.
    public static let internalDefect = Self("internal.defect", .internalDefect)
}
