import ArgumentParser
import Checkpoints
import Compute
import Glibc
import Storage

/// Runs the command line. An error becomes one line on standard error and an exit status.
@main
enum EntryPoint {
    /// The exit status after a signal.
    private static let interrupted = 128 + SIGINT

    static func main() {
        do {
            var command = try PVITCommand.parseAsRoot(ProgramArguments.all)
            try useChosenKernels()
            try command.run()
        } catch let error as PVITError where error.code != .cancelled {
            StandardError.write("pvit: error: \(error)\n")
            exit(error.code.category.rawValue)
        } catch let error as PVITError {
            StandardError.write("pvit: \(error.what)\n")
            exit(interrupted)
        } catch is Interruption {
            StandardError.write("pvit: interrupted\n")
            exit(interrupted)
        } catch {
            end(with: error)
        }
    }

    /// Uses the instruction set in the environment variable PVIT_KERNELS for everything that the command computes.
    private static func useChosenKernels() throws {
        guard let name = getenv("PVIT_KERNELS").map({ String(cString: $0) }), !name.isEmpty else { return }
        guard let set = InstructionSet(rawValue: name) else {
            let names = InstructionSet.allCases.map(\.rawValue).joined(separator: ", ")
            throw PVITError(.kernelsUnsupported, "PVIT_KERNELS is \"\(name)\", but it takes one of \(names)")
        }
        try set.useInProcess()
    }

    /// Ends the program with ArgumentParser's output: help and version as they are, a usage error on one line.
    private static func end(with error: any Error) -> Never {
        let status = PVITCommand.exitCode(for: error)
        if let usage = UsageError(error, arguments: ProgramArguments.all) {
            StandardError.write("pvit: error: \(usage.message.escapingFileNameBytes)\n")
            exit(PVITError.Category.usage.rawValue)
        }
        guard status != .success else { PVITCommand.exit(withError: error) }
        // Escape bytes of arguments that a terminal would not show.
        StandardError.write(PVITCommand.fullMessage(for: error).escapingFileNameBytes + "\n")
        exit(status.rawValue)
    }
}
