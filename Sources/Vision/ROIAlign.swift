import Compute
import Storage

/// Crops regions of a feature map with bilinear interpolation (Mask R-CNN, arXiv 1703.06870, section 3), as
/// torchvision's `roi_align` with `aligned` set and an adaptive sampling ratio.
///
/// A bin is the mean of ceil(bin height) × ceil(bin width) samples. Samples form a grid, so the mean is a sum of the
/// map's pixels weighted by a factor for the row and one for the column.
package struct ROIAlign: Sendable {
    /// Bins along each side of a crop.
    package let resolution: Int
    /// The number of map pixels per unit of a box: 1/16 after a stride of 16.
    package let spatialScale: Float

    /// - Parameters:
    ///   - resolution: Bins along each side of a crop.
    ///   - spatialScale: The number of map pixels per unit of a box.
    package init(resolution: Int, spatialScale: Float) {
        self.resolution = resolution
        self.spatialScale = spatialScale
    }

    /// Crops of one map: `[boxes, resolution, resolution, channels]`. Empty and inverted boxes, and areas outside the
    /// map, give zeros.
    ///
    /// - Throws: `vision.input` if a box is not finite or exceeds ±1,000,000 pixels.
    package func crops(of map: FeatureMaps, _ boxes: [RegionBox], engine: ComputeEngine) throws -> FeatureMaps {
        let result = FeatureMaps(count: boxes.count, height: resolution, width: resolution, channels: map.channels)
        let placed = try boxes.map { box in
            guard [box.left, box.top, box.right, box.bottom].allSatisfy({ $0.isFinite && abs($0) <= 1e6 }) else {
                throw PVITError(
                    .visionInput, "a region reaches from \(box.left), \(box.top) to \(box.right), \(box.bottom)")
            }
            return (
                rows: bins(from: box.top, to: box.bottom, extent: map.height),
                columns: bins(from: box.left, to: box.right, extent: map.width)
            )
        }
        try engine.forEachRange(of: boxes.count * resolution, operations: 32 * resolution * map.channels) { range, _ in
            for index in range {
                let (crop, row) = (index / resolution, index % resolution)
                let rowWeights = placed[crop].rows[row]
                for (column, columnWeights) in placed[crop].columns.enumerated() {
                    var pixels: [UnsafePointer<Float>?] = []
                    var weights: [Float] = []
                    for (y, rowWeight) in zip(rowWeights.pixels, rowWeights.weights) {
                        for (x, columnWeight) in zip(columnWeights.pixels, columnWeights.weights) {
                            pixels.append(UnsafePointer(map.pixel(row: y, column: x)))
                            weights.append(rowWeight * columnWeight)
                        }
                    }
                    engine.weightedSum(
                        pixels, weights, count: map.channels, into: result.pixel(map: crop, row: row, column: column))
                }
            }
        }
        return result
    }

    /// The pixels of a bin along one axis, with their weights.
    private struct Bin {
        var pixels: Range<Int>
        var weights: [Float]
    }

    private func bins(from start: Float, to end: Float, extent: Int) -> [Bin] {
        // Half a pixel, because coordinates are those of pixels' centers.
        let first = start * spatialScale - 0.5
        let binSize = (end * spatialScale - 0.5 - first) / Float(resolution)
        let samples = Int(max(binSize.rounded(.up), 0))
        return (0..<resolution).map { number in
            var weights: [Int: Float] = [:]
            for sample in 0..<samples {
                let position = first + Float(number) * binSize + (Float(sample) + 0.5) * binSize / Float(samples)
                guard position >= -1, position <= Float(extent) else { continue }
                let place = min(max(position, 0), Float(extent - 1))
                let low = min(Int(place), extent - 1)
                let high = min(low + 1, extent - 1)
                weights[low, default: 0] += (1 - (place - Float(low))) / Float(samples)
                weights[high, default: 0] += (place - Float(low)) / Float(samples)
            }
            guard let lowest = weights.keys.min(), let highest = weights.keys.max() else {
                return Bin(pixels: 0..<0, weights: [])
            }
            return Bin(
                pixels: lowest..<highest + 1, weights: (lowest...highest).map { weights[$0] ?? 0 })
        }
    }
}
