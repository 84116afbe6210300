import CheckpointTestSupport
import Compute
import Conversion
import Foundation
import LanguageModel
import Storage
import Synchronization
import SystemPackage
import Tensors
import TestSupport
import Testing
import Tokenization
import Vision

@testable import PVITModel

/// A conversation about an image that the original code answered, with its intermediate results.
struct PVITCase {
    static let names = [
        "0001-two-regions", "0007-one-region-progressive", "0012-no-region-444", "0024-multi-turn",
        "0024-one-region-small", "text-only",
    ]

    let name: String
    let messages: [ChatMessage]
    /// The whole text, without BOS.
    let prompt: String
    let tokens: [TokenID]
    let continuation: [TokenID]
    let decoded: String
    /// The distance between the two largest logits at each step. Below 1e-3, another choice is legitimate.
    let gaps: [Double]
    private let imageName: String?

    init(_ name: String) throws {
        let json = try JSONValue(parsing: contents(of: Self.file("cases/\(name)/case.json")))
        self.name = name
        messages = (json["turns"]?.array ?? []).enumerated().map { index, turn in
            ChatMessage(index % 2 == 0 ? .user : .assistant, turn.string ?? "")
        }
        prompt = try #require(json["prompt"]?.string)
        tokens = json["input_ids"]?.tokens ?? []
        continuation = json["greedy_ids"]?.tokens ?? []
        decoded = try #require(json["decoded"]?.string)
        gaps = (json["steps"]?.array ?? []).compactMap { $0["gap_top1_top2"]?.double }
        imageName = json["image"]?.string
        try #require(!tokens.isEmpty && continuation.count == 24 && gaps.count == 24)
    }

    /// The path of the image's JPEG file.
    var imagePath: FilePath? {
        imageName.map { FilePath(SharedFixtures.path("photos/\($0)")) }
    }

    /// The image, decoded by our own decoder.
    func image() throws -> PixelImage? {
        try imagePath.map { try PixelImage(contentsOf: $0) }
    }

    /// The pixels that the original code decoded; nil if they are not among the fixtures.
    func decodedImage() throws -> PixelImage? {
        guard let imageName, let number = imageName.split(separator: ".").first else { return nil }
        let path = FilePath(SharedFixtures.path("photos/\(number).ppm"))
        guard FileManager.default.fileExists(atPath: path.string) else { return nil }
        return try PixelImage(portablePixmap: contents(of: path))
    }

    /// The numbers in one of its files, `NAME.npy`.
    func numbers(_ file: String) throws -> [Float] {
        try NumpyArray(Self.file("cases/\(name)/\(file).npy")).values
    }

    static func file(_ name: String) throws -> FilePath {
        FilePath(try #require(Bundle.module.resourceURL).path).appending("Fixtures").appending(name)
    }
}

extension PixelImage {
    /// Reads a binary PPM file of 8 bits without comments.
    init(portablePixmap bytes: [UInt8]) throws {
        var words: [String] = []
        var index = 0
        while words.count < 4 {
            let word = bytes[index...].prefix { $0 > 0x20 }
            words.append(String(decoding: word, as: UTF8.self))
            index += word.count + 1
        }
        try #require(words[0] == "P6" && words[3] == "255")
        let size = PixelSize(width: try #require(Int(words[1])), height: try #require(Int(words[2])))
        try self.init(size: size, pixels: Array(bytes[index...]))
    }
}
