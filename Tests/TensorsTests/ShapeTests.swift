import Storage
import Tensors
import Testing

@Suite("Shapes, encodings and sizes")
struct ShapeTests {
    @Test(
        "products that do not fit are no shape",
        arguments: [[1 << 62, 4], [1 << 62, 4, 0], [-1], Array(repeating: 1, count: 9)])
    func refused(dimensions: [Int]) {
        #expect(Shape(dimensions) == nil)
    }

    @Test("rows are the outermost dimension, and a scalar is one row")
    func rows() throws {
        let matrix = try #require(Shape([3, 4, 5]))
        #expect((matrix.rows, matrix.elementsPerRow, matrix.elementCount) == (3, 20, 60))
        let scalar = try #require(Shape([]))
        #expect((scalar.rows, scalar.elementsPerRow, scalar.elementCount) == (1, 1, 1))
        let empty = try #require(Shape([0, 4]))
        #expect((empty.rows, empty.elementCount) == (0, 0))
    }

    @Test("quantized groups take 8.5 and 4.5 bits a weight, and rows are padded to 16")
    func geometry() {
        #expect(TensorEncoding.q8.byteCount(rows: 16, columns: 4096) == 16 * 4096 * 17 / 16)
        #expect(TensorEncoding.q4.byteCount(rows: 16, columns: 4096) == 16 * 4096 * 9 / 16)
        #expect(TensorEncoding.q4.byteCount(rows: 17, columns: 32) == 2 * 16 * 32 * 9 / 16)
        #expect(TensorEncoding.q4.byteCount(rows: 16, columns: 48) == nil)
        #expect(TensorEncoding.q8.byteCount(rows: .max, columns: 1 << 40) == nil)
        #expect(TensorEncoding.plain(.bf16).byteCount(rows: 3, columns: 5) == 30)
    }

    @Test(
        "sizes are read with decimal and binary units",
        arguments: [
            ("2GiB", 2_147_483_648), ("1.5 kB", 1500), ("512M", 536_870_912), ("7", 7), ("10 gb", 10_000_000_000),
        ])
    func byteCounts(text: String, expected: UInt64) {
        #expect(ByteCount(parsing: text)?.rawValue == expected)
    }

    @Test("other texts are no size", arguments: ["", "GiB", "-1", "1 furlong", "1e3", "99999999999999GB", "1.2.3"])
    func notByteCounts(text: String) {
        #expect(ByteCount(parsing: text) == nil)
    }

    @Test("sizes are written with three digits")
    func byteCountText() {
        let expected = [
            (999, "999 B"), (1000, "1.00 kB"), (3_830_000_000, "3.83 GB"), (12_345, "12.3 kB"), (999_700, "1.00 MB"),
        ]
        for (count, text) in expected { #expect("\(ByteCount(count))" == text) }
    }
}
