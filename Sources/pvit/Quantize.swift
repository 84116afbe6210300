import Architectures
import ArgumentParser
import Checkpoints
import Conversion
import Storage
import SystemPackage
import Tensors

/// `pvit quantize`: a checkpoint, or the sum of a base and a delta, as a container.
struct Quantize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Convert a checkpoint to a .pvq container, reading it once.",
        discussion: """
            With --delta, the delta is added while base and delta are read. --type is the type of the linear matrices. \
            Embeddings and output layer become q8 if the type is q4 or q8. Norms and projectors keep their own types. \
            --override changes the type of single tensors. --bits gives q8 to the matrices that lose most in q4, until \
            the mean number of bits per weight is reached.

            A PVIT model needs two towers to read images: a CLIP vision tower and a RegionCLIP encoder. Their matrices \
            and convolutions become f16, or f32 with --type f32; with --tower-type q8 they are smaller and faster. If \
            SOURCE is a .pvq file, its towers are copied; --vision-tower and --region-encoder add or replace them.

            Examples:
              pvit quantize llama-7b --delta pvit-delta --vision-tower clip-vit-large-patch14 \
                --region-encoder regionclip_pretrained-cc_rn50x4.pth --type q4 --output pvit.pvq
              pvit quantize smollm2 --calibration default --calibration book.txt --output smollm2.pvq
              pvit quantize smollm2 --bits 5 --calibration default --output smollm2.pvq
              pvit quantize smollm2 --importance imatrix.gguf --output smollm2.pvq
              pvit quantize smollm2 --type q4 --override 'model.embed_tokens.*=f16' --output smollm2.pvq
            """)

    @Argument(help: ArgumentHelp("The checkpoint: \(checkpointFormats), or a .pvq file."))
    var source: FilePath

    @Option(name: .shortAndLong, help: "The container to write.")
    var output: FilePath

    @Option(help: "A delta to add to the checkpoint, in any of these formats.")
    var delta: FilePath?

    @Option(
        help: ArgumentHelp(
            "The CLIP whose vision model reads images: usually a Hugging Face folder.", valueName: "checkpoint"))
    var visionTower: FilePath?

    @Option(
        help: ArgumentHelp("The RegionCLIP that reads regions: usually a .pth file.", valueName: "checkpoint"))
    var regionEncoder: FilePath?

    @Option(help: "The type of the linear matrices: q4, q8, f16, bf16 or f32.")
    var type: TensorEncoding = .q4

    @Option(
        help: ArgumentHelp(
            "The type of the towers' matrices and convolutions: f16, q8 or f32. q8 leaves patch embedding, stem and pooling in f16.",
            valueName: "type"))
    var towerType: QuantizeOptions.TowerType?

    @Option(
        help: ArgumentHelp(
            "Choose q4 or q8 for each matrix by its sensitivity, so that together they have at most this many bits per "
                + "weight, such as 4.75. Needs OpenBLAS.",
            valueName: "number"))
    var bits: Double?

    @Option(
        help: ArgumentHelp(
            "Override the type of tensors by name pattern (* and ?). Can be repeated; the last match wins.",
            valueName: "pattern=type"))
    var override: [String] = []

    @Option(
        help: "fast stores the weights that every token needs as the kernels read them; small compresses everything.")
    var profile: QuantizeOptions.Profile = .fast

    @OptionGroup var calibration: CalibrationOptions

    @Option(
        help: ArgumentHelp(
            "An importance matrix (imatrix) that llama.cpp measured on this model, in place of measuring it.",
            valueName: "file"))
    var importance: FilePath?

    @OptionGroup var threads: ThreadOptions
    @OptionGroup var display: OutputOptions

    func validate() throws {
        if let bits {
            guard (1...16).contains(bits) else { throw ValidationError("--bits takes a number from 1 to 16") }
            guard type == .q4 else { throw ValidationError("--bits chooses q4 or q8: leave out --type") }
        } else if calibration.memory != nil, calibration.calibration.isEmpty {
            throw ValidationError("--memory needs --calibration or --bits")
        }
        if !calibration.calibration.isEmpty, importance != nil {
            throw ValidationError("give either --calibration or --importance: both tell how much each weight matters")
        }
    }

    func run() throws {
        let job = QuantizeJob(
            source: source, delta: delta, visionTower: visionTower, regionEncoder: regionEncoder, output: output,
            type: type, towerType: towerType, overrides: try override.map(QuantizeOptions.Override.init(parsing:)),
            bits: bits.map { QuantizeOptions.BitTarget(bitsPerWeight: $0, memory: calibration.memory) },
            profile: profile, calibration: calibration.calibration,
            calibrationTokenCount: calibration.calibrationTokens, memory: calibration.memory,
            resumes: calibration.resume, importance: importance, threadCount: threads.count)
        let start = ContinuousClock.now
        let report = try job.run(note: display.note) { write in try withProgress("quantizing", display, write) }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        display.note(
            "wrote \(output.readable): \(ByteCount(report.byteCount)) in \(seconds.formatted(decimals: 1)) s, "
                + "model digest \(report.digest)")
    }
}

extension QuantizeOptions.Profile: ExpressibleByArgument {}
extension QuantizeOptions.TowerType: ExpressibleByArgument {}
