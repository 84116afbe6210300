import CheckpointTestSupport
import Compute
import Foundation
import Storage
import SystemPackage
import Tensors
import TestSupport
import Testing

@testable import Vision

@Suite("ROIAlign and boxes")
struct ROIAlignTests {
    @Test("crops agree with torchvision within 1e-5, also of outside, empty and inverted boxes")
    func crops() throws {
        let feature = try NumpyArray(fixture: "towers/roi_align/feature")
        let (height, width) = (feature.shape[1], feature.shape[2])
        let map = FeatureMaps(height: height, width: width, channels: 3)
        for channel in 0..<3 {
            for row in 0..<height {
                for column in 0..<width {
                    map.pixel(row: row, column: column)[channel] =
                        feature.values[(channel * height + row) * width + column]
                }
            }
        }
        let corners = try NumpyArray(fixture: "towers/roi_align/boxes").values
        let boxes = stride(from: 0, to: corners.count, by: 4).map {
            RegionBox(left: corners[$0], top: corners[$0 + 1], right: corners[$0 + 2], bottom: corners[$0 + 3])
        }
        let align = ROIAlign(resolution: 18, spatialScale: 1 / 16)
        let result = try align.crops(of: map, boxes, engine: ComputeEngine(threadCount: 2))
        #expect(try largestDistance(result.planes(), NumpyArray(fixture: "towers/roi_align/out").values) < 1e-5)
    }

    @Test("a box that is not finite or far too large is refused", arguments: [Float.nan, .infinity, 1e7])
    func absurd(edge: Float) throws {
        let map = FeatureMaps(height: 4, width: 4, channels: 1)
        map.pixels.fill(with: 1)
        let box = RegionBox(left: 0, top: 0, right: edge, bottom: 10)
        let error = try #require(throws: PVITError.self) {
            try ROIAlign(resolution: 2, spatialScale: 1).crops(of: map, [box], engine: ComputeEngine(threadCount: 1))
        }
        #expect(error.code == .visionInput)
    }

    @Test("boxes in the resized image and their fractions agree with Detectron2")
    func boxes() throws {
        let json = try JSONValue(parsing: contents(of: FilePath(SharedFixtures.path("box_transform.json"))))
        func numbers(_ value: JSONValue) -> [Double] { (value.array ?? []).compactMap(\.double) }
        var count = 0
        for record in json["records"]?.array ?? [] {
            func size(_ key: String) -> PixelSize {
                let sides = numbers(record[key] ?? .null)
                return PixelSize(width: Int(sides[0]), height: Int(sides[1]))
            }
            let (original, resized) = (size("image_wh"), size("resized_wh"))
            let tokens = (record["location_tokens"]?.array ?? []).map(numbers)
            let expected = (record["boxes_resized_float32"]?.array ?? []).map(numbers)
            let fractions = (record["boxes_fraction_float32_into_bbox_fc"]?.array ?? []).map(numbers)
            for index in tokens.indices {
                let box = RegionBox(
                    fractions: SIMD4(tokens[index].map { $0 / 1000 }), of: original, in: resized)
                let corners = [box.left, box.top, box.right, box.bottom]
                #expect(largestDistance(corners, expected[index].map { Float($0) }) < 1e-4)
                let found = box.fractions(of: resized)
                #expect(largestDistance((0..<4).map { found[$0] }, fractions[index].map { Float($0) }) < 1e-6)
                count += 1
            }
        }
        #expect(count > 10)
    }
}
