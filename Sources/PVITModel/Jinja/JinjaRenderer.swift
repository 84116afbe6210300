/// Renders a template once.
final class JinjaRenderer {
    let budget: JinjaBudget
    var scope: JinjaScope
    /// The text written so far. The last element belongs to the innermost block whose text is captured.
    private var outputs: [[PromptScalar]] = []
    private var depth = 0
    /// Objects that may take part in reference cycles. `release` breaks these.
    private var namespaces: [JinjaNamespace] = []
    private var capturedScopes: [JinjaScope] = []
    private var comparedLoops: [JinjaLoop] = []

    /// How a list of statements ended.
    enum Flow {
        case normal
        case breakLoop
        case continueLoop
    }

    init(_ variables: [String: JinjaValue], _ budget: JinjaBudget) {
        scope = JinjaScope(variables, in: nil)
        self.budget = budget
    }

    func render(_ statements: [JinjaStatement]) throws -> JinjaString {
        scope = JinjaScope(in: scope)
        return try capture { try run(statements) }
    }

    /// Releases all values. Breaks reference cycles, and releases long chains without deep recursion.
    func release() {
        for namespace in namespaces { namespace.members = JinjaDictionary() }
        for scope in capturedScopes { scope.variables = [:] }
        for loop in comparedLoops { loop.previous = nil }
    }

    func makeNamespace(_ members: JinjaDictionary) -> JinjaValue {
        let namespace = JinjaNamespace(members)
        namespaces.append(namespace)
        return .namespace(namespace)
    }

    func makeMacro(_ definition: JinjaMacroDefinition) -> JinjaMacro {
        capturedScopes.append(scope)
        return JinjaMacro(definition, in: scope)
    }

    /// Whether `loop.changed` is called with other values than the last time.
    func hasChanged(_ loop: JinjaLoop, _ values: [JinjaValue]) throws -> Bool {
        if let previous = loop.previous, try equal(previous, values) { return false }
        if loop.previous == nil { comparedLoops.append(loop) }
        loop.previous = values
        return true
    }

    /// Runs `body` one level deeper.
    func nested<Result>(_ body: () throws -> Result) throws -> Result {
        depth += 1
        defer { depth -= 1 }
        guard depth <= JinjaBudget.evaluationDepth else {
            throw JinjaError.runtime("macros or loops recurse more than \(JinjaBudget.evaluationDepth) deep")
        }
        return try body()
    }

    /// The text that `body` writes.
    func capture(_ body: () throws -> Flow) throws -> JinjaString {
        outputs.append([])
        do {
            _ = try body()
        } catch {
            outputs.removeLast()
            throw error
        }
        return JinjaString(outputs.removeLast())
    }

    func inScope<Result>(_ inner: JinjaScope, _ body: () throws -> Result) rethrows -> Result {
        let outer = scope
        scope = inner
        defer { scope = outer }
        return try body()
    }

    func write(_ text: JinjaString) throws {
        try budget.spend(text.count)
        outputs[outputs.count - 1] += text.scalars
    }

    @discardableResult
    func run(_ statements: [JinjaStatement]) throws -> Flow {
        try nested {
            for statement in statements {
                try budget.spend(JinjaBudget.evaluationCost)
                let flow = try run(statement)
                if flow != .normal { return flow }
            }
            return .normal
        }
    }

    private func run(_ statement: JinjaStatement) throws -> Flow {
        switch statement {
        case .text(let text): try write(text)
        case .output(let expression): try write(try text(of: value(of: expression)))
        case .conditional(let branches):
            for branch in branches {
                if let condition = branch.condition, !(try value(of: condition).isTrue) { continue }
                return try run(branch.body)
            }
        case .loop(let loop): try run(loop, over: value(of: loop.sequence), depth: 0)
        case .assignment(let target, let expression): try assign(value(of: expression), to: target)
        case .blockAssignment(let target, let filters, let body):
            let text = try inScope(JinjaScope(in: scope)) { try capture { try run(body) } }
            try assign(try apply(filters, to: .string(text)), to: target)
        case .macro(let definition):
            scope.variables[definition.name] = .function(.macro(makeMacro(definition)))
        case .call(let call, let caller):
            try write(try text(of: self.call(call, caller: makeMacro(caller))))
        case .filter(let filters, let body):
            let text = try inScope(JinjaScope(in: scope)) { try capture { try run(body) } }
            try write(try self.text(of: try apply(filters, to: .string(text))))
        case .scope(let bindings, let body):
            let inner = JinjaScope(in: scope)
            for (target, expression) in bindings {
                guard case .name(let name) = target else { continue }
                inner.variables[name] = try value(of: expression)
            }
            return try inScope(inner) { try run(body) }
        case .breakLoop: return .breakLoop
        case .continueLoop: return .continueLoop
        }
        return .normal
    }

    private func apply(_ filters: [JinjaAppliedFilter], to value: JinjaValue) throws -> JinjaValue {
        try filters.reduce(value) { try apply($1.name, to: $0, try arguments($1.arguments)) }
    }

    private func assign(_ value: JinjaValue, to target: JinjaTarget) throws {
        switch target {
        case .name(let name): scope.variables[name] = value
        case .member(let name, let member):
            guard case .namespace(let namespace)? = scope[name] else {
                throw JinjaError.runtime("\(name) is not a namespace")
            }
            try budget.spend(namespace.members.entries.count, each: JinjaBudget.elementCost)
            namespace.members = try namespace.members.setting(member, value)
        case .tuple(let targets):
            let values = try elements(of: value)
            guard values.count == targets.count else {
                throw JinjaError.runtime("\(values.count) values are assigned to \(targets.count) names")
            }
            for (target, value) in zip(targets, values) { try assign(value, to: target) }
        }
    }

    func run(_ tag: JinjaForLoop, over sequence: JinjaValue, depth: Int) throws {
        let outer = scope
        var elements = try elements(of: sequence)
        if let condition = tag.condition {
            elements = try elements.filter { element in
                try inScope(JinjaScope(in: outer)) {
                    try assign(element, to: tag.target)
                    return try value(of: condition).isTrue
                }
            }
        }
        guard !elements.isEmpty else {
            _ = try inScope(JinjaScope(in: outer)) { try run(tag.otherwise) }
            return
        }
        let loop = try JinjaLoop(elements, depth: depth, tag, in: outer)
        for (index, element) in elements.enumerated() {
            loop.index = index
            try budget.spend(JinjaBudget.evaluationCost)
            let flow = try inScope(JinjaScope(["loop": .loop(loop)], in: outer)) {
                try assign(element, to: tag.target)
                return try run(tag.body)
            }
            if flow == .breakLoop { break }
        }
    }
}
