import Storage

/// Reads the keywords of one subschema into facets, and names the subschemas that it is combined with.
struct SchemaKeywordReader {
    /// What a subschema demands.
    struct Result {
        var facets = SchemaFacets()
        /// All of these hold, too.
        var all: [SubschemaID] = []
        /// One of each list holds, too.
        var any: [[SubschemaID]] = []
        /// Exactly one of each list holds, too.
        var one: [(schemas: [SubschemaID], pointer: String)] = []
    }

    private let schema: JSONObject
    private let pointer: String
    private var result = Result()

    /// Reads a subschema.
    ///
    /// - Parameters:
    ///   - document: Numbers the subschemas.
    ///   - patterns: Knows compiled patterns.
    static func read(
        _ schema: JSONObject, at pointer: String, document: inout SchemaDocument, patterns: inout PatternLibrary
    ) throws -> Result {
        var reader = SchemaKeywordReader(schema: schema, pointer: pointer)
        for member in schema.members { try reader.read(member.key, member.value, &document, &patterns) }
        return reader.result
    }

    private init(schema: JSONObject, pointer: String) {
        self.schema = schema
        self.pointer = pointer
    }

    private mutating func read(
        _ keyword: String, _ value: JSONValue, _ document: inout SchemaDocument, _ patterns: inout PatternLibrary
    ) throws {
        switch keyword {
        case "title", "description", "default", "examples", "$schema", "$id", "$comment", "$defs", "definitions",
            "deprecated", "readOnly", "writeOnly", "discriminator":
            break
        case "type": result.facets.types = try types(value)
        case "enum":
            guard let values = value.array else { throw invalid(keyword, "must be an array") }
            addValues(values)
        case "const": addValues([value])
        case "$ref":
            guard let reference = value.string else { throw invalid(keyword, "must be a string") }
            result.all.append(try document.resolve(reference, at: place(keyword)))
        case "allOf": result.all += try schemas(keyword, value, &document)
        case "anyOf": result.any.append(try schemas(keyword, value, &document))
        case "oneOf": result.one.append((try schemas(keyword, value, &document), place(keyword)))
        case "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum": try readLimit(keyword, value)
        case "minLength", "maxLength", "pattern", "format": try readString(keyword, value, &patterns)
        case "properties", "required", "additionalProperties": try readObject(keyword, value, &document)
        case "items", "prefixItems", "minItems", "maxItems": try readArray(keyword, value, &document)
        case "uniqueItems" where value == .bool(false): break
        case _ where keyword.utf8.starts(with: "x-".utf8): break
        default: throw PVITError.schemaUnsupported("the keyword \(quoted(keyword))", at: place(keyword))
        }
    }

    private func quoted(_ keyword: String) -> String { "\"\(String(keyword.prefix(60)))\"" }

    private func place(_ keyword: String) -> String { SchemaDocument.appending(keyword, to: pointer) }

    private func invalid(_ keyword: String, _ what: String) -> PVITError {
        PVITError.schemaInvalid("\"\(keyword)\" \(what)", at: place(keyword))
    }

    private func types(_ value: JSONValue) throws -> Set<SchemaType> {
        guard let names = value.array ?? (value.string == nil ? nil : [value]) else {
            throw invalid("type", "must be a string or an array of strings")
        }
        let types = try Set(
            names.map { name in
                guard let type = name.string.flatMap(SchemaType.init) else { throw invalid("type", "names no type") }
                return type
            })
        guard !types.isEmpty, types.count == names.count else {
            throw invalid("type", "must name at least one type, each once")
        }
        return types
    }

    private mutating func addValues(_ values: [JSONValue]) {
        var more = SchemaFacets()
        more.values = values
        result.facets = result.facets.merged(with: more)
    }

    private func schemas(
        _ keyword: String, _ value: JSONValue, _ document: inout SchemaDocument
    ) throws -> [SubschemaID] {
        guard let list = value.array, !list.isEmpty else { throw invalid(keyword, "must be an array of schemas") }
        return try list.enumerated().map { index, schema in
            try document.number(of: schema, at: place(keyword) + "/\(index)")
        }
    }

    private func count(_ keyword: String, _ value: JSONValue) throws -> Int {
        guard let count = value.integer, count >= 0 else { throw invalid(keyword, "must be an integer, 0 or more") }
        return count
    }

    private mutating func readLimit(_ keyword: String, _ value: JSONValue) throws {
        guard value.double != nil else { throw invalid(keyword, "must be a number") }
        result.facets.hints.insert(.number)
        let isInclusive = keyword == "minimum" || keyword == "maximum"
        let limit = SchemaFacets.Limit(value: value, isInclusive: isInclusive, pointer: place(keyword))
        var more = SchemaFacets()
        if keyword == "minimum" || keyword == "exclusiveMinimum" { more.lower = limit } else { more.upper = limit }
        result.facets = result.facets.merged(with: more)
    }

    private mutating func readString(
        _ keyword: String, _ value: JSONValue, _ patterns: inout PatternLibrary
    ) throws {
        result.facets.hints.insert(.string)
        switch keyword {
        case "minLength": result.facets.minimumLength = try count(keyword, value)
        case "maxLength": result.facets.maximumLength = try count(keyword, value)
        case "pattern":
            guard let pattern = value.string else { throw invalid(keyword, "must be a string") }
            result.facets.patterns.append(try patterns.pattern(pattern, at: place(keyword)))
        default:
            guard let name = value.string else { throw invalid(keyword, "must be a string") }
            guard let pattern = try patterns.format(name) else {
                throw PVITError.schemaUnsupported("the format \(quoted(name))", at: place(keyword))
            }
            result.facets.patterns.append(pattern)
        }
    }

    private mutating func readObject(
        _ keyword: String, _ value: JSONValue, _ document: inout SchemaDocument
    ) throws {
        result.facets.hints.insert(.object)
        switch keyword {
        case "properties":
            guard let properties = value.object else { throw invalid(keyword, "must be an object") }
            result.facets.listsProperties = true
            for member in properties.members {
                let place = SchemaDocument.appending(member.key, to: place(keyword))
                result.facets.addProperty(member.key, [try document.number(of: member.value, at: place)])
            }
        case "required":
            let keys = value.array?.compactMap(\.string)
            guard let keys, keys.count == value.array?.count else {
                throw invalid(keyword, "must be an array of strings")
            }
            guard Set(keys.map(ExactText.init)).count == keys.count else { throw invalid(keyword, "names a key twice") }
            result.facets.required = keys
        default: result.facets.additional = [try document.number(of: value, at: place(keyword))]
        }
    }

    private mutating func readArray(
        _ keyword: String, _ value: JSONValue, _ document: inout SchemaDocument
    ) throws {
        result.facets.hints.insert(.array)
        switch keyword {
        case "minItems": result.facets.minimumCount = try count(keyword, value)
        case "maxItems": result.facets.maximumCount = try count(keyword, value)
        case "prefixItems":
            result.facets.listsItems = true
            result.facets.prefix = try schemas(keyword, value, &document).map { [$0] }
        default:
            guard value.array == nil else {
                throw PVITError.schemaUnsupported(
                    "an array as \"items\"; use \"prefixItems\"", at: place(keyword))
            }
            result.facets.items = [try document.number(of: value, at: place(keyword))]
        }
    }
}
