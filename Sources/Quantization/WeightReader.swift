import Storage
import Tensors

/// Reads rows of a tensor as numbers: elements of a vector, rows of a matrix or of the embeddings. It must be safe to
/// call from any thread.
package typealias WeightReader = @Sendable (_ name: TensorName, _ rows: Range<Int>) throws -> [Float]

/// Reads rows that are to have `count` numbers.
///
/// - Throws: `quantize.shape` for any other number, and the reader's errors.
func read(_ rows: Range<Int>, of name: TensorName, count: Int, by reader: WeightReader) throws -> [Float] {
    let numbers = try reader(name, rows)
    guard numbers.count == count else {
        throw PVITError(
            .cannotQuantize, "\(numbers.count) numbers were read where \(count) were expected", tensor: name)
    }
    return numbers
}
