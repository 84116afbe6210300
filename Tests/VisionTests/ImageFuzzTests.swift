import TestSupport
import CheckpointTestSupport
import ChecksumSupport
import Storage
import Testing

@testable import Vision

@Suite("Damaged images")
struct ImageFuzzTests {
    private static let names = [
        "jpeg_17x9_420.jpg", "jpeg_420_progressive.jpg", "jpeg_cmyk.jpg", "jpeg_exif_orientation6.jpg",
        "jpeg_gray.jpg", "png_1bit.png",
        "png_gray_alpha.png", "png_palette.png", "png_rgb.png", "webp_alpha.webp", "webp_alpha_lossless.webp",
        "webp_lossless.webp", "webp_lossy.webp",
    ]

    @Test("a damaged image is decoded completely or refused as bad data", .slow)
    func mutations() throws {
        let seeds = try Self.names.map { try Fixtures.bytes("decode/\($0)") }
        var budget = FuzzBudget(rounds: 3000)
        var mutator = Mutator(seed: budget.seed)
        var decoded = 0
        while budget.next() {
            var bytes = mutator.mutate(seeds.randomElement(using: &mutator.random) ?? [])
            if ImageFormat(firstBytes: bytes) == .png { PNGChecksums.mend(&bytes) }
            do {
                let image = try PixelImage(decoding: bytes)
                #expect(image.pixels.count == image.width * image.height * 3)
                decoded += 1
            } catch let error as PVITError {
                #expect(error.code.category == .badData, "seed \(budget.seed): \(error)")
            }
        }
        #expect(decoded > 100, "some damage must lie where it does no harm")
    }
}
