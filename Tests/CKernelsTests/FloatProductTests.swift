import CKernels
import Foundation
import TestSupport
import Testing

@Suite("Float products and the vision towers' other kernels")
struct FloatProductTests {
    private static let panelStride = Int(PVIT_PANEL_STRIDE)

    private static func kernels(_ set: InstructionSet) throws -> pvit_kernels {
        try #require(pvit_kernels_for(set.isa)).pointee
    }

    @Test(
        "packed rows are columns of lanes, and convolution kernels have the order of patches",
        arguments: InstructionSet.all)
    func pack(set: InstructionSet) throws {
        let kernels = try Self.kernels(set)
        var random = RepeatableRandom(seed: 11)
        for (rows, lane) in [(16, 0), (3, 5), (1, 15), (15, 1)] {
            for (columns, kernelArea) in [(1, 1), (16, 1), (40, 1), (576, 9), (45, 9), (588, 196), (64, 1)] {
                let w = GuardedBuffer(random.floats((rows - 1) * (columns + 3) + columns))
                let group = GuardedBuffer<Float>(repeating: -7, count: columns * 16)
                kernels.pack_rows(
                    w.pointer, PVIT_FLOAT_F32, rows, columns, columns + 3, kernelArea, lane, group.pointer)
                var expected = [Float](repeating: -7, count: columns * 16)
                for row in 0..<rows {
                    for column in 0..<columns {
                        let place = column % kernelArea * (columns / kernelArea) + column / kernelArea
                        expected[place * 16 + lane + row] = w.pointer[row * (columns + 3) + column]
                    }
                }
                #expect(group.elements == expected, "\(rows) rows of \(columns), \(kernelArea) kernelArea")
            }
        }
    }

    private struct Product {
        let rows: Int
        let depth: Int
        let groups: Int
        let panel: GuardedBuffer<Float>
        let weights: GuardedBuffer<Float>
        var groupStride: Int { (depth + 5) * 16 }

        init(rows: Int, depth: Int, groups: Int, random: inout RepeatableRandom) {
            self.rows = rows
            self.depth = depth
            self.groups = groups
            panel = GuardedBuffer(random.floats((rows - 1) * panelStride + depth))
            weights = GuardedBuffer(random.floats((groups - 1) * (depth + 5) * 16 + depth * 16))
        }

        func sums(_ kernels: pvit_kernels, from start: [Float]? = nil) -> [Float] {
            let stride = groups * 16 + 4
            let result = GuardedBuffer(start ?? [Float](repeating: -3, count: (rows - 1) * stride + groups * 16))
            kernels.multiply_panel(
                panel.pointer, rows, depth, weights.pointer, groups, groupStride, start == nil ? 0 : 1, result.pointer,
                stride)
            return result.elements
        }
    }

    @Test("products have float accuracy and the same bits on every instruction set", arguments: InstructionSet.all)
    func multiply(set: InstructionSet) throws {
        let (kernels, scalar) = (try Self.kernels(set), try Self.kernels(.scalar))
        var random = RepeatableRandom(seed: 12)
        let sizes = (1...13).map { ($0, 37, 3) } + [(96, 256, 2), (24, 1, 1), (95, 80, 5), (12, 255, 4), (30, 0, 2)]
        for (rows, depth, groups) in sizes {
            let product = Product(rows: rows, depth: depth, groups: groups, random: &random)
            let result = product.sums(kernels)
            #expect(firstDifference(result, product.sums(scalar)) == nil, "\(rows) x \(depth) x \(groups)")
            #expect(firstDifference(product.sums(kernels, from: result), product.sums(scalar, from: result)) == nil)
            let stride = groups * 16 + 4
            for row in 0..<rows {
                for output in 0..<groups * 16 {
                    let terms = (0..<depth).map { k in
                        let weight = product.weights.pointer[output / 16 * product.groupStride + k * 16 + output % 16]
                        return Double(product.panel.pointer[row * Self.panelStride + k]) * Double(weight)
                    }
                    let error = abs(Double(result[row * stride + output]) - terms.reduce(0, +))
                    #expect(error <= 1e-6 * terms.reduce(0) { $0 + abs($1) })
                }
            }
        }
    }

    @Test("splitting a product along its depth does not change its bits", arguments: InstructionSet.all)
    func cut(set: InstructionSet) throws {
        let kernels = try Self.kernels(set)
        var random = RepeatableRandom(seed: 13)
        let product = Product(rows: 7, depth: 200, groups: 1, random: &random)
        let whole = product.sums(kernels)
        let sums = GuardedBuffer<Float>(repeating: 0, count: whole.count)
        for part in [0..<1, 1..<90, 90..<200] {
            kernels.multiply_panel(
                product.panel.pointer + part.lowerBound, 7, part.count, product.weights.pointer + part.lowerBound * 16,
                1,
                0, part.lowerBound == 0 ? 0 : 1, sums.pointer, 20)
        }
        for row in 0..<7 {
            #expect(Array(sums.elements[row * 20..<row * 20 + 16]) == Array(whole[row * 20..<row * 20 + 16]))
        }
    }

    @Test(
        "scale, shift, residual and activation agree with the formula, with the same bits on every instruction set",
        arguments: InstructionSet.all)
    func finish(set: InstructionSet) throws {
        let (kernels, scalar) = (try Self.kernels(set), try Self.kernels(.scalar))
        var random = RepeatableRandom(seed: 14)
        let (rows, outputs, stride) = (5, 39, 48)
        let arrays = (0..<4).map { _ in GuardedBuffer(random.floats(rows * stride, in: -4...4)) }
        for activation in [PVIT_ACTIVATION_NONE, PVIT_ACTIVATION_RELU, PVIT_ACTIVATION_QUICK_GELU] {
            for parts in 0..<8 {
                let epilogue = pvit_epilogue(
                    scale: parts & 1 == 0 ? nil : UnsafePointer(arrays[1].pointer),
                    shift: parts & 2 == 0 ? nil : UnsafePointer(arrays[2].pointer),
                    residual: parts & 4 == 0 ? nil : UnsafePointer(arrays[3].pointer), residual_stride: stride,
                    activation: activation)
                func result(_ kernels: pvit_kernels) -> [Float] {
                    let y = GuardedBuffer<Float>(repeating: 0, count: rows * stride)
                    kernels.finish(arrays[0].pointer, stride, rows, outputs, epilogue, y.pointer, stride)
                    let after = (0..<rows).flatMap { y.elements[$0 * stride + outputs..<($0 + 1) * stride] }
                    #expect(after.allSatisfy { $0 == 0 })
                    return (0..<rows).flatMap { y.elements[$0 * stride..<$0 * stride + outputs] }
                }
                let values = result(kernels)
                #expect(firstDifference(values, result(scalar)) == nil)
                for row in 0..<rows {
                    for output in 0..<outputs {
                        func number(_ array: Int, _ index: Int) -> Double { Double(arrays[array].pointer[index]) }
                        let place = row * stride + output
                        var exact = number(0, place) * (parts & 1 == 0 ? 1 : number(1, output))
                        if parts & 2 != 0 { exact += number(2, output) }
                        if parts & 4 != 0 { exact += number(3, place) }
                        if activation == PVIT_ACTIVATION_RELU { exact = max(exact, 0) }
                        if activation == PVIT_ACTIVATION_QUICK_GELU { exact /= 1 + exp(-1.702 * exact) }
                        #expect(abs(Double(values[row * outputs + output]) - exact) < 5e-6)
                    }
                }
            }
        }
    }

    @Test("the residual may be the result", arguments: InstructionSet.all)
    func residualInPlace(set: InstructionSet) throws {
        let kernels = try Self.kernels(set)
        var random = RepeatableRandom(seed: 15)
        let (sums, y) = (random.floats(32), random.floats(32))
        let result = GuardedBuffer(y)
        let epilogue = pvit_epilogue(
            scale: nil, shift: nil, residual: UnsafePointer(result.pointer), residual_stride: 32,
            activation: PVIT_ACTIVATION_NONE)
        kernels.finish(sums, 32, 1, 32, epilogue, result.pointer, 32)
        #expect(firstDifference(result.elements, zip(sums, y).map(+)) == nil)
    }

    @Test(
        "layer norm and softmax agree with the formulas, with the same bits on every instruction set",
        arguments: InstructionSet.all)
    func normAndSoftmax(set: InstructionSet) throws {
        let (kernels, scalar) = (try Self.kernels(set), try Self.kernels(.scalar))
        var random = RepeatableRandom(seed: 16)
        for count in [1, 2, 15, 16, 17, 64, 81, 257, 1024] {
            let x = random.floats(count, in: -5...9)
            let (weight, bias) = (random.floats(count), random.floats(count))
            func norm(_ kernels: pvit_kernels, inPlace: Bool) -> [Float] {
                let input = GuardedBuffer(x)
                let result = inPlace ? input : GuardedBuffer<Float>(repeating: 0, count: count)
                let (weight, bias) = (GuardedBuffer(weight), GuardedBuffer(bias))
                kernels.layer_norm(input.pointer, weight.pointer, bias.pointer, count, 1e-5, result.pointer)
                return result.elements
            }
            let mean = x.reduce(0.0) { $0 + Double($1) } / Double(count)
            let variance = x.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(count)
            let normed = norm(kernels, inPlace: false)
            for index in 0..<count {
                let exact = (Double(x[index]) - mean) / (variance + 1e-5).squareRoot() * Double(weight[index])
                #expect(abs(Double(normed[index]) - exact - Double(bias[index])) < (count == 1 ? 1e-3 : 2e-6))
            }
            #expect(firstDifference(normed, norm(scalar, inPlace: true)) == nil)

            func softmax(_ kernels: pvit_kernels) -> [Float] {
                let result = GuardedBuffer(x)
                kernels.softmax(result.pointer, count, 0.7)
                return result.elements
            }
            let powers = x.map { exp(Double($0) * 0.7) }
            let total = powers.reduce(0, +)
            let parts = softmax(kernels)
            for index in 0..<count { #expect(abs(Double(parts[index]) - powers[index] / total) < 3e-7) }
            #expect(firstDifference(parts, softmax(scalar)) == nil)
        }
    }

    @Test(
        "weighted sums are added in order, with the same bits on every instruction set", arguments: InstructionSet.all)
    func weightedSum(set: InstructionSet) throws {
        let (kernels, scalar) = (try Self.kernels(set), try Self.kernels(.scalar))
        var random = RepeatableRandom(seed: 17)
        for (rows, width) in [(0, 20), (1, 1), (4, 80), (36, 47), (3, 33)] {
            let arrays = (0..<rows).map { _ in GuardedBuffer(random.floats(width)) }
            let pointers: [UnsafePointer<Float>?] = arrays.map { UnsafePointer($0.pointer) }
            let weights = random.floats(rows)
            func sum(_ kernels: pvit_kernels) -> [Float] {
                let result = GuardedBuffer<Float>(repeating: -1, count: width)
                kernels.weighted_sum(pointers, weights, rows, width, result.pointer)
                return result.elements
            }
            let result = sum(kernels)
            for index in 0..<width {
                let exact = (0..<rows).reduce(0.0) { $0 + Double(weights[$1]) * Double(arrays[$1].pointer[index]) }
                #expect(abs(Double(result[index]) - exact) < 1e-5)
            }
            #expect(firstDifference(result, sum(scalar)) == nil)
        }
    }

    @Test("patches contain the area of a kernel, with zeros around each map")
    func gather() {
        let (maps, height, width, channels, stride) = (2, 5, 7, 3, 4)
        var random = RepeatableRandom(seed: 18)
        let pixels = GuardedBuffer(random.floats(maps * height * width * stride))
        for (kernel, step, padding) in [(1, 1, 0), (3, 1, 1), (3, 2, 1), (2, 2, 0), (5, 1, 2)] {
            let outputHeight = (height + 2 * padding - kernel) / step + 1
            let outputWidth = (width + 2 * padding - kernel) / step + 1
            var patches = pvit_im2col(
                pixels: UnsafePointer(pixels.pointer), height: height, width: width, channels: channels,
                pixel_stride: stride, kernel_height: kernel, kernel_width: kernel, stride: step, padding: padding,
                output_height: outputHeight,
                output_width: outputWidth)
            let depth = kernel * kernel * channels
            for columns in [0..<depth, 0..<min(4, depth), depth / 2..<depth] {
                let (first, rows) = (outputWidth, maps * outputHeight * outputWidth - outputWidth)
                let panel = GuardedBuffer<Float>(
                    repeating: -9, count: (rows - 1) * Self.panelStride + columns.count)
                pvit_im2col_gather(&patches, first, rows, columns.lowerBound, columns.count, panel.pointer)
                for row in 0..<rows {
                    let place = first + row
                    let map = place / (outputHeight * outputWidth)
                    let top = place / outputWidth % outputHeight * step - padding
                    let left = place % outputWidth * step - padding
                    for column in columns {
                        let (tap, channel) = (column / channels, column % channels)
                        let (y, x) = (top + tap / kernel, left + tap % kernel)
                        let isInside = 0..<height ~= y && 0..<width ~= x
                        let expected =
                            isInside ? pixels.pointer[((map * height + y) * width + x) * stride + channel] : 0
                        #expect(panel.pointer[row * Self.panelStride + column - columns.lowerBound] == expected)
                    }
                }
            }
        }
    }

    @Test("the benchmark loop's result depends on all of its work", arguments: InstructionSet.all)
    func probe(set: InstructionSet) throws {
        let kernels = try Self.kernels(set)
        var checksum: Float = 0.5
        let once = kernels.fma_probe(10, &checksum)
        #expect(once > 0 && kernels.fma_probe(20, &checksum) == 2 * once && checksum != 0.5)
    }
}
