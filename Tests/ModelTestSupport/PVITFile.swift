import CheckpointTestSupport
import Compute
import Conversion
import PVITModel
import Platform
import SystemPackage
import Tensors

/// Containers of the generated PVIT model with its towers, written once for all tests.
package enum PVITFile {
    /// The towers in a container.
    package enum Towers: Hashable {
        case none
        case visionOnly
        case both
        /// Both, with weights in q8.
        case quantized
    }

    private static let files = Lock<[Towers: (folder: TemporaryFolder, path: FilePath)]>([:])

    /// A container in which everything is f32, except for quantized towers.
    package static func path(_ towers: Towers = .both) throws -> FilePath {
        try files.withLock { files in
            if let file = files[towers] { return file.path }
            let folder = try TemporaryFolder()
            let path = folder.path.appending("pvit.pvq")
            var list: [Tower] = []
            if towers != .none { list.append(try Tower.vision(opening: GeneratedFixtures.path("mini-clip"))) }
            if towers == .both || towers == .quantized {
                let file = GeneratedFixtures.path("mini-regionclip").appending("regionclip_narrow.pth")
                list.append(try Tower.region(opening: file))
            }
            if towers == .quantized { list = try list.map { try $0.quantized() } }
            _ = try Quantize.write(
                ModelFile.checkpoint("mini-pvit"), towers: list, to: path,
                options: QuantizeOptions(type: .plain(.f32), threadCount: 2))
            files[towers] = (folder, path)
            return path
        }
    }

    package static func model(_ towers: Towers = .both) throws -> LoadedModel {
        try LoadedModel(opening: path(towers), engine: ComputeEngine(threadCount: 2))
    }

    package static func generator(_ towers: Towers = .both, context: Int = 512) throws -> Generator {
        try Generator(model(towers), contextLength: context, storage: .f32)
    }
}
