extension JinjaRenderer {
    /// Calls one of the methods of Python's dictionaries that change nothing.
    func callDictionary(
        _ name: String, _ members: JinjaDictionary, _ arguments: JinjaArguments
    ) throws -> JinjaValue {
        if name == "get" {
            guard arguments.named.isEmpty, (1...2).contains(arguments.positional.count) else {
                throw JinjaError.runtime("get needs a key")
            }
            return members[try key(arguments.positional[0])]
                ?? (arguments.positional.count > 1 ? arguments.positional[1] : .none)
        }
        _ = try arguments.bound(to: [], of: name)
        switch name {
        case "copy": return .dictionary(members)
        case "keys": return try list(members.keys, .view("dict_keys"))
        case "values": return try list(members.entries.map(\.value), .view("dict_values"))
        case "items": return try list(try pairs(of: members), .view("dict_items"))
        default: throw JinjaError.runtime("the method \(name) is not supported")
        }
    }

    /// The members of a dictionary as tuples of key and value.
    func pairs(of members: JinjaDictionary) throws -> [JinjaValue] {
        try members.entries.map { try list([$0.key, $0.value], .tuple) }
    }

    /// Calls one of the methods of Python's lists, tuples and ranges that change nothing.
    func callSequence(_ name: String, _ elements: [JinjaValue], _ arguments: JinjaArguments) throws -> JinjaValue {
        switch name {
        case "copy":
            _ = try arguments.bound(to: [], of: name)
            return try list(elements)
        case "count":
            let value = try arguments.bound(to: ["value"], of: name, required: 1)[0].orNone
            return .integer(try elements.filter { try equal($0, value) }.count)
        case "index":
            let value = try arguments.bound(to: ["value"], of: name, required: 1)[0].orNone
            guard let index = try elements.firstIndex(where: { try equal($0, value) }) else {
                throw JinjaError.runtime("index finds nothing")
            }
            return .integer(index)
        default: throw JinjaError.runtime("the method \(name) is not supported")
        }
    }
}
