import CProcess
import Glibc
import Storage

/// The arguments of the program.
enum ProgramArguments {
    /// The arguments without the program's name. Bytes that are not UTF-8 are encoded by
    /// `String.init(fileNameBytes:)`, and decoded again in paths.
    static var all: [String] {
        let count = pvit_argument_count()
        // If the C library does not pass the arguments on, the standard library reads them from /proc.
        guard count > 0 else { return Array(CommandLine.arguments.dropFirst()) }
        return (1..<max(count, 1)).compactMap { number in
            pvit_argument(number).map { argument in
                String(fileNameBytes: UnsafeRawBufferPointer(start: argument, count: strlen(argument)))
            }
        }
    }
}
