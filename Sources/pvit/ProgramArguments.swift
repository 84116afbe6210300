import Platform
import Storage

/// The arguments of the program.
enum ProgramArguments {
    /// The arguments without the program's name. Bytes that are not UTF-8 are encoded by
    /// `String.init(fileNameBytes:)`, and decoded again in paths.
    static var all: [String] {
        // The standard library's texts have lost the bytes that are not UTF-8.
        guard let arguments = ProcessArguments.bytes else { return Array(CommandLine.arguments.dropFirst()) }
        return arguments.dropFirst().map { String(fileNameBytes: $0) }
    }
}
