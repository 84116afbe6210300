import CheckpointTestSupport
import Foundation
import SystemPackage
import Testing

/// Runs the built `pvit` as a user would.
enum CommandLineRunner {
    /// The result of a finished run.
    struct Outcome {
        /// The exit status, or the number of the signal that ended the program.
        let status: Int32
        let output: String
        let errors: String
        /// Whether a signal, such as that of a trap, ended the program.
        let wasSignalled: Bool

        /// Whether the program ended with this status and one line of error.
        func isOneLineError(_ status: Int32) -> Bool {
            !wasSignalled && self.status == status && errors.hasPrefix("pvit: error: ")
                && errors.filter { $0 == "\n" }.count == 1
        }
    }

    /// The top folder of the package.
    static let packageRoot = FilePath(#filePath).removingLastComponent().removingLastComponent()
        .removingLastComponent()
    /// The program that was built together with the running tests, which depend on it: it lies in the same folder.
    static let program = FilePath(URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().path)
        .removingLastComponent().appending("pvit").string

    /// Runs `pvit` and waits for it.
    static func run(
        _ arguments: [String], input: String = "", environment: [String: String] = [:]
    ) throws -> Outcome {
        let running = try start(arguments, input: input, environment: environment)
        running.process.waitUntilExit()
        return try running.outcome
    }

    /// Runs `pvit`, expects success, and decodes its output as JSON.
    static func decode<Value: Decodable>(
        _ type: Value.Type = Value.self, from arguments: [String], environment: [String: String] = [:]
    ) throws -> Value {
        let outcome = try run(arguments, environment: environment)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return try JSONDecoder().decode(type, from: Data(outcome.output.utf8))
    }

    /// Runs a shell script, in which `$PVIT` is the program, and waits for it.
    static func runShell(_ script: String, in folder: FilePath) throws -> Outcome {
        let running = try start(
            ["-c", "cd \"$FOLDER\" || exit 1\n" + script],
            environment: ["PVIT": program, "FOLDER": folder.string], program: "/bin/sh")
        running.process.waitUntilExit()
        return try running.outcome
    }

    /// A run that may not have ended yet.
    struct Running {
        let process: Process
        fileprivate let folder: TemporaryFolder

        /// The output written so far.
        var partialOutput: String {
            get throws { try String(contentsOfFile: folder.path.appending("output").string, encoding: .utf8) }
        }

        /// The result of the run, after it has ended.
        var outcome: Outcome {
            get throws {
                Outcome(
                    status: process.terminationStatus,
                    output: try String(contentsOfFile: folder.path.appending("output").string, encoding: .utf8),
                    errors: try String(contentsOfFile: folder.path.appending("errors").string, encoding: .utf8),
                    wasSignalled: process.terminationReason == .uncaughtSignal)
            }
        }
    }

    /// Starts `pvit`, or another program.
    static func start(
        _ arguments: [String], input: String = "", environment: [String: String] = [:], program: String = program
    ) throws -> Running {
        let folder = try TemporaryFolder()
        func stream(_ name: String, _ content: String = "") -> FileHandle? {
            let path = folder.path.appending(name).string
            _ = FileManager.default.createFile(atPath: path, contents: Data(content.utf8))
            return FileHandle(forUpdatingAtPath: path)
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = stream("input", input)
        process.standardOutput = stream("output")
        process.standardError = stream("errors")
        // Threads of the tests may block signals, which a child inherits. A user's shell blocks none.
        var none = sigset_t()
        var blocked = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &blocked)
        defer { pthread_sigmask(SIG_SETMASK, &blocked, nil) }
        try process.run()
        return Running(process: process, folder: folder)
    }
}

extension Trait where Self == ConditionTrait {
    /// Marks tests that limit or measure the program's memory: a sanitizer takes much of its own.
    static var measuresMemory: Self { .disabled(if: isSanitized, "a sanitizer takes memory of its own") }

    /// Marks tests that hide /proc, from which a sanitizer reads its options.
    static var hidesProc: Self { .disabled(if: isSanitized, "a sanitizer needs /proc") }
}

private let isSanitized = ProcessInfo.processInfo.environment["PVIT_TEST_SANITIZER"] != nil
