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
        abstract: "Turn a checkpoint into a .pvq container, in one pass.",
        discussion: """
            With --delta, base and delta are added while they are read. The linear matrices get the type; embeddings and \
            output get q8 when the type is q4 or q8; norms and projectors keep their own type. --override changes that by name.

            A PVIT model needs two towers to see: --vision-tower, the folder of a CLIP, and --region-encoder, the file of a \
            RegionCLIP. Their matrices and convolutions become f16, or f32 with --type f32. Towers of a SOURCE that is a .pvq \
            file travel along; these options add or replace them.

            Examples:
              pvit quantize llama-7b --delta pvit-delta --vision-tower clip-vit-large-patch14 \
                --region-encoder regionclip_pretrained-cc_rn50x4.pth --type q4 --output pvit.pvq
              pvit quantize smollm2 --calibration book.txt --output smollm2.pvq
              pvit quantize smollm2 --type q4 --override 'model.embed_tokens.*=f16' --output smollm2.pvq
            """)

    @Argument(help: "The checkpoint: a Hugging Face folder or a .safetensors file.")
    var source: FilePath

    @Option(name: .shortAndLong, help: "The container to write.")
    var output: FilePath

    @Option(help: "A delta to add to the checkpoint.")
    var delta: FilePath?

    @Option(help: ArgumentHelp("The folder of the CLIP whose vision half sees images.", valueName: "dir"))
    var visionTower: FilePath?

    @Option(help: ArgumentHelp("The checkpoint of the RegionCLIP that sees regions.", valueName: "file"))
    var regionEncoder: FilePath?

    @Option(help: "The type of the linear matrices: q4, q8, f16, bf16 or f32.")
    var type: TensorEncoding = .q4

    @Option(
        help: ArgumentHelp(
            "The type of the tensors whose name fits a pattern (* and ?); the last that fits counts.",
            valueName: "pattern=type"))
    var override: [String] = []

    @Option(help: "fast: what each token needs is stored as kernels read it; small: everything is compressed.")
    var profile: QuantizeOptions.Profile = .fast

    @Option(
        help: ArgumentHelp(
            "A text that the model reads while it is encoded, to tell which weights matter; without it, random tokens do.",
            valueName: "file"))
    var calibration: FilePath?

    @OptionGroup var threads: ThreadOptions
    @OptionGroup var display: OutputOptions

    func run() throws {
        try output.requireApart(fromCheckpoints: source, delta, visionTower, regionEncoder, files: [calibration])
        let options = QuantizeOptions(
            type: type, overrides: try override.map(QuantizeOptions.Override.init(parsing:)), profile: profile,
            calibration: try calibration.map(Calibration.init(path:)), threadCount: threads.count,
            tool: ("pvit", PVITCommand.version))
        var checkpoint = try ModelSource.open(source)
        if let delta {
            let merged = try DeltaMerge.merge(base: checkpoint, delta: ModelSource.open(delta))
            for line in merged.summary { display.note(line) }
            checkpoint = merged.checkpoint
        }
        let towers = try towers()
        // Said now, not when the model is run for the first time.
        try RunCheck.require(checkpoint, towers: towers)
        let start = ContinuousClock.now
        let report = try withProgress("quantizing", display) { monitor in
            try Conversion.Quantize.write(checkpoint, towers: towers, to: output, options: options, monitor: monitor)
        }
        if !report.plan.keptFloat.isEmpty {
            let names = report.plan.keptFloat.map(\.rawValue).listed()
            display.note("stay float, for their rows are not a multiple of 32: \(names)")
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        display.note(
            "wrote \(output.readable): \(ByteCount(report.byteCount)) in \(seconds.formatted(decimals: 1)) s, "
                + "model digest \(report.digest)")
    }

    /// The towers of the source, replaced by those that options name.
    private func towers() throws -> [Tower] {
        var towers = Dictionary(try Tower.all(inContainer: source).map { ($0.kind, $0) }) { $1 }
        if let visionTower { towers[.vision] = try Tower.vision(opening: visionTower) }
        if let regionEncoder { towers[.region] = try Tower.region(opening: regionEncoder) }
        return Tower.Kind.allCases.compactMap { towers[$0] }
    }
}

extension QuantizeOptions.Profile: ExpressibleByArgument {}
