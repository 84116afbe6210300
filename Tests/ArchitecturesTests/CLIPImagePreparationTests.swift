import Architectures
import Storage
import Testing

@Suite("The preparation of images for CLIP")
struct CLIPImagePreparationTests {
    /// The file of openai/clip-vit-large-patch14.
    private static let published: JSONObject = [
        "crop_size": 224, "do_center_crop": true, "do_normalize": true, "do_resize": true,
        "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": [.number(0.48145466), .number(0.4578275), .number(0.40821073)],
        "image_std": [.number(0.26862954), .number(0.26130258), .number(0.27577711)], "resample": 3, "size": 224,
    ]

    private func preparation(_ changes: JSONObject = [:]) throws -> CLIPImagePreparation {
        var json = Self.published
        for change in changes.members { json[change.key] = change.value }
        return try CLIPImagePreparation(parsing: json, imageSize: 224)
    }

    @Test("the published file, its newer spelling and an absent file mean CLIP's own preparation")
    func published() throws {
        #expect(try preparation() == .clip)
        #expect(
            try preparation([
                "size": .object(["shortest_edge": 224]), "crop_size": .object(["height": 224, "width": 224]),
                "do_rescale": true, "rescale_factor": .number(0.00392156862745098), "do_convert_rgb": true,
            ]) == .clip)
        #expect(try CLIPImagePreparation(parsing: [:], imageSize: 224) == .clip)
        #expect(try CLIPVisionConfiguration(parsing: [:]).preparation == .clip)
    }

    @Test("statistics and filter are read from the file")
    func others() throws {
        let other = try preparation([
            "image_mean": [.number(0.5), .number(0.25), 0], "image_std": [1, .number(0.5), 2], "resample": 2,
        ])
        #expect(other.filter == .bilinear)
        #expect(other.statistics == ChannelStatistics(mean: [0.5, 0.25, 0], standardDeviation: [1, 0.5, 2]))
        let plain = try preparation(["do_normalize": false]).statistics
        #expect(plain == ChannelStatistics(mean: .zero, standardDeviation: .one))
    }

    @Test(
        "unsupported settings are refused by name",
        arguments: [
            ("size", 336), ("crop_size", .object(["height": 224, "width": 336])), ("do_resize", false),
            ("do_rescale", false), ("rescale_factor", .number(0.5)), ("resample", 1),
        ] as [(String, JSONValue)])
    func unsupported(member: String, value: JSONValue) {
        let error = #expect(throws: PVITError.self) { try preparation([member: value]) }
        #expect(error?.code == .visionUnsupported && error?.what.contains(member) == true)
    }

    @Test(
        "invalid settings are refused by name",
        arguments: [
            ("size", "large"), ("size", .object([:])), ("resample", "bicubic"), ("image_mean", [0, 0]),
            ("image_std", [1, 0, 1]), ("image_std", ["a", "b", "c"]), ("rescale_factor", -1),
        ] as [(String, JSONValue)])
    func malformed(member: String, value: JSONValue) {
        let error = #expect(throws: PVITError.self) { try preparation([member: value]) }
        #expect(error?.code == .visionConfig && error?.what.contains(member) == true)
    }
}
