import CProcess
import Glibc
import Storage

/// The arguments that the program was started with.
enum ProgramArguments {
    /// The arguments without the program's name. Bytes that are not UTF-8 stand in them as
    /// `String.init(fileNameBytes:)` puts them, so that paths get them back.
    static var all: [String] {
        let count = pvit_argument_count()
        // What the C library does not hand on, the standard library knows from /proc.
        guard count > 0 else { return Array(CommandLine.arguments.dropFirst()) }
        return (1..<max(count, 1)).compactMap { number in
            pvit_argument(number).map { argument in
                String(fileNameBytes: UnsafeRawBufferPointer(start: argument, count: strlen(argument)))
            }
        }
    }
}
