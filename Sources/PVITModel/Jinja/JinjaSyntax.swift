/// A statement of a template.
indirect enum JinjaStatement: Sendable {
    case text(JinjaString)
    case output(JinjaExpression)
    case conditional([JinjaBranch])
    case loop(JinjaForLoop)
    case assignment(JinjaTarget, JinjaExpression)
    /// `{% set name %} … {% endset %}`
    case blockAssignment(JinjaTarget, filters: [JinjaAppliedFilter], [JinjaStatement])
    case macro(JinjaMacroDefinition)
    /// `{% call(…) f(…) %} … {% endcall %}`
    case call(JinjaExpression, caller: JinjaMacroDefinition)
    case filter([JinjaAppliedFilter], [JinjaStatement])
    /// `{% with a = 1 %} … {% endwith %}`, and `{% generation %}`, which has no assignments.
    case scope([(JinjaTarget, JinjaExpression)], [JinjaStatement])
    case breakLoop
    case continueLoop
}

/// A branch of an `if`. The `else` branch has no condition.
struct JinjaBranch: Sendable {
    let condition: JinjaExpression?
    let body: [JinjaStatement]
}

struct JinjaForLoop: Sendable {
    let target: JinjaTarget
    let sequence: JinjaExpression
    let condition: JinjaExpression?
    let isRecursive: Bool
    let body: [JinjaStatement]
    let otherwise: [JinjaStatement]
}

/// The target of an assignment.
indirect enum JinjaTarget: Sendable {
    case name(String)
    case member(String, String)
    case tuple([JinjaTarget])
}

struct JinjaMacroDefinition: Sendable {
    let name: String
    let parameters: [JinjaParameter]
    let body: [JinjaStatement]
    /// Whether the body uses `varargs`, `kwargs` and `caller`.
    let takesMore: Bool
    let takesMoreNamed: Bool
    let takesCaller: Bool
}

struct JinjaParameter: Sendable {
    let name: String
    let fallback: JinjaExpression?
}

/// A filter and its arguments, without the value that it is applied to.
struct JinjaAppliedFilter: Sendable {
    let name: String
    let arguments: JinjaArgumentExpressions
}

struct JinjaArgumentExpressions: Sendable {
    var positional: [JinjaExpression] = []
    var named: [(name: String, value: JinjaExpression)] = []
    /// The arguments after `*` and `**`.
    var spread: JinjaExpression?
    var namedSpread: JinjaExpression?

    var all: [JinjaExpression] { positional + named.map(\.value) + [spread, namedSpread].compactMap(\.self) }
}

/// An expression.
final class JinjaExpression: Sendable {
    enum Kind: Sendable {
        case literal(JinjaLiteral)
        case name(String)
        case list([JinjaExpression], isTuple: Bool)
        case dictionary([(key: JinjaExpression, value: JinjaExpression)])
        /// `a.b`
        case attribute(JinjaExpression, String)
        /// `a[b]`
        case item(JinjaExpression, JinjaExpression)
        case slice(JinjaExpression, from: JinjaExpression?, to: JinjaExpression?, step: JinjaExpression?)
        case call(JinjaExpression, JinjaArgumentExpressions)
        case filter(JinjaExpression, JinjaAppliedFilter)
        case test(JinjaExpression, String, JinjaArgumentExpressions)
        case not(JinjaExpression)
        case sign(JinjaExpression, isNegative: Bool)
        case and(JinjaExpression, JinjaExpression)
        case or(JinjaExpression, JinjaExpression)
        case arithmetic(JinjaOperator, JinjaExpression, JinjaExpression)
        case comparison(JinjaExpression, [(JinjaComparison, JinjaExpression)])
        case concatenation([JinjaExpression])
        case choice(JinjaExpression, condition: JinjaExpression, otherwise: JinjaExpression?)
    }

    let kind: Kind
    private let depth: Int

    /// - Throws: `chat.template` if expressions nest too deeply to be evaluated or released.
    init(_ kind: Kind) throws {
        self.kind = kind
        depth = 1 + (Self.operands(of: kind).map(\.depth).max() ?? 0)
        guard depth <= JinjaBudget.expressionDepth else {
            throw JinjaError.syntax("an expression nests more than \(JinjaBudget.expressionDepth) deep")
        }
    }

    /// Whether Jinja folds the expression to a constant before it renders.
    var isConstant: Bool {
        switch kind {
        case .literal: true
        case .sign, .arithmetic: Self.operands(of: kind).allSatisfy(\.isConstant)
        default: false
        }
    }

    private static func operands(of kind: Kind) -> [JinjaExpression] {
        switch kind {
        case .literal, .name: []
        case .list(let elements, _), .concatenation(let elements): elements
        case .dictionary(let members): members.flatMap { [$0.key, $0.value] }
        case .attribute(let base, _), .not(let base), .sign(let base, _): [base]
        case .item(let left, let right), .and(let left, let right), .or(let left, let right),
            .arithmetic(_, let left, let right):
            [left, right]
        case .slice(let base, let from, let to, let step): [base] + [from, to, step].compactMap(\.self)
        case .call(let function, let arguments): [function] + arguments.all
        case .filter(let base, let filter): [base] + filter.arguments.all
        case .test(let base, _, let arguments): [base] + arguments.all
        case .comparison(let first, let others): [first] + others.map(\.1)
        case .choice(let value, let condition, let otherwise): [value, condition] + [otherwise].compactMap(\.self)
        }
    }
}

enum JinjaOperator: String, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case floorDivide = "//"
    case remainder = "%"
    case power = "**"
}

enum JinjaComparison: String, Sendable {
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case isIn = "in"
    case isNotIn = "not in"
}

/// A literal.
enum JinjaLiteral: Sendable {
    case none
    case bool(Bool)
    case integer(Int)
    case float(Double)
    case string(JinjaString)

    var value: JinjaValue {
        switch self {
        case .none: .none
        case .bool(let value): .bool(value)
        case .integer(let value): .integer(value)
        case .float(let value): .float(value)
        case .string(let value): .string(value)
        }
    }
}
