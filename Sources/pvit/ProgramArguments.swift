import Platform
import Storage

/// The arguments that the program was started with.
enum ProgramArguments {
    /// The arguments without the program's name. Bytes that are not UTF-8 stand in them as
    /// `String.init(fileNameBytes:)` puts them, so that paths get them back.
    static var all: [String] {
        // Without the bytes, take the standard library's texts, in which bytes that are not UTF-8 are lost.
        guard let arguments = ProcessArguments.bytes else { return Array(CommandLine.arguments.dropFirst()) }
        return arguments.dropFirst().map { String(fileNameBytes: $0) }
    }
}
