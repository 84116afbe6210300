import CKernels
import TestSupport

/// Groups of random q4 or q8 weights, encoded and decoded.
struct QuantizedMatrix {
    enum Format: CaseIterable { case q4, q8 }

    let format: Format
    let groups: Int
    let columns: Int
    let bytes: GuardedBuffer<UInt8>
    let tileScale: Float = 0.37

    /// - Parameter extreme: Whether to use scales of every size and zeros, instead of similar ones.
    init(_ format: Format, groups: Int, columns: Int, extreme: Bool = false, random: inout RepeatableRandom) {
        self.format = format
        self.groups = groups
        self.columns = columns
        var bytes: [UInt8] = []
        for _ in 0..<groups {
            for start in stride(from: 0, to: columns, by: 64) {
                let width = min(64, columns - start)
                switch format {
                case .q4:
                    for _ in 0..<width {
                        bytes.append(
                            extreme
                                ? .random(in: 0...255, using: &random)
                                : .random(in: 90...127, using: &random) | (.random(using: &random) ? 128 : 0))
                    }
                    bytes += random.bytes(width * 8)
                case .q8:
                    for _ in 0..<width / 2 {
                        let scale =
                            extreme
                            ? Float16(bitPattern: .random(in: 0..<0x7C00, using: &random))
                            : Float16(Float.random(in: 0.5...1, using: &random))
                        withUnsafeBytes(of: scale.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
                    }
                    let codes = random.bytes(width * 16)
                    bytes += extreme ? codes.map { $0 < 85 ? 1 : $0 < 170 ? 128 : 255 } : codes.map { max($0, 1) }
                }
            }
        }
        self.bytes = GuardedBuffer(bytes)
    }

    var groupBytes: Int { columns * (format == .q4 ? 9 : 17) }
    var rows: Int { groups * 16 }

    /// The weight of a value of 1, in each block of a row.
    func blockScales(row: Int) -> [Double] {
        let group = bytes.pointer + row / 16 * groupBytes
        return stride(from: 0, to: columns, by: format == .q4 ? 16 : 32).map { column in
            let superblock = column / 64 * 64
            let scales = group + superblock * (format == .q4 ? 9 : 17) + (column - superblock)
            switch format {
            case .q4: return Double(tileScale) * q4Scale(field: scales[row % 16])
            case .q8:
                let bits = UInt16(scales[row % 16 * 2]) | UInt16(scales[row % 16 * 2 + 1]) << 8
                return Double(tileScale) * Double(Float16(bitPattern: bits))
            }
        }
    }

    private func q4Scale(field: UInt8) -> Double {
        Double(Float16(bitPattern: UInt16(field & 127) << UInt16(PVIT_Q4_SCALE_SHIFT)))
    }

    /// Weights of a row as `formats/blocks.md` defines them, in exact arithmetic.
    func weights(row: Int) -> [Double] {
        let group = bytes.pointer + row / 16 * groupBytes
        let lane = row % 16
        let codebook = withUnsafeBytes(of: pvit_q4_codebook) { Array($0.bindMemory(to: Int8.self)) }
        return (0..<columns).map { column in
            let superblock = column / 64 * 64
            let width = min(64, columns - superblock)
            let within = column - superblock
            switch format {
            case .q4:
                let scales = group + superblock * 9
                let field = scales[within / 16 * 16 + lane]
                let byte = scales[width + within / 8 * 64 + lane * 4 + within % 4]
                let index = within % 8 < 4 ? byte & 15 : byte >> 4
                let shift = field >= 128 ? Int(PVIT_Q4_SHIFT) : 0
                return Double(tileScale) * q4Scale(field: field) * Double(Int(codebook[Int(index)]) + shift)
            case .q8:
                let scales = group + superblock * 17
                let position = within / 32 * 32 + lane * 2
                let scale = Float16(bitPattern: UInt16(scales[position]) | UInt16(scales[position + 1]) << 8)
                let code = scales[width + within / 4 * 64 + lane * 4 + within % 4]
                return Double(tileScale) * Double(scale) * Double(Int(code) - 128)
            }
        }
    }
}
