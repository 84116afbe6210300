import Checkpoints
import Quantization
import Storage
import SystemPackage
import Tensors

/// Everything that quantizing a checkpoint needs: its files and options, as the command line and the C library take
/// them.
package struct QuantizeJob: Sendable {
    /// The checkpoint, or the base of `delta`.
    package var source: FilePath
    /// A delta to add.
    package var delta: FilePath?
    /// The CLIP whose vision model reads images.
    package var visionTower: FilePath?
    /// The RegionCLIP that reads regions.
    package var regionEncoder: FilePath?
    /// The container to write.
    package var output: FilePath
    /// The type of the linear matrices.
    package var type: TensorEncoding
    /// The type of the image encoders' matrices and convolutions (`QuantizeOptions.towerType`).
    package var towerType: QuantizeOptions.TowerType?
    /// Exceptions by name.
    package var overrides: [QuantizeOptions.Override]
    /// A mean number of bits per weight.
    package var bits: QuantizeOptions.BitTarget?
    /// Which tensors are compressed.
    package var profile: QuantizeOptions.Profile
    /// The calibration texts: files, or `default`.
    package var calibration: [FilePath]
    /// The number of tokens of the texts to read.
    package var calibrationTokenCount: Int?
    /// The memory that calibration may use.
    package var memory: ByteCount?
    /// Whether to continue a calibration that was stopped.
    package var resumes: Bool
    /// An importance matrix of llama.cpp.
    package var importance: FilePath?
    /// The number of threads.
    package var threadCount: Int

    /// Creates a job.
    package init(
        source: FilePath, delta: FilePath? = nil, visionTower: FilePath? = nil, regionEncoder: FilePath? = nil,
        output: FilePath, type: TensorEncoding = .q4, towerType: QuantizeOptions.TowerType? = nil,
        overrides: [QuantizeOptions.Override] = [], bits: QuantizeOptions.BitTarget? = nil,
        profile: QuantizeOptions.Profile = .fast, calibration: [FilePath] = [],
        calibrationTokenCount: Int? = nil, memory: ByteCount? = nil, resumes: Bool = false,
        importance: FilePath? = nil, threadCount: Int
    ) {
        self.source = source
        self.delta = delta
        self.visionTower = visionTower
        self.regionEncoder = regionEncoder
        self.output = output
        self.type = type
        self.towerType = towerType
        self.overrides = overrides
        self.bits = bits
        self.profile = profile
        self.calibration = calibration
        self.calibrationTokenCount = calibrationTokenCount
        self.memory = memory
        self.resumes = resumes
        self.importance = importance
        self.threadCount = threadCount
    }

    /// Checks the inputs, then writes the container.
    ///
    /// - Parameters:
    ///   - note: Receives what a user should know, a line at a time.
    ///   - work: Calls its argument, which does the work, with a monitor.
    /// - Throws: `file.output-is-input`, and what opening the inputs, `DeltaMerge.merge`, `RunCheck.require` and
    ///   `Quantize.write` throw.
    package func run(
        note: (String) -> Void, _ work: ((WorkMonitor) throws -> Quantize.Report) throws -> Quantize.Report
    ) throws -> Quantize.Report {
        try output.requireApart(
            fromCheckpoints: source, delta, visionTower, regionEncoder,
            files: calibration.filter { !Calibration.isBuiltIn($0) } + [importance])
        let options = QuantizeOptions(
            type: type, towerType: towerType, overrides: overrides, bits: bits, profile: profile,
            importance: try importanceSource(),
            threadCount: threadCount, tool: ("pvit", ToolVersion.text))
        var checkpoint = try ModelSource.open(source)
        if let delta {
            let merged = try DeltaMerge.merge(base: checkpoint, delta: ModelSource.openDelta(delta))
            for line in merged.summary { note(line) }
            checkpoint = merged.checkpoint
        }
        let towers = try towers()
        // Fail now, not when the model is run for the first time.
        try RunCheck.require(checkpoint, towers: towers)
        let report = try work { monitor in
            do {
                return try Quantize.write(checkpoint, towers: towers, to: output, options: options, monitor: monitor)
            } catch var error as PVITError where error.code == .cancelled && !calibration.isEmpty {
                error.remedy = "continue with --resume"
                throw error
            }
        }
        for line in notes(on: report, options) { note(line) }
        return report
    }

    private func notes(on report: Quantize.Report, _ options: QuantizeOptions) -> [String] {
        var notes: [String] = []
        if !report.plan.usesImportance(from: options.importance) {
            if !calibration.isEmpty { notes.append("no matrix is quantized, so --calibration has no effect") }
            if importance != nil { notes.append("no matrix is quantized, so --importance has no effect") }
        }
        if let allocation = report.allocation {
            let count = allocation.types.values.count { $0 == .q8 }
            notes.append(
                "\(allocation.bitsPerWeight.formatted(decimals: 3)) bits per weight: q8 for \(count) of "
                    + "\(allocation.types.count) matrices")
        }
        if !report.plan.keptFloat.isEmpty {
            let names = report.plan.keptFloat.map(\.rawValue).listed()
            notes.append("kept in float, because their row length is not a multiple of 32: \(names)")
        }
        return notes
    }

    /// Where the importance of columns comes from.
    private func importanceSource() throws -> ImportanceSource {
        if !calibration.isEmpty {
            return .calibration(
                try Calibration(
                    calibration, tokenCount: calibrationTokenCount ?? CalibrationTokens.defaultCount, memory: memory,
                    resumes: resumes))
        }
        if let importance { return .matrix(try ImportanceMatrix(path: importance)) }
        return .randomTokens
    }

    /// The towers of the source, replaced by those that are given.
    private func towers() throws -> [Tower] {
        var towers = Dictionary(try Tower.all(inContainer: source).map { ($0.kind, $0) }) { $1 }
        if let visionTower { towers[.vision] = try Tower.vision(opening: visionTower) }
        if let regionEncoder { towers[.region] = try Tower.region(opening: regionEncoder) }
        return try Tower.Kind.allCases.compactMap { kind in
            guard let tower = towers[kind] else { return nil }
            let isQuantized = towerType.map { $0 == .q8 } ?? (type != .plain(.f32) && tower.comesQuantized)
            return isQuantized ? try tower.quantized() : tower
        }
    }
}
