import ArgumentParser
import LanguageModel
import Platform
import Storage
import SystemPackage
import Tensors

extension FilePath: @retroactive ExpressibleByArgument {
    /// Creates a path from an argument, which may contain bytes that are not UTF-8.
    public init?(argument: String) {
        guard !argument.isEmpty else { return nil }
        self.init(text: argument)
    }

    /// Completes file names.
    public static var defaultCompletionKind: CompletionKind { .file() }
}

extension ByteCount: ExpressibleByArgument {
    /// Parses a size such as `2GiB`.
    public init?(argument: String) { self.init(parsing: argument) }
}

extension TensorEncoding: ExpressibleByArgument {
    /// Parses one of the encodings for weights.
    public init?(argument: String) {
        self.init(argument)
        guard Self.weightEncodings.contains(self) else { return nil }
    }

    /// The encodings for weights, smallest first.
    static let weightEncodings: [TensorEncoding] = [.q4, .q8, .plain(.f16), .plain(.bf16), .plain(.f32)]

    /// The names for help and completion.
    public static var allValueStrings: [String] { weightEncodings.map(\.description) }

    /// Completes the names.
    public static var defaultCompletionKind: CompletionKind { .list(allValueStrings) }
}

extension Option {
    /// An option whose value may begin with -, so that an error can tell which values it takes.
    init(wrappedValue: Value, valueName: String, help: String) where Value: ExpressibleByArgument {
        self.init(
            wrappedValue: wrappedValue, parsing: .unconditional, help: ArgumentHelp(help, valueName: valueName))
    }

    /// The same without a default.
    init<T: ExpressibleByArgument>(valueName: String, help: String) where Value == T? {
        self.init(parsing: .unconditional, help: ArgumentHelp(help, valueName: valueName))
    }
}

/// The formats that checkpoints can have, for help texts.
let checkpointFormats = "a Hugging Face or Meta LLaMA folder, a safetensors, PyTorch or GGUF file"

/// The number of threads to use.
struct ThreadOptions: ParsableArguments {
    @Option(valueName: "n", help: "The number of threads; by default one for each processor that the program may use.")
    var threads: Int?

    func validate() throws {
        if let threads, !(1...256).contains(threads) {
            throw ValidationError("--threads takes a number from 1 to 256")
        }
    }

    /// The number to use.
    var count: Int { threads ?? MachineProcessors.available }
}

/// What to print while working.
struct OutputOptions: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Print no progress and no notes.")
    var quiet = false

    /// Writes a note to standard error, unless `--quiet` is given.
    func note(_ text: String) {
        if !quiet { StandardError.write(text + "\n") }
    }
}

/// Whole numbers from 0 to a million, separated by commas.
struct NumberList: ExpressibleByArgument {
    static let range = 0...1_000_000

    let values: [Int]

    init(_ values: [Int]) { self.values = values }

    init?(argument: String) {
        let fields = argument.split(separator: ",", omittingEmptySubsequences: false)
        values = fields.compactMap { Int($0) }.filter(Self.range.contains)
        guard values.count == fields.count else { return nil }
    }

    var defaultValueDescription: String { values.map(String.init).joined(separator: ",") }
}
