extension JinjaRenderer {
    /// Applies one of the filters that apply another filter or a test to each element.
    func applySelectionFilter(
        _ name: String, to value: JinjaValue, _ arguments: JinjaArguments
    ) throws -> JinjaValue {
        switch name {
        case "map":
            let change = try mapping(arguments)
            return .iterator(try .mapping(try elements(of: value), change))
        case "groupby": return try groupBy(value, arguments)
        default:
            let isByMember = name.hasSuffix("attr")
            guard !isByMember || !arguments.positional.isEmpty else {
                throw JinjaError.runtime("\(name) needs the name of a member")
            }
            let rest = arguments.dropping(isByMember ? 1 : 0)
            let testName = try rest.positional.first.map { try string($0, for: name).text }
            return .iterator(
                try .mapping(try elements(of: value)) { element in
                    let subject = isByMember ? try member(arguments.positional[0], of: element) : element
                    let holds = try testName.map { try test($0, subject, rest.dropping(1)) } ?? subject.isTrue
                    return holds != name.hasPrefix("reject") ? element : nil
                })
        }
    }

    private func mapping(_ arguments: JinjaArguments) throws -> (JinjaValue) throws -> JinjaValue {
        guard arguments.positional.isEmpty else {
            let filter = try string(arguments.positional[0], for: "map").text
            let rest = arguments.dropping(1)
            return { try self.apply(filter, to: $0, rest) }
        }
        let bound = try arguments.bound(to: ["attribute", "default"], of: "map", required: 1)
        return { try self.member(bound[0].orNone, of: $0, fallback: bound[1].flatMap { $0.isNone ? nil : $0 }) }
    }

    /// The value at a path such as `a.b` or `0`.
    func member(_ path: JinjaValue, of value: JinjaValue, fallback: JinjaValue? = nil) throws -> JinjaValue {
        func step(_ base: JinjaValue, _ key: JinjaValue) throws -> JinjaValue {
            let member = try item(base, key)
            return member.isUndefined ? fallback ?? member : member
        }
        guard case .string(let text) = path else { return try step(value, path) }
        return try text.split(".", budget).reduce(value) { base, key in
            let isNumber = key.consists { $0.isPythonDigit }
            return try step(base, isNumber ? Int(key.text).map { .integer($0) } ?? .string(key) : .string(key))
        }
    }

    private func groupBy(_ value: JinjaValue, _ arguments: JinjaArguments) throws -> JinjaValue {
        let bound = try arguments.bound(to: ["attribute", "default", "case_sensitive"], of: "groupby", required: 1)
        let isSensitive = bound[2].orNone.isTrue
        let keyed = try elements(of: value).map { element in
            let key = try member(bound[0].orNone, of: element, fallback: bound[1].flatMap { $0.isNone ? nil : $0 })
            return (
                key: [try sortKey(nil, of: key, isSensitive: isSensitive)], value: try list([key, element], .tuple)
            )
        }
        var groups: [(key: JinjaValue, shown: JinjaValue, elements: [JinjaValue])] = []
        for pair in try sorted(keyed, isReversed: false) {
            let members = try elements(of: pair)
            let key = try sortKey(nil, of: members[0], isSensitive: isSensitive)
            if let last = groups.last, try equal(last.key, key) {
                groups[groups.count - 1].elements.append(members[1])
            } else {
                groups.append((key, members[0], [members[1]]))
            }
        }
        return try list(try groups.map { try list([$0.shown, try list($0.elements)], .group) })
    }
}
