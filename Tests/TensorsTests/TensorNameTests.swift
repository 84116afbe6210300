import Storage
import Tensors
import Testing

@Suite("Names of tensors are bytes")
struct TensorNameTests {
    /// Two spellings of one text: composed and decomposed.
    private let composed: TensorName = "caf\u{E9}.weight"
    private let decomposed: TensorName = "cafe\u{301}.weight"

    @Test("two spellings of a text are two names, although they are equal strings")
    func twoNames() {
        #expect(composed.rawValue == decomposed.rawValue)
        #expect(composed != decomposed && !(composed == decomposed))
        #expect(composed == TensorName(composed.rawValue) && !(composed != TensorName(composed.rawValue)))
    }

    @Test("sets and dictionaries keep both spellings")
    func keys() {
        #expect(Set([composed, decomposed]).count == 2)
        let numbers = [composed: 1, decomposed: 2]
        #expect(numbers[composed] == 1 && numbers[decomposed] == 2)
    }

    @Test("the order is that of the bytes")
    func order() {
        // C3 A9 comes after 65 CC 81.
        #expect([composed, decomposed].sorted() == [decomposed, composed])
        #expect(decomposed < composed && !(composed < decomposed))
    }

    @Test("descriptions that differ in spelling differ")
    func descriptions() throws {
        let shape = try #require(Shape([1]))
        let first = try TensorDescription(name: composed, elementType: .u8, shape: shape)
        let second = try TensorDescription(name: decomposed, elementType: .u8, shape: shape)
        #expect(first != second)
    }

    @Test("an error's tensor keeps its spelling")
    func errors() {
        #expect(PVITError(.tensorNotFound, "x", tensor: composed).tensor == composed)
        #expect(PVITError(.tensorNotFound, "x", tensor: composed).tensor != decomposed)
    }
}
