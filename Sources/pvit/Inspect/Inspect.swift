import Architectures
import ArgumentParser
import Checkpoints
import Container
import Conversion
import LanguageModel
import Platform
import PVITModel
import Storage
import SystemPackage
import Tensors
import Tokenization

/// `pvit inspect`: describes a model file or folder.
struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Describe a model file or folder: architecture, sizes, types, quantization errors, origin.",
        discussion: """
            Reads .pvq containers, packed deltas, Hugging Face and Meta LLaMA folders, and safetensors, PyTorch and GGUF files. Tells \
            whether the model can run, and if not, why: for example because tensors are missing, or because it is a \
            delta that needs its base. Of a packed delta, shows how far the fine-tune moved each layer.

            --plan shows what `run` keeps in memory. If weights are streamed, it reads the file for half a second, in the \
            way in which the stream reads it, and tells the expected speed of decoding. A pass takes as long as reading \
            the streamed weights from the disk or all weights from memory, whichever is slower.

            Examples:
              pvit inspect pvit.pvq
              pvit inspect llama-7b --tensors
              pvit inspect pvit.pvq --tensor model.layers.0.mlp.down_proj.weight
              pvit inspect pvit.pvq --report pvit.html
              pvit inspect pvit-q4.pvq --compare pvit-q8.pvq --report both.html
              pvit inspect pvit.pvq --plan --memory 2GiB --context 2048
              pvit inspect pvit.pvq --plan --memory 2GiB --draft small.pvq
            """)

    @Argument(help: "The file or folder.")
    var path: FilePath

    @Flag(help: "List every tensor.")
    var tensors = false

    @Option(help: ArgumentHelp("Show statistics of one tensor, with a histogram.", valueName: "name"))
    var tensor: String?

    @Flag(
        help: ArgumentHelp(
            "Show the memory plan for running the model: what is kept in memory, what is read for each token, and how "
                + "fast decoding will be if weights are streamed."))
    var plan = false

    @Option(
        valueName: "size",
        help: "With --plan: the memory for the whole process; by default the free memory of the machine.")
    var memory: ByteCount?

    @Option(
        valueName: "n", help: "With --plan: the context length, in tokens; by default what the model was trained for.")
    var context: Int?

    @Option(
        help: ArgumentHelp(
            "With --plan: the draft model to run beside the model, a .pvq file, as for run --draft.",
            valueName: "file"))
    var draft: FilePath?

    @Flag(help: "Print JSON.")
    var json = false

    @Option(
        help: ArgumentHelp(
            "Also write an HTML page with plots: sizes, errors and sensitivity by layer, where more bits would help most, "
                + "and how weights fit q4.", valueName: "file"))
    var report: FilePath?

    @Option(help: ArgumentHelp("Show another file or folder beside this one, and what differs.", valueName: "other"))
    var compare: FilePath?

    func validate() throws {
        if !plan, memory != nil || context != nil || draft != nil {
            throw ValidationError("--memory, --context and --draft need --plan")
        }
        if plan, tensors || tensor != nil || report != nil || compare != nil {
            throw ValidationError(
                "--plan shows the memory plan alone, without --tensors, --tensor, --compare or --report")
        }
        if compare != nil, tensor != nil {
            throw ValidationError("--compare shows two models, and --tensor a tensor of one: give one of them")
        }
        if let context, !(1...1 << 30).contains(context) {
            throw ValidationError("--context takes a number from 1 to \(1 << 30)")
        }
    }

    func run() throws {
        if plan { return try showPlan() }
        try report?.requireApart(fromCheckpoints: path, compare)
        let model = try InspectedModel(opening: path)
        let other = try compare.map { try InspectedModel(opening: $0) }
        if let report {
            var file = try OutputFile(path: report)
            let page = other.map { ModelComparison.page(of: model, $0) } ?? ModelReport.page(of: model)
            try file.append(Array(page.utf8))
            try file.commit()
        }
        if let tensor {
            try show(tensor: TensorName(tensor), of: model)
        } else if let other {
            let comparison = ModelComparison(model.report, other.report)
            try json
                ? StandardOutput.write(json: comparison.json(listsTensors: tensors))
                : StandardOutput.write(comparison.text(listsTensors: tensors))
        } else {
            try json
                ? StandardOutput.write(json: model.report.json(listsTensors: tensors))
                : StandardOutput.write(model.report.text(listsTensors: tensors))
        }
    }

    private func showPlan() throws {
        let container = try withContainer(at: path) { try Container(opening: path) }
        let draft = try draft.map { path in try withContainer(at: path) { try DraftFile(opening: path) } }
        let request = MemoryRequest(
            limit: memory, contextLength: context,
            logitsRowCount: MemoryRequest.logitsRowCount(speculation: nil, hasDraft: draft != nil), isSampled: false,
            draft: draft)
        let configuration = try LlamaConfiguration(of: container)
        if let context { noteContext(context, of: configuration) }
        // The tokenizer takes memory when the model runs.
        let tokenizer = try? Tokenizer(files: TokenizerFiles(of: container, container.metadata))
        let engine = try makeEngine(threadCount: MachineProcessors.available)
        let plan = try withExtendedLifetime(tokenizer) {
            try request.plan(for: configuration, in: container, threadCount: engine.threadCount)
        }
        let prediction = try request.prediction(with: plan, for: configuration, in: container, engine: engine)
        if json {
            try StandardOutput.write(json: plan.json(prediction))
        } else {
            try StandardOutput.write(plan.table(prediction).text)
        }
    }

    private func show(tensor name: TensorName, of model: InspectedModel) throws {
        guard let row = model.report.tensors.first(where: { $0.name == name }),
            let description = model.source.tensor(named: row.aliasOf ?? name)
        else {
            throw PVITError(
                .tensorNotFound, "there is no tensor of this name", file: path, tensor: name,
                remedy: "list the names with pvit inspect --tensors")
        }
        let tensorReport = TensorReport(
            row: row, scan: try TensorScan(of: description, in: model.source, binCount: 24))
        if json {
            try StandardOutput.write(json: tensorReport.json)
        } else {
            try StandardOutput.write(tensorReport.text())
        }
    }
}
