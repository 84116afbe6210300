import Container
import SystemPackage
import Tensors
import Testing

@Test("what is written is what is read")
func roundTrip() throws {
    let folder = try TemporaryFolder()
    let path = folder.path.appending("a.pvq")
    let weights: [UInt8] = (0..<(300 * 2000 * 2)).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 3) }
    let shape = try #require(Shape([300, 2000]))
    var writer = try ContainerWriter(path: path)
    try writer.write("w", weights, encoding: .plain(.f16), shape: shape, compression: .zstd)
    try writer.addAlias("tied", of: "w")
    try writer.addAttachment("tokenizer.model", bytes: Array("hello".utf8))
    let digest = try writer.finish(metadata: ["model.config": ["hidden_size": 4]])

    let container = try Container(opening: path)
    #expect(try container.verify() == digest)
    #expect(try container.metadata["model.config"]?["hidden_size"]?.integer == 4)
    #expect(try container.attachment("tokenizer.model") == Array("hello".utf8))
    let tied = try #require(try container.tensor(named: "tied"))
    #expect(tied.aliasOf == "w")
    #expect(try container.content(of: tied) == weights)
}
