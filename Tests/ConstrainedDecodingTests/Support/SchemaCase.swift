import ConstrainedDecoding
import Foundation
import Storage
import Testing

/// A schema of `Fixtures/schemas.json`.
struct SchemaCase: CustomTestStringConvertible, Sendable {
    let name: String
    let schema: JSONValue
    let accepted: [String]
    let rejected: [String]

    var testDescription: String { name }

    /// All of them.
    static let all: [SchemaCase] = {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/schemas.json")
        guard let data = try? Data(contentsOf: path), let cases = try? JSONValue(parsing: [UInt8](data)).array else {
            return []
        }
        return cases.map { value in
            SchemaCase(
                name: value["name"]?.string ?? "", schema: value["schema"] ?? .null,
                accepted: value["accepted"]?.array?.compactMap(\.string) ?? [],
                rejected: value["rejected"]?.array?.compactMap(\.string) ?? [])
        }
    }()
}

extension JSONConstraint {
    /// Compiles the text of a schema.
    init(_ schema: String) throws { try self.init(schema: JSONValue(parsing: Array(schema.utf8))) }

    /// Whether a text is accepted as a whole.
    func accepts(_ text: some Sequence<UInt8>) -> Bool {
        var state = makeState()
        return state.append(text) && state.mayEnd
    }

    /// Whether a text is accepted as a whole.
    func accepts(_ text: String) -> Bool { accepts(text.utf8) }
}

extension ConstraintState {
    /// The state after more text; nil if it is not allowed.
    func after(_ text: some Sequence<UInt8>) -> ConstraintState? {
        var copy = self
        return copy.append(text) ? copy : nil
    }
}
