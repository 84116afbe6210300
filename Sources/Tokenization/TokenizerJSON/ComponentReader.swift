import Storage
import Tensors

/// Reads the components of a tokenizer.json around the model. A component or option that is not implemented is an error
/// that names it, because an approximation would silently give wrong ids.
enum ComponentReader {
    /// `normalizer`.
    static func normalizer(_ value: JSONValue?) throws -> [TextNormalizer.Step] {
        guard let component = try component(value, "normalizer") else { return [] }
        let steps = try steps(of: component)
        try component.requireBound(steps.count, steps.map(\.expansion))
        return steps
    }

    private static func steps(of component: Component) throws -> [TextNormalizer.Step] {
        switch component.type {
        case "Sequence": return try component.list("normalizers").flatMap { try normalizer($0) }
        case "Prepend":
            let prefix = Array(try component.string("prepend").utf8)
            guard prefix.count <= TokenizerLimits.pieceByteCount else {
                throw component.unsupported("a text of \(prefix.count) bytes")
            }
            return [.prepend(prefix)]
        case "Replace":
            let (pattern, content) = try component.replacement()
            return [.replace(pattern, with: content)]
        default: throw component.unsupported()
        }
    }

    /// `pre_tokenizer`: its steps, and whether the model is byte-level.
    static func preTokenizer(_ value: JSONValue?) throws -> (steps: [PreTokenizer.Step], isByteLevel: Bool) {
        guard let component = try component(value, "pre_tokenizer") else { return ([], false) }
        let (steps, isByteLevel) = try preTokenizerSteps(component)
        try component.requireBound(steps.count, [])
        return (steps, isByteLevel)
    }

    private static func preTokenizerSteps(
        _ component: Component
    ) throws -> (steps: [PreTokenizer.Step], isByteLevel: Bool) {
        switch component.type {
        case "Sequence":
            var steps: [PreTokenizer.Step] = []
            var isByteLevel = false
            for element in try component.list("pretokenizers") {
                guard !isByteLevel else { throw component.unsupported("a component after ByteLevel") }
                let (more, isLast) = try preTokenizer(element)
                steps += more
                isByteLevel = isLast
            }
            return (steps, isByteLevel)
        case "Split": return ([.split(try splitPattern(component))], false)
        case "Digits": return ([.digits(individual: try component.flag("individual_digits", default: false))], false)
        case "Metaspace": return ([.metaspace(try metaspace(component))], false)
        case "ByteLevel":
            var steps: [PreTokenizer.Step] = []
            if try component.flag("add_prefix_space", default: true) { steps.append(.prefixSpace) }
            if try component.flag("use_regex", default: true) { steps.append(.split(.gpt2)) }
            return (steps, true)
        default: throw component.unsupported()
        }
    }

    private static func splitPattern(_ component: Component) throws -> SplitPattern {
        guard let expression = component.object["pattern"]?["Regex"]?.string else {
            throw component.unsupported("the pattern \(describe(component.object["pattern"]))")
        }
        guard let pattern = SplitPattern(expression: expression) else {
            throw component.unsupported("the pattern \(expression)")
        }
        // The matches of the known patterns cover the whole text, so Isolated and inverted Removed are the same.
        let behavior = try component.string("behavior")
        let isInverted = try component.flag("invert", default: false)
        guard behavior == "Isolated" || behavior == "Removed" && isInverted else {
            throw component.unsupported("the behavior \(behavior)\(isInverted ? ", inverted" : "")")
        }
        return pattern
    }

    private static func metaspace(_ component: Component) throws -> PreTokenizer.Metaspace {
        let replacement = Array(try component.string("replacement").utf8)
        guard let first = replacement.first, UTF8Scalars.length(startingWith: first) == replacement.count else {
            throw component.invalid("a replacement that is not one character")
        }
        // Files from before 2024 have add_prefix_space, later ones prepend_scheme.
        var prefix: PreTokenizer.Metaspace.Prefix =
            try component.flag("add_prefix_space", default: true) ? .always : .never
        if let scheme = component.object["prepend_scheme"], scheme != .null {
            guard let known = scheme.string.flatMap(PreTokenizer.Metaspace.Prefix.init) else {
                throw component.unsupported("the prepend_scheme \(describe(scheme))")
            }
            prefix = known
        }
        return PreTokenizer.Metaspace(
            replacement: replacement, prefix: prefix, splits: try component.flag("split", default: true))
    }

    /// `post_processor`: the ids that it puts around a single text.
    static func postProcessor(_ value: JSONValue?, vocabularyCount: Int) throws -> TokenizerJSON.Template {
        guard let component = try component(value, "post_processor") else { return TokenizerJSON.Template() }
        switch component.type {
        case "Sequence":
            return try component.list("processors").reduce(into: TokenizerJSON.Template()) { whole, element in
                let outer = try postProcessor(element, vocabularyCount: vocabularyCount)
                whole.prefix = outer.prefix + whole.prefix
                whole.suffix += outer.suffix
                guard whole.prefix.count + whole.suffix.count <= TokenizerLimits.templateCount else {
                    throw component.unsupported("more than \(TokenizerLimits.templateCount) ids")
                }
            }
        case "ByteLevel": return TokenizerJSON.Template()
        case "TemplateProcessing": return try template(component, vocabularyCount)
        default: throw component.unsupported()
        }
    }

    private static func template(_ component: Component, _ vocabularyCount: Int) throws -> TokenizerJSON.Template {
        var template = TokenizerJSON.Template()
        var hasText = false
        for element in try component.list("single") {
            if element["Sequence"]?["id"]?.string == "A", !hasText {
                hasText = true
                continue
            }
            guard let name = element["SpecialToken"]?["id"]?.string,
                let numbers = component.object["special_tokens"]?[name]?["ids"]?.array
            else { throw component.invalid("the element \(describe(element))") }
            for number in numbers {
                guard let id = number.integer, id >= 0, id < vocabularyCount else {
                    throw component.invalid("the id \(describe(number)) for \"\(name)\"")
                }
                guard template.prefix.count + template.suffix.count < TokenizerLimits.templateCount else {
                    throw component.unsupported("more than \(TokenizerLimits.templateCount) ids")
                }
                let token = TokenID(rawValue: Int32(id))
                if hasText { template.suffix.append(token) } else { template.prefix.append(token) }
            }
        }
        guard hasText else { throw component.invalid("a template without the text") }
        return template
    }

    /// `decoder`.
    static func decoder(_ value: JSONValue?) throws -> TokenDecoding {
        guard let component = try component(value, "decoder") else { return .joinedBySpaces }
        guard component.type != "ByteLevel" else { return .byteLevel }
        var chain = DecoderChain()
        let elements = component.type == "Sequence" ? try component.list("decoders") : [component.value]
        if elements.count == 1, elements[0]["type"]?.string == "ByteLevel" { return .byteLevel }
        try component.requireBound(elements.count, [])
        for element in elements {
            guard let step = try Self.component(element, "decoder") else { throw component.invalid("a null element") }
            try append(step, to: &chain)
        }
        try component.requireBound(elements.count, chain.replacements.map(\.expansion))
        return .chain(chain)
    }

    private static func append(_ component: Component, to chain: inout DecoderChain) throws {
        let step: DecoderChain.Step
        switch component.type {
        case "Replace":
            let (pattern, content) = try component.replacement()
            step = .replace(pattern, with: content)
        case "Metaspace":
            let metaspace = try metaspace(component)
            step = .metaspace(metaspace.replacement, hasPrefix: metaspace.prefix != .never)
        case "Strip":
            let content = Array(try component.string("content").utf8)
            guard let first = content.first, UTF8Scalars.length(startingWith: first) == content.count else {
                throw component.invalid("a content that is not one character")
            }
            guard let start = component.object["start"]?.integer, start >= 0, start <= Int32.max else {
                throw component.invalid("the start \(describe(component.object["start"]))")
            }
            guard component.object["stop"]?.integer == 0 else {
                throw component.unsupported("the stop \(describe(component.object["stop"]))")
            }
            step = .strip(content, count: start)
        case "ByteFallback": step = .byteFallback
        case "Fuse": step = .fuse
        default: throw component.unsupported()
        }
        guard chain.append(step) else { throw component.unsupported("its position in the sequence") }
    }

    private static func component(_ value: JSONValue?, _ role: String) throws -> Component? {
        guard let value, value != .null else { return nil }
        guard let object = value.object, let type = object["type"]?.string else {
            throw PVITError.badTokenizer(
                "the \(role) of tokenizer.json is \(describe(value)), not an object with a type")
        }
        return Component(role: role, type: type, value: value, object: object)
    }
}

/// One component of a tokenizer.json.
private struct Component {
    let role: String
    let type: String
    let value: JSONValue
    let object: JSONObject

    func unsupported(_ detail: String? = nil) -> PVITError {
        let what = "the \(role) \(type) of tokenizer.json"
        return .unsupportedTokenizer(
            detail.map { "\(what) is not supported with \($0)" } ?? "\(what) is not supported")
    }

    func invalid(_ detail: String) -> PVITError { .badTokenizer("the \(role) \(type) of tokenizer.json has \(detail)") }

    func flag(_ key: String, default standard: Bool) throws -> Bool {
        guard let value = object[key], value != .null else { return standard }
        guard let flag = value.bool else { throw invalid("\(key) \(describe(value)), not true or false") }
        return flag
    }

    func string(_ key: String) throws -> String {
        guard let text = object[key]?.string else { throw invalid("\(key) \(describe(object[key])), not a string") }
        return text
    }

    func list(_ key: String) throws -> [JSONValue] {
        guard let list = object[key]?.array else { throw invalid("\(key) \(describe(object[key])), not a list") }
        return list
    }

    /// A pattern that is plain text, and its replacement.
    func replacement() throws -> (pattern: [UInt8], content: [UInt8]) {
        guard let text = object["pattern"]?["String"]?.string else {
            throw unsupported("the pattern \(describe(object["pattern"]))")
        }
        let pattern = Array(text.utf8)
        guard !pattern.isEmpty else { throw invalid("an empty pattern") }
        guard pattern.count <= TokenizerLimits.pieceByteCount else {
            throw unsupported("a pattern of \(pattern.count) bytes")
        }
        return (pattern, Array(try string("content").utf8))
    }

    /// Refuses components with too many steps, or whose replacements would lengthen texts too much.
    func requireBound(_ stepCount: Int, _ expansions: [Int]) throws {
        guard stepCount <= TokenizerLimits.stepCount else {
            throw unsupported("more than \(TokenizerLimits.stepCount) steps")
        }
        var product = 1
        for expansion in expansions {
            guard expansion <= TokenizerLimits.expansion / product else {
                throw unsupported("replacements that make a text more than \(TokenizerLimits.expansion) times longer")
            }
            product *= expansion
        }
    }
}
