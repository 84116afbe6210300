import Architectures
import CheckpointTestSupport
import Container
import Storage
import SystemPackage
import Tensors
import Testing

@testable import LanguageModel

@Suite("Which output matrix a container's model has")
struct OutputMatrixTests {
    @Test(
        "an output matrix of its own is used, also where the configuration of the container ties it to the embeddings")
    func separateOutput() throws {
        let folder = try TemporaryFolder()
        var model = TinyModel()
        for hasHead in [false, true] {
            model.isTied = !hasHead
            let path = folder.path.appending("\(hasHead).pvq")
            var writer = try ContainerWriter(path: path)
            let source = try model.source()
            for tensor in source.tensors {
                let bytes = try source.bytes(ofRows: 0..<tensor.shape.rows, of: tensor)
                try writer.beginTensor(tensor.name, encoding: .plain(tensor.elementType), shape: tensor.shape)
                let content = bytes.span.bytes
                try writer.append(
                    TileEncoder.encode(content, encoding: .plain(tensor.elementType), scale: 1, compression: .none),
                    content: content)
                try writer.endTensor()
            }
            if !hasHead { try writer.addAlias("lm_head.weight", of: "model.embed_tokens.weight") }
            var config = model.configuration
            config["tie_word_embeddings"] = true
            _ = try writer.finish(metadata: ["model.config": .object(config)])
            let container = try Container(opening: path)
            let configuration = try LlamaConfiguration(of: container)
            #expect(configuration.tiesOutput == !hasHead)
            #expect(
                LlamaArchitecture(configuration).matrices.map(\.name).last
                    == (hasHead ? "lm_head.weight" : "model.embed_tokens.weight")
            )
        }
    }
}
