import Checkpoints
import Container
import Conversion
import CPVIT
import Platform
import Storage
import SystemPackage
import Tensors

/// `pvit_merge`, which pvit.h describes.
@c @implementation
public func pvit_merge(
    _ base: UnsafePointer<CChar>?, _ delta: UnsafePointer<CChar>?, _ output: UnsafePointer<CChar>?,
    _ options: OpaquePointer?, _ progress: pvit_progress_callback?, _ abort: pvit_abort_callback?,
    _ context: UnsafeMutableRawPointer?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(error) {
        var options = try OptionReader(options)
        let job = FolderJob(
            output: try path(output, "the output"),
            shardSize: try options.size("shard-size") ?? FolderJob.defaultShardSize,
            threadCount: try options.threadCount())
        try options.finish()
        let watch = CallWatch(progress: progress, abort: abort, context: context)
        try job.merge(base: path(base, "the base"), delta: path(delta, "the delta"), note: Log.note) { write in
            try write(watch.monitor)
        }
    }
}

/// `pvit_quantize`, which pvit.h describes.
@c @implementation
public func pvit_quantize(
    _ source: UnsafePointer<CChar>?, _ output: UnsafePointer<CChar>?, _ options: OpaquePointer?,
    _ progress: pvit_progress_callback?, _ abort: pvit_abort_callback?, _ context: UnsafeMutableRawPointer?,
    _ report: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    report?.pointee = nil
    return perform(error) {
        var options = try OptionReader(options)
        let job = try QuantizeJob(path(source, "the source"), path(output, "the output"), &options)
        try options.finish()
        let watch = CallWatch(progress: progress, abort: abort, context: context)
        let result = try job.run(note: Log.note) { write in try write(watch.monitor) }
        report?.pointee = HandleTable.current.add(
            TextObject([
                "path": .string(job.output.readable), "bytes": .integer(Int(clamping: result.byteCount)),
                "model_digest": .string("\(result.digest)"),
                "bits_per_weight": result.allocation.map { .number($0.bitsPerWeight) } ?? .null,
            ]))
    }
}

extension QuantizeJob {
    fileprivate init(_ source: FilePath, _ output: FilePath, _ options: inout OptionReader) throws {
        let typeName = try options.text("type")
        guard let type = QuantizeOptions.encoding(named: typeName ?? "q4") else {
            throw PVITError(.option, "the option \"type\" takes one of \(QuantizeOptions.typeNames)")
        }
        let memory = try options.size("memory")
        let bits = try options.number("bits")
        if let bits {
            guard (1...16).contains(bits) else { throw PVITError(.option, "the option \"bits\" takes 1 to 16") }
            guard type == .q4 else {
                throw PVITError(.option, "the option \"bits\" chooses q4 or q8: leave out \"type\"")
            }
        }
        self.init(
            source: source, delta: try options.path("delta"), visionTower: try options.path("vision-tower"),
            regionEncoder: try options.path("region-encoder"), output: output, type: type,
            towerType: try options.choice("tower-type", QuantizeOptions.TowerType.self),
            overrides: try options.texts("override").map(QuantizeOptions.Override.init(parsing:)),
            bits: bits.map { QuantizeOptions.BitTarget(bitsPerWeight: $0, memory: memory) },
            profile: try options.choice("profile", QuantizeOptions.Profile.self) ?? .fast,
            calibration: options.texts("calibration").map { FilePath(text: $0) },
            calibrationTokenCount: try options.integer("calibration-tokens", 1...Calibration.maximumTokenCount),
            memory: memory, resumes: try options.flag("resume") ?? false,
            importance: try options.path("importance"), threadCount: try options.threadCount())
        guard calibration.isEmpty || importance == nil else {
            throw PVITError(
                .option, "give either \"calibration\" or \"importance\": both tell how much each weight matters")
        }
    }
}

/// `pvit_verify`, which pvit.h describes.
@c @implementation
public func pvit_verify(
    _ path: UnsafePointer<CChar>?, _ progress: pvit_progress_callback?, _ abort: pvit_abort_callback?,
    _ context: UnsafeMutableRawPointer?, _ report: UnsafeMutablePointer<OpaquePointer?>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    report?.pointee = nil
    return perform(error) {
        let container = try Container(opening: PVITLibrary.path(path, "the path"), allowsPackedDelta: true)
        let watch = CallWatch(progress: progress, abort: abort, context: context)
        let digest = try container.verify { step in
            try watch.check()
            watch.report(done: step.checkedByteCount, total: step.byteCount)
        }
        watch.report(done: UInt64(container.byteCount), total: UInt64(container.byteCount))
        if container.needsBase { _ = try PackedDelta(container) }
        report?.pointee = HandleTable.current.add(
            TextObject([
                "path": .string(container.path.readable), "tensors": .integer(container.tensorCount),
                "packed_delta": .bool(container.needsBase), "model_digest": .string("\(digest)"),
            ]))
    }
}

/// `pvit_export`, which pvit.h describes.
@c @implementation
public func pvit_export(
    _ source: UnsafePointer<CChar>?, _ output: UnsafePointer<CChar>?, _ options: OpaquePointer?,
    _ progress: pvit_progress_callback?, _ abort: pvit_abort_callback?, _ context: UnsafeMutableRawPointer?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(error) {
        var options = try OptionReader(options)
        let job = ExportJob(
            source: try path(source, "the source"), output: try path(output, "the output"),
            type: try options.choice("type", GGUFWeightType.self),
            shardSize: try options.size("shard-size") ?? FolderJob.defaultShardSize,
            threadCount: try options.threadCount())
        try options.finish()
        if let problem = job.typeProblem { throw PVITError(.option, "the type \(problem)") }
        let watch = CallWatch(progress: progress, abort: abort, context: context)
        try job.run(note: Log.note) { write in try write(watch.monitor) }
    }
}

extension OptionReader {
    fileprivate mutating func threadCount() throws -> Int {
        try integer("threads", 1...256) ?? MachineProcessors.available
    }
}
