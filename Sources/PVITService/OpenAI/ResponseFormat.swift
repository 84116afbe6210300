import ConstrainedDecoding
import PVITModel
import Storage
import Tensors

/// The form that a request prescribes for its answer.
enum ResponseFormat: Sendable {
    /// Any text.
    case text
    /// JSON that follows a constraint.
    case json(JSONConstraint)

    /// - Parameter request: The body. Its member `response_format` is read.
    /// - Throws: A `ServiceError`, also for parts of JSON Schema that are not supported.
    init(_ request: RequestObject) throws {
        guard let format = try request.object("response_format") else {
            self = .text
            return
        }
        do {
            switch try format.string("type") {
            case "text", nil: self = .text
            case "json_object": self = .json(try JSONConstraint.anyObject())
            case "json_schema":
                guard let schema = try format.object("json_schema")?["schema"] else {
                    throw format.invalid("json_schema.schema", "is missing")
                }
                self = .json(try JSONConstraint(schema: schema))
            case let type?:
                throw format.invalid("type", "is \"\(type)\", but it must be text, json_object or json_schema")
            }
        } catch {
            throw ServiceError(error, whileComputing: false, param: "response_format")
        }
    }
}

extension ResponseFormat {
    /// The constraint of an answer; nil for any text.
    ///
    /// - Parameter ends: The tokens that may end the answer.
    func constraint(_ facts: ModelFacts, ends: Set<TokenID>) -> (any AnswerConstraint)? {
        guard case .json(let constraint) = self else { return nil }
        return JSONAnswerConstraint(
            TokenConstraint(constraint, trie: facts.constraintVocabulary.trie, ends: ends))
    }
}

/// Lets an answer consist only of tokens that continue a JSON text.
private struct JSONAnswerConstraint: AnswerConstraint {
    private var constraint: TokenConstraint

    init(_ constraint: TokenConstraint) { self.constraint = constraint }

    mutating func allowed() -> ((TokenID) -> Bool)? {
        let mask = constraint.mask()
        return mask.isEmpty ? nil : { mask[$0] }
    }

    mutating func accept(_ token: TokenID) { _ = constraint.accept(token) }
}
