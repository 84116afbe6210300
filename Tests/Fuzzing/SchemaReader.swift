import ConstrainedDecoding
import Storage
import Tensors

/// All bytes as tokens.
private let bytes = VocabularyTrie(
    Dictionary(uniqueKeysWithValues: (0...255).map { (TokenID(rawValue: $0), [UInt8(truncatingIfNeeded: $0)]) }))

/// A JSON Schema, under which a text is then written from allowed bytes. There is always one, and a complete text is
/// JSON.
func readJSONSchema(_ input: [UInt8]) throws {
    let constraint = try JSONConstraint(schema: JSONValue(parsing: input))
    var state = constraint.makeState()
    var text: [UInt8] = []
    var random = UInt64(input.count)
    while text.count < 1000, !state.mustEnd {
        let allowed = Array(bytes.allowedTokens(from: state))
        precondition(!allowed.isEmpty, "a text can neither end nor go on")
        random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let closing = allowed.first { "\"]}".utf8.contains(UInt8(truncatingIfNeeded: $0.rawValue)) }
        let any = allowed[Int(random >> 33) % allowed.count]
        let token = random >> 62 > 0 ? closing ?? any : any
        let byte = UInt8(truncatingIfNeeded: token.rawValue)
        let isAllowed = state.append([byte])
        precondition(isAllowed, "an allowed byte is refused")
        text.append(byte)
        if state.mayEnd {
            let isJSON = (try? JSONValue(parsing: text)) != nil
            precondition(isJSON, "a complete text is not JSON")
        }
    }
}
