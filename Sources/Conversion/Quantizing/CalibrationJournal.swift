import Container
import LinearAlgebra
import Quantization
import Storage
import SystemPackage
import Tensors

/// The finished layers of a calibration, beside its output, so that a run that was stopped can be continued.
///
/// Each layer is a container with its quantized matrices; others hold the hidden states of the sample before the next
/// layer, and the sensitivities. All name the run that they belong to. Containers appear whole or not at all, and their
/// tiles have checksums.
struct CalibrationJournal {
    /// The quantized matrices of a layer.
    typealias Layer = [TensorName: [TileQuantizer.Tile]]

    /// The number of layers that are finished.
    let layerCount: Int
    /// The record of the sensitivities that the types of matrices were chosen by, if they were measured.
    let sensitivities: JSONValue?
    private let folder: WorkFolder
    private let run: String
    private static let suffix = ".calibration"
    private static let states = "states.pvq"
    private static let sensitivities = "sensitivities.pvq"
    private static let runKey = "calibration.run"
    private static let layerKey = "calibration.layer"
    private static let statisticsKey = "calibration.statistics"
    private static let sensitivitiesKey = "calibration.sensitivities"

    /// Opens the journal of an output, or begins one; nil if the output is a device or a pipe.
    ///
    /// - Parameters:
    ///   - run: What the run depends on: options, texts and sources.
    ///   - resumes: Whether to continue a run that was stopped.
    /// - Throws: `calibrate.unfinished` if a run was stopped and is not to be continued, or was another one;
    ///   `file.in-use` if another process calibrates the same output; `file.cannot-create`, and the errors of
    ///   containers.
    init?(for output: FilePath, run: Digest, resumes: Bool) throws {
        guard let folder = try WorkFolder(for: output, suffix: Self.suffix) else { return nil }
        self.folder = folder
        self.run = run.description
        guard folder.exists else {
            layerCount = 0
            sensitivities = nil
            return
        }
        try folder.claim()
        guard resumes else {
            throw PVITError(
                .unfinishedCalibration, "an earlier calibration of this output was stopped", file: folder.path,
                remedy: "continue it with --resume, or remove the folder")
        }
        sensitivities = try Self.metadata(Self.sensitivities, in: folder, run: self.run)?[Self.sensitivitiesKey]
        layerCount = max(try Self.metadata(Self.states, in: folder, run: self.run)?[Self.layerKey]?.integer ?? 0, 0)
    }

    /// The metadata of a file of the journal; nil if it does not exist.
    ///
    /// - Throws: `calibrate.unfinished` if it belongs to another run, and the errors of containers.
    private static func metadata(_ name: String, in folder: WorkFolder, run: String) throws -> JSONObject? {
        guard folder.contains(name) else { return nil }
        let metadata = try Container(opening: folder.path.appending(fileNamed: name)).metadata
        guard metadata[runKey]?.string == run else {
            throw PVITError(
                .unfinishedCalibration, "the calibration that was stopped had other options, texts or sources",
                file: folder.path, remedy: "repeat them, or remove the folder")
        }
        return metadata
    }

    private static func name(ofLayer layer: Int) -> String { "layer-\(layer).pvq" }

    private func path(ofLayer layer: Int) -> FilePath { folder.path.appending(fileNamed: Self.name(ofLayer: layer)) }

    /// Keeps the record of the sensitivities that the types of matrices are chosen by.
    func save(sensitivities: JSONValue) throws {
        try folder.create()
        let writer = try ContainerWriter(path: folder.path.appending(fileNamed: Self.sensitivities))
        _ = try writer.finish(metadata: [
            Self.runKey: .string(run), Self.sensitivitiesKey: sensitivities,
        ])
    }

    /// Keeps a finished layer and the states before the next one.
    ///
    /// - Parameters:
    ///   - entries: The matrices of the layer that are quantized.
    ///   - residuals: The residual streams of both models, [tokens, hidden] each.
    func save(
        _ layer: Int, _ tiles: Layer, _ entries: ArraySlice<QuantizePlan.Entry>, residuals: [DenseMatrix<Float>]
    ) throws {
        try folder.create()
        var writer = try ContainerWriter(path: path(ofLayer: layer))
        var statistics = JSONObject()
        for entry in entries {
            guard let tiles = tiles[entry.tensor.name] else { continue }
            try writer.beginTensor(entry.tensor.name, encoding: entry.encoding, shape: entry.tensor.shape)
            for tile in tiles {
                let encoded = try TileEncoder.encode(
                    tile.bytes.span.bytes, encoding: entry.encoding, scale: tile.scale, compression: .none)
                try writer.append(encoded, content: tile.bytes.span.bytes)
            }
            try writer.endTensor()
            statistics[entry.tensor.name.rawValue] = .array(tiles.map { Self.record(of: $0.statistics) })
        }
        _ = try writer.finish(metadata: [Self.runKey: .string(run), Self.statisticsKey: .object(statistics)])
        try save(residuals, before: layer + 1)
    }

    private func save(_ residuals: [DenseMatrix<Float>], before layer: Int) throws {
        var writer = try ContainerWriter(path: folder.path.appending(fileNamed: Self.states))
        for (number, stream) in residuals.enumerated() {
            guard let shape = Shape([stream.rows, stream.columns]) else {
                throw PVITError(.internalDefect, "\(stream.rows) × \(stream.columns) is not a shape")
            }
            let layout = try TileLayout(encoding: .plain(.f32), shape: shape)
            try writer.beginTensor(TensorName("states.\(number)"), encoding: .plain(.f32), shape: shape)
            for tile in 0..<layout.tileCount {
                let rows = layout.rows(ofTile: tile)
                let content = UnsafeRawBufferPointer(
                    start: stream.row(rows.lowerBound), count: rows.count * stream.columns * 4
                ).bytes
                try writer.append(
                    TileEncoder.encode(content, encoding: .plain(.f32), compression: .none), content: content)
            }
            try writer.endTensor()
        }
        _ = try writer.finish(metadata: [Self.runKey: .string(run), Self.layerKey: .integer(layer)])
    }

    /// The residual streams before the first layer that is not finished.
    ///
    /// - Throws: The container's errors.
    func savedResiduals() throws -> [[Float]] {
        let source = try ContainerSource(Container(opening: folder.path.appending(fileNamed: Self.states)))
        return try source.tensors.map { tensor in
            guard tensor.elementType == .f32 else { throw damaged(Self.states) }
            return try FloatVectors.floats(of: source, tensor, rows: 0..<tensor.shape.rows)
        }
    }

    /// The matrices of a finished layer.
    ///
    /// - Parameter entries: The layer's tensors in the plan.
    /// - Throws: `calibrate.unfinished` if they belong to another run or layer, and the container's errors.
    func savedLayer(_ layer: Int, _ entries: ArraySlice<QuantizePlan.Entry>) throws -> Layer {
        let container = try Container(opening: path(ofLayer: layer))
        let metadata = try container.metadata
        guard metadata[Self.runKey]?.string == run else { throw damaged(Self.name(ofLayer: layer)) }
        let scratch = TileScratch()
        var result: Layer = [:]
        for tensor in try container.tensors() {
            guard let records = metadata[Self.statisticsKey]?[tensor.name.rawValue]?.array,
                records.count == tensor.tileCount
            else { throw damaged(Self.name(ofLayer: layer)) }
            result[tensor.name] = try records.indices.map { number in
                guard let statistics = Self.statistics(records[number]) else {
                    throw damaged(Self.name(ofLayer: layer))
                }
                return try container.withTile(number, of: tensor, scratch: scratch) { content, tile in
                    try TileQuantizer.Tile(
                        bytes: content.copyBytes(0..<content.byteCount), scale: tile.scale, statistics: statistics)
                }
            }
        }
        guard Self.hasAllTiles(result, entries) else { throw damaged(Self.name(ofLayer: layer)) }
        return result
    }

    /// Whether a layer has exactly the tiles that the plan has for its quantized matrices.
    private static func hasAllTiles(_ layer: Layer, _ entries: ArraySlice<QuantizePlan.Entry>) -> Bool {
        let quantized = entries.filter(\.encoding.isQuantized)
        return layer.count == quantized.count
            && quantized.allSatisfy { entry in
                guard let tiles = layer[entry.tensor.name], tiles.count == entry.layout.tileCount else { return false }
                return tiles.indices.allSatisfy { tiles[$0].bytes.count == entry.layout.byteCount(ofTile: $0) }
            }
    }

    private func damaged(_ name: String) -> PVITError {
        PVITError(
            .unfinishedCalibration, "the file does not belong to this calibration",
            file: folder.path.appending(fileNamed: name), remedy: "remove the folder and start again")
    }

    /// Removes the journal.
    func remove(layerCount: Int) {
        folder.remove([Self.sensitivities, Self.states] + (0..<layerCount).map(Self.name(ofLayer:)))
    }

    private static func record(of statistics: ErrorStatistics) -> JSONValue {
        .array([
            .number(statistics.squaredError), .number(statistics.maximumError), .number(statistics.squaredSum),
            .integer(statistics.count),
        ])
    }

    private static func statistics(_ record: JSONValue) -> ErrorStatistics? {
        guard let numbers = record.array, numbers.count == 4, let error = numbers[0].double,
            let maximum = numbers[1].double, let sum = numbers[2].double, let count = numbers[3].integer
        else { return nil }
        return ErrorStatistics(squaredError: error, maximumError: maximum, squaredSum: sum, count: count)
    }
}
