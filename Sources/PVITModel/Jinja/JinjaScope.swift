/// Variables, nested in an outer scope.
final class JinjaScope {
    var variables: [String: JinjaValue]
    let parent: JinjaScope?

    init(_ variables: [String: JinjaValue] = [:], in parent: JinjaScope?) {
        self.variables = variables
        self.parent = parent
    }

    subscript(name: String) -> JinjaValue? {
        var scope: JinjaScope? = self
        while let current = scope {
            if let value = current.variables[name] { return value }
            scope = current.parent
        }
        return nil
    }
}

/// The value of the variable `loop`.
final class JinjaLoop {
    let elements: [JinjaValue]
    /// The number of enclosing calls of a recursive loop.
    let depth: Int
    /// The nesting depth of the elements.
    let valueDepth: Int
    var index = 0
    /// The arguments of the last call of `changed`.
    var previous: [JinjaValue]?
    /// The tag and its scope, with which a call runs a recursive loop again.
    let tag: JinjaForLoop
    let scope: JinjaScope

    init(_ elements: [JinjaValue], depth: Int, _ tag: JinjaForLoop, in scope: JinjaScope) throws {
        valueDepth = try jinjaDepth(of: elements)
        self.elements = elements
        self.depth = depth
        self.tag = tag
        self.scope = scope
    }

    func member(_ name: String) -> JinjaValue? {
        switch name {
        case "index": .integer(index + 1)
        case "index0": .integer(index)
        case "revindex": .integer(elements.count - index)
        case "revindex0": .integer(elements.count - index - 1)
        case "first": .bool(index == 0)
        case "last": .bool(index == elements.count - 1)
        case "length": .integer(elements.count)
        case "depth": .integer(depth + 1)
        case "depth0": .integer(depth)
        case "previtem": index > 0 ? elements[index - 1] : .undefined("there is no previous item")
        case "nextitem": index + 1 < elements.count ? elements[index + 1] : .undefined("there is no next item")
        case "cycle", "changed": .function(.method(.loop(self), name))
        default: nil
        }
    }
}

/// A value that can be called.
indirect enum JinjaFunction {
    /// A built-in function.
    case global(String)
    case method(JinjaValue, String)
    case macro(JinjaMacro)
    case joiner(JinjaCounter, separator: JinjaValue)
}

/// A macro with the scope that it was defined in.
final class JinjaMacro {
    let definition: JinjaMacroDefinition
    let scope: JinjaScope

    init(_ definition: JinjaMacroDefinition, in scope: JinjaScope) {
        self.definition = definition
        self.scope = scope
    }
}

/// Counts calls.
final class JinjaCounter {
    var count = 0
}
