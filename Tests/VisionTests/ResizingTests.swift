import CheckpointTestSupport
import Architectures
import Storage
import SystemPackage
import Testing

@testable import Vision

@Suite("Resizing")
struct ResizingTests {
    @Test("arrays are resized to the same bytes as by Pillow")
    func goldens() throws {
        let cases = try #require(try Fixtures.json("resize/cases.json")["cases"]?.array)
        #expect(cases.count == 6)
        for entry in cases {
            let number = try #require(entry["i"]?.integer)
            let filter = entry["filter"]?.string == "bicubic" ? ResamplingFilter.bicubic : .bilinear
            let image = try NumpyArray(fixture: "resize/\(number)_in").image()
            let result = try image.resized(to: #require(entry["out_wh"]?.pixelSize), filter: filter)
            #expect(try result == NumpyArray(fixture: "resize/\(number)_out").image(), "case \(number)")
        }
    }

    @Test("photographs are resized to the same bytes as by the region encoder's own preparation")
    func photographs() throws {
        for photo in try #require(try Fixtures.json("photos/cases.json").array) {
            guard let size = photo["resized_wh"]?.pixelSize else { continue }
            let name = try #require(photo["file"]?.string)
            let image = try PixelImage(contentsOf: Fixtures.photo(name))
            let fitted = try image.size.fitting(shortestEdge: 800, longestEdge: 1333)
            #expect(fitted == size)
            #expect(
                try image.resized(to: fitted, filter: .bilinear).digest == photo["resized_sha256"]?.string, "\(name)")
        }
    }

    @Test("the shortest edge becomes 800 unless the longest would exceed 1333")
    func shortestEdge() throws {
        let cases = try #require(try Fixtures.json("shortest_edge.json").array)
        #expect(cases.count == 15)
        for entry in cases {
            let size = try #require(entry["in_wh"]?.pixelSize)
            #expect(try size.fitting(shortestEdge: 800, longestEdge: 1333) == entry["out_wh"]?.pixelSize, "\(size)")
        }
    }

    @Test("extreme proportions keep at least one pixel")
    func extremeProportions() throws {
        let wide = try PixelSize(width: 60_000, height: 1).fitting(shortestEdge: 800, longestEdge: 1333)
        #expect(wide == PixelSize(width: 1333, height: 1))
    }

    @Test("resizing to the same size changes nothing, and one pixel is the mean")
    func simpleSizes() throws {
        let image = try PixelImage(
            size: PixelSize(width: 2, height: 2), pixels: [0, 10, 20, 0, 20, 40, 8, 30, 60, 8, 40, 80])
        #expect(try image.resized(to: image.size, filter: .bicubic) == image)
        let one = try image.resized(to: PixelSize(width: 1, height: 1), filter: .bilinear)
        #expect(one.pixels == [4, 25, 50])
    }

    @Test("impossible sizes are refused")
    func impossibleSizes() throws {
        let image = try PixelImage(size: PixelSize(width: 1, height: 1), pixels: [1, 2, 3])
        let sizes: [((Int, Int), PVITError.Code)] = [
            ((0, 1), .imageSize), ((1, -1), .imageSize), ((65_536, 1), .imageTooLarge), ((1, .max), .imageTooLarge),
            ((.max, .max), .imageTooLarge), ((20_000, 20_000), .imageTooLarge),
        ]
        for ((width, height), code) in sizes {
            let size = PixelSize(width: width, height: height)
            let error = try #require(throws: PVITError.self) { try image.resized(to: size, filter: .bilinear) }
            #expect(error.code == code)
            #expect(throws: PVITError.self) { try size.fitting(shortestEdge: 800, longestEdge: 1333) }
        }
    }
}
