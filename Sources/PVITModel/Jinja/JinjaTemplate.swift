import Tensors

/// A template in the part of the Jinja language that chat templates are written in, rendered as `transformers` does.
///
/// What a template reaches that is not supported is an error, never other text. Rendering does a bounded amount of work.
struct JinjaTemplate: Sendable {
    private let statements: [JinjaStatement]

    /// - Throws: `chat.template` when the text is not a template or uses tags that are not supported.
    init(_ text: String) throws {
        guard text.utf8.count <= 1 << 20 else { throw JinjaError.syntax("it is longer than 1 MiB") }
        statements = try JinjaParser.parse(text)
    }

    /// The text that the template makes of `variables`.
    func render(_ variables: [String: JinjaValue]) throws -> String {
        var renderer = JinjaRenderer(variables)
        try renderer.run(statements)
        return renderer.output
    }
}

/// The state of one rendering.
struct JinjaRenderer {
    private(set) var output = ""
    /// Names by scope, the innermost last.
    private var scopes: [[String: JinjaValue]]
    private var work = 0
    private static let maximumWork = 1_000_000
    private static let maximumOutput = 256 << 20

    init(_ variables: [String: JinjaValue]) { scopes = [variables] }

    mutating func run(_ statements: [JinjaStatement]) throws {
        for statement in statements {
            try spend(1)
            switch statement {
            case .text(let text): try write(text)
            case .output(let expression): try write(try value(of: expression).text())
            case .conditional(let branches):
                for branch in branches {
                    if let condition = branch.condition, !(try value(of: condition).isTrue) { continue }
                    try run(branch.body)
                    break
                }
            case .loop(let names, let sequence, let condition, let body, let otherwise):
                try loop(names, try value(of: sequence), condition, body, otherwise)
            case .assignment(let name, let attribute, let expression):
                let value = try value(of: expression)
                if let attribute {
                    guard case .namespace(let namespace) = lookUp(name) else {
                        throw JinjaError.runtime("\(name) is no namespace to assign to")
                    }
                    namespace.members[attribute] = value
                } else {
                    scopes[scopes.count - 1][name] = value
                }
            }
        }
    }

    mutating func spend(_ amount: Int) throws {
        work += amount
        guard work <= Self.maximumWork else { throw JinjaError.runtime("it does not come to an end") }
    }

    private mutating func write(_ text: String) throws {
        output += text
        guard output.utf8.count <= Self.maximumOutput else { throw JinjaError.runtime("its text is too long") }
    }

    func lookUp(_ name: String) -> JinjaValue {
        for scope in scopes.reversed() {
            if let value = scope[name] { return value }
        }
        return JinjaFunctions.names.contains(name) ? .function(name, of: nil) : .undefined
    }

    private mutating func loop(
        _ names: [String], _ sequence: JinjaValue, _ condition: JinjaExpression?, _ body: [JinjaStatement],
        _ otherwise: [JinjaStatement]
    ) throws {
        var elements = try JinjaFunctions.elements(of: sequence)
        try spend(elements.count)
        if let condition {
            var kept: [JinjaValue] = []
            for element in elements {
                scopes.append(try Self.bind(names, element))
                defer { scopes.removeLast() }
                if try value(of: condition).isTrue { kept.append(element) }
            }
            elements = kept
        }
        if elements.isEmpty { return try run(otherwise) }
        for (index, element) in elements.enumerated() {
            try spend(1)
            var scope = try Self.bind(names, element)
            scope["loop"] = .dictionary([
                "index": .integer(index + 1), "index0": .integer(index), "first": .bool(index == 0),
                "last": .bool(index == elements.count - 1), "length": .integer(elements.count),
                "revindex": .integer(elements.count - index), "revindex0": .integer(elements.count - index - 1),
                "previtem": index > 0 ? elements[index - 1] : .undefined,
                "nextitem": index + 1 < elements.count ? elements[index + 1] : .undefined,
            ])
            scopes.append(scope)
            defer { scopes.removeLast() }
            try run(body)
        }
    }

    private static func bind(_ names: [String], _ element: JinjaValue) throws -> [String: JinjaValue] {
        if names.count == 1 { return [names[0]: element] }
        guard case .list(let parts) = element, parts.count == names.count else {
            throw JinjaError.runtime("a loop over pairs got something else")
        }
        return Dictionary(zip(names, parts)) { $1 }
    }
}
