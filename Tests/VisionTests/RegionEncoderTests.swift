import TestSupport
import Architectures
import CheckpointTestSupport
import Compute
import Container
import Foundation
import Storage
import SystemPackage
import Tensors
import Testing

@testable import Vision

@Suite("RegionCLIP's region encoder", .needsFixtures)
struct RegionEncoderTests {
    static let boxes = [
        RegionBox(left: 125.6, top: 96, right: 753.6, bottom: 720),
        RegionBox(left: 628, top: 0, right: 1256, bottom: 800),
    ]

    static func encoder(_ container: TowerContainer, threads: Int = 2) throws -> RegionEncoder {
        try RegionEncoder(in: container.container, engine: ComputeEngine(threadCount: threads))
    }

    static func image(_ encoder: RegionEncoder) throws -> PixelImage {
        let image = try portablePixmap("photos/0024.ppm")
        let configuration = encoder.configuration
        return try image.resized(
            to: image.size.fitting(
                shortestEdge: configuration.shortestEdge, longestEdge: configuration.longestEdge), filter: .bilinear)
    }

    @Test("every stage agrees with the original: within 5e-5 up to layer 3, 1e-4 after ROIAlign")
    func stages() throws {
        let encoder = try Self.encoder(.region())
        let image = try Self.image(encoder)
        var x = try encoder.stem(
            FeatureMaps(planes: image.normalizedPlanes(), height: image.height, width: image.width, channels: 3))
        #expect(try largestDistance(x.planes(step: 8), NumpyArray(fixture: "towers/0024/rc_stem_every8").values) < 5e-5)
        for (stage, golden) in [(0, "rc_res2_every8"), (1, "rc_res3_every4"), (2, "rc_res4_every3")] {
            x = try encoder.run(encoder.weights.stages[stage], x)
            let step = Int(golden.suffix(1)) ?? 1
            #expect(
                try largestDistance(x.planes(step: step), NumpyArray(fixture: "towers/0024/\(golden)").values) < 5e-5)
        }
        let crops = try encoder.align.crops(of: x, Self.boxes, engine: encoder.engine)
        #expect(
            try largestDistance(
                crops.planes(channelStep: 8), NumpyArray(fixture: "towers/0024/rc_roi_aligned_ch8").values)
                < 1e-4)
        let last = try encoder.lastStage(crops)
        #expect(try largestDistance(last.planes(), NumpyArray(fixture: "towers/0024/rc_roi_res5").values) < 1e-4)
    }

    @Test("region features agree with the original within 1e-4 and do not depend on threads or tiles", .slow)
    func features() throws {
        let encoder = try Self.encoder(.region())
        let image = try encoder.encode(portablePixmap("photos/0024.ppm"))
        let features = try encoder.features(of: image, boxes: Self.boxes)
        #expect(features.rows == 2 && features.columns == 640)
        #expect(image.size == PixelSize(width: 1256, height: 800))
        #expect(
            try largestDistance(features.values(), NumpyArray(fixture: "towers/0024/rc_region_feats").values) < 1e-4)

        let other = try Self.encoder(.region(type: .f16, compression: .zstd), threads: 3)
        let again = try other.features(of: other.encode(portablePixmap("photos/0024.ppm")), boxes: Self.boxes)
        #expect(again.values() == features.values())
    }

    @Test("with weights in 8 bits, the cosine between region features and the original's is at least 0.9995")
    func quantized() throws {
        let path = GeneratedFixtures.path("mini-regionclip/regionclip_narrow.pth")
        let encoder = try Self.encoder(TowerContainer(quantized: .region(opening: path)))
        let image = try encoder.encode(portablePixmap("photos/0024.ppm"))
        let features = try encoder.features(of: image, boxes: Self.boxes).values()
        let expected = try NumpyArray(fixture: "towers/0024/rc_region_feats").values
        #expect(largestDistance(features, expected) > 1e-4, "the weights are not quantized")
        #expect(cosine(features, expected) >= 0.9995)
    }

    @Test("a region's features do not depend on the other regions of a call")
    func batches() throws {
        let encoder = try Self.encoder(.region())
        let planes: [Float] = (0..<3 * 96 * 64).map { index in Float(index % 97) / 50 - 1 }
        let image = try encoder.encode(planes: planes, height: 96, width: 64)
        let boxes: [RegionBox] = (0..<11).map { number in
            let shift = Float(number)
            return RegionBox(left: shift, top: 3, right: 50 + shift, bottom: 90 - shift)
        }
        let together = try encoder.features(of: image, boxes: boxes)
        for (index, box) in boxes.enumerated() {
            let alone = try encoder.features(of: image, boxes: [box])
            #expect(alone.values() == together.slice(index..<index + 1).values())
        }
        #expect(try encoder.features(of: image, boxes: []).rows == 0)
    }

    /// RN50x4 in its real size: `python3 tools/fixture_weights.py --out .build/fixtures --only regionclip-full`.
    static let fullSize = GeneratedFixtures.path("full-regionclip/regionclip_full_rn50x4.pth")

    /// The boxes for the original in its real size, in pixels of the scaled image.
    static let fullSizeBoxes = [
        "0024": [boxes[0], RegionBox(left: 0, top: 0, right: 1256, bottom: 800)],
        "0001": [
            RegionBox(left: 626.51, top: 201.477_98, right: 761.143, bottom: 687.486),
            RegionBox(left: 42.655_998, top: 269.919, right: 271.932, bottom: 736.702),
        ],
    ]

    @Test(
        "RN50x4 in its real size: within 2e-4", .enabled(if: FileManager.default.fileExists(atPath: fullSize.string)),
        arguments: ["0024", "0001"])
    func realSize(photo: String) throws {
        let encoder = try Self.encoder(.region(Self.fullSize, type: .f16))
        let image = try encoder.encode(PixelImage(contentsOf: Fixtures.photo("\(photo).jpg")))
        let golden = "towers/\(photo)-full"
        #expect(
            try largestDistance(
                image.map.planes(channelStep: 8, step: 4), NumpyArray(fixture: "\(golden)/res4_ch8_sp4").values) < 2e-4)
        let boxes = try #require(Self.fullSizeBoxes[photo])
        let last = try encoder.lastStage(encoder.align.crops(of: image.map, boxes, engine: encoder.engine))
        #expect(
            try largestDistance(last.planes(channelStep: 16), NumpyArray(fixture: "\(golden)/roi_res5_ch16").values)
                < 2e-4)
        let features = try encoder.features(of: image, boxes: boxes)
        #expect(try largestDistance(features.values(), NumpyArray(fixture: "\(golden)/region_feats").values) < 2e-4)
    }

    @Test("an image that is too narrow is refused with its own size and a remedy")
    func narrow() throws {
        let encoder = try Self.encoder(.region())
        let size = PixelSize(width: 10_000, height: 50)
        let image = try PixelImage(size: size, pixels: [UInt8](repeating: 9, count: size.width * size.height * 3))
        let error = #expect(throws: PVITError.self) { try encoder.encode(image) }
        #expect(error?.code == .visionInput && error?.what.contains("10000 × 50") == true)
        #expect(error?.remedy?.contains("41 times") == true)
    }

    @Test("pixels of the wrong number, or of a size that is too small or too large, are refused")
    func wrongInput() throws {
        let encoder = try Self.encoder(.region())
        for (count, height, width) in [(3 * 31 * 64, 31, 64), (10, 64, 64), (3 * 4097 * 32, 4097, 32)] {
            let planes = [Float](repeating: 0, count: count)
            let error = #expect(throws: PVITError.self) {
                try encoder.encode(planes: planes, height: height, width: width)
            }
            #expect(error?.code == .visionInput)
        }
    }

    @Test("a tensor that does not match the others is named")
    func wrongShape() throws {
        for (wrong, shape) in [
            ("backbone.layer2.3.conv2.weight", [16, 16, 1, 9]), ("backbone.bn1.running_var", [2, 2]),
        ] {
            let container = try TowerContainer.region { $0.name.rawValue == wrong ? Shape(shape) : $0.shape }
            let error = #expect(throws: PVITError.self) { try Self.encoder(container) }
            #expect(error?.code == .tensorMismatch && error?.tensor == TensorName("region_encoder.\(wrong)"))
        }
        let absent = try TowerContainer.region { $0.name.rawValue == "backbone.conv1.weight" ? nil : $0.shape }
        let error = #expect(throws: PVITError.self) { try Self.encoder(absent) }
        #expect(error?.code == .tensorNotFound && error?.remedy != nil)
    }
}
