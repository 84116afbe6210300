import Tensors

/// What a template does, in order.
indirect enum JinjaStatement: Sendable {
    case text(String)
    case output(JinjaExpression)
    /// The branches in order; the condition of `else` is nil.
    case conditional([(condition: JinjaExpression?, body: [JinjaStatement])])
    case loop(
        names: [String], JinjaExpression, condition: JinjaExpression?, body: [JinjaStatement],
        otherwise: [JinjaStatement])
    case assignment(String, attribute: String?, JinjaExpression)
}

/// What has a value.
indirect enum JinjaExpression: Sendable {
    case literal(JinjaLiteral)
    case list([JinjaExpression])
    case dictionary([(JinjaExpression, JinjaExpression)])
    case name(String)
    /// `a.b` and `a['b']` alike.
    case member(JinjaExpression, JinjaExpression)
    case slice(JinjaExpression, from: JinjaExpression?, to: JinjaExpression?, step: JinjaExpression?)
    case call(JinjaExpression, [JinjaExpression], named: [String: JinjaExpression])
    case filter(String, JinjaExpression, [JinjaExpression], named: [String: JinjaExpression])
    case test(String, JinjaExpression, [JinjaExpression])
    case not(JinjaExpression)
    case negative(JinjaExpression)
    case binary(String, JinjaExpression, JinjaExpression)
    case choice(JinjaExpression, condition: JinjaExpression, otherwise: JinjaExpression?)
}

/// A value that is written in a template.
enum JinjaLiteral: Sendable {
    case none
    case bool(Bool)
    case integer(Int)
    case string(String)

    var value: JinjaValue {
        switch self {
        case .none: .none
        case .bool(let value): .bool(value)
        case .integer(let value): .integer(value)
        case .string(let value): .string(value)
        }
    }
}

/// Ways in which a template cannot be rendered.
enum JinjaError {
    static func syntax(_ what: String) -> PVITError {
        PVITError(
            .chatTemplate, "the model's chat template cannot be read: \(what)",
            remedy: "use --raw to give the model a text as it is")
    }

    static func runtime(_ what: String) -> PVITError {
        PVITError(
            .chatTemplate, "the model's chat template failed: \(what)",
            remedy: "use --raw to give the model a text as it is")
    }
}

extension PVITError.Code {
    /// A chat template is absent, unknown or cannot be rendered.
    public static let chatTemplate = Self("chat.template", .badData)
}
