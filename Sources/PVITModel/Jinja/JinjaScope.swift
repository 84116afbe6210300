/// Names and their values, inside of other scopes.
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

/// What the name `loop` stands for.
final class JinjaLoop {
    let elements: [JinjaValue]
    /// How many calls of a recursive loop are around this one.
    let depth: Int
    /// How deep its elements nest.
    let valueDepth: Int
    var index = 0
    /// What `changed` was called with last.
    var previous: [JinjaValue]?
    /// The tag, which a recursive loop can be called to run again, and where it stands.
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

/// What can be called.
indirect enum JinjaFunction {
    /// One that is there without being defined.
    case global(String)
    case method(JinjaValue, String)
    case macro(JinjaMacro)
    case joiner(JinjaCounter, separator: JinjaValue)
}

/// A macro, and the scope whose names it sees.
final class JinjaMacro {
    let definition: JinjaMacroDefinition
    let scope: JinjaScope

    init(_ definition: JinjaMacroDefinition, in scope: JinjaScope) {
        self.definition = definition
        self.scope = scope
    }
}

/// How often something was called.
final class JinjaCounter {
    var count = 0
}
