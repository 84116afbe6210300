import CheckpointTestSupport
import Checkpoints
import Compute
import Container
import Conversion
import PVITModel
import Storage
import Platform
import SystemPackage
import Tensors

/// Containers of generated checkpoints with their tokenizers, written once for all tests.
package enum ModelFile {
    private static let files = Lock<[String: (folder: TemporaryFolder, path: FilePath)]>([:])

    package static func path(_ name: String, metadata changes: JSONObject = [:]) throws -> FilePath {
        try files.withLock { files in
            let key = name + String(decoding: JSONValue.object(changes).encoded(), as: UTF8.self)
            if let file = files[key] { return file.path }
            let folder = try TemporaryFolder()
            let path = folder.path.appending("model.pvq")
            try write(try checkpoint(name), to: path, changes)
            files[key] = (folder, path)
            return path
        }
    }

    package static func checkpoint(_ name: String) throws -> Checkpoint {
        if name != "mini-pvit" { return try CheckpointSource.open(GeneratedFixtures.path(name)) }
        return try DeltaMerge.merge(
            base: checkpoint("mini-llama-base-st"), delta: checkpoint("mini-pvit-delta-st")
        ).checkpoint
    }

    private static func write(_ checkpoint: Checkpoint, to path: FilePath, _ changes: JSONObject) throws {
        var writer = try ContainerWriter(path: path)
        for tensor in checkpoint.weights.tensors {
            let bytes = try checkpoint.weights.bytes(ofRows: 0..<tensor.shape.rows, of: tensor)
            let encoding = TensorEncoding.plain(tensor.elementType)
            let layout = try TileLayout(encoding: encoding, shape: tensor.shape)
            try writer.beginTensor(tensor.name, encoding: encoding, shape: tensor.shape)
            for tile in 0..<layout.tileCount {
                let start = layout.rows(ofTile: tile).lowerBound * tensor.bytesPerRow
                let content = bytes.span.bytes.extracting(start..<start + layout.byteCount(ofTile: tile))
                try writer.append(
                    TileEncoder.encode(content, encoding: encoding, compression: .none), content: content)
            }
            try writer.endTensor()
        }
        let folder = GeneratedFixtures.path(
            checkpoint.config?["model_type"]?.string == "llava"
                ? "mini-pvit-delta-st" : checkpoint.path.lastComponent?.string ?? "")
        try writer.addAttachment("tokenizer.model", bytes: contents(of: folder.appending("tokenizer.model")))
        var metadata: JSONObject = ["model.config": .object(checkpoint.config ?? [:])]
        let files = [
            ("tokenizer.config", "tokenizer_config.json"), ("tokenizer.special_tokens_map", "special_tokens_map.json"),
            ("tokenizer.added_tokens", "added_tokens.json"),
        ]
        for (key, file) in files {
            metadata[key] = (try? contents(of: folder.appending(file))).flatMap { try? JSONValue(parsing: $0) }
        }
        for member in changes.members { metadata[member.key] = member.value }
        _ = try writer.finish(metadata: metadata)
    }

    /// Opens a container with two threads.
    package static func model(_ name: String, metadata changes: JSONObject = [:]) throws -> LoadedModel {
        try LoadedModel(opening: path(name, metadata: changes), engine: ComputeEngine(threadCount: 2))
    }
}
