import CheckpointTestSupport
import Architectures
import Testing

@testable import Vision

@Suite("Normalization")
struct NormalizationTests {
    @Test("the planes of a photograph are those of CLIP's own preparation")
    func clip() throws {
        let expected = try NumpyArray(fixture: "photos/0024_clip_pixels")
        #expect(expected.shape == [3, 224, 224])
        let planes = try PixelImage(contentsOf: Fixtures.photo("0024.jpg"))
            .resized(to: PixelSize(width: 224, height: 224), filter: .bicubic).normalizedPlanes()
        #expect(largestDistance(planes, expected.values) <= 1e-6)
    }

    @Test("each plane has its own mean and deviation, red first, row by row")
    func layout() throws {
        let image = try PixelImage(size: PixelSize(width: 2, height: 1), pixels: [0, 51, 255, 255, 102, 0])
        let statistics = ChannelStatistics(mean: [0, 0.2, 0.5], standardDeviation: [1, 0.5, 2])
        #expect(image.normalizedPlanes(statistics) == [0, 1, 0, 0.4, 0.25, -0.25])
    }
}
