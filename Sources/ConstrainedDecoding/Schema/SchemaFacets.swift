import Storage

/// What a schema demands without alternatives and references: a conjunction of keywords.
struct SchemaFacets {
    /// A limit of numbers.
    struct Limit {
        var value: JSONValue
        var isInclusive: Bool
        var pointer: String
    }

    /// What holds for a member of an object: all of these subschemas.
    struct Property {
        var key: String
        var schemas: [SubschemaID]
    }

    /// The types that are allowed; nil if `type` is absent.
    var types: Set<SchemaType>?
    /// The types that other keywords are about.
    var hints: Set<SchemaType> = []
    /// The values that are allowed; nil if there is no `enum` or `const`.
    var values: [JSONValue]?
    var lower: Limit?
    var upper: Limit?
    var minimumLength = 0
    var maximumLength: Int?
    /// The sets that a string must be in.
    var patterns: [PatternAutomaton] = []
    /// In the order in which they are generated.
    var properties: [Property] = []
    private var indices: [ExactText: Int] = [:]
    var required: [String] = []
    /// Whether `properties` is present.
    var listsProperties = false
    /// What holds for other members; nil if nothing is said.
    var additional: [SubschemaID]?
    /// What holds for the first elements of an array.
    var prefix: [[SubschemaID]] = []
    /// Whether `prefixItems` is present.
    var listsItems = false
    /// What holds for the other elements; nil if nothing is said.
    var items: [SubschemaID]?
    var minimumCount = 0
    var maximumCount: Int?

    /// The approximate work of a merge.
    var size: Int { 1 + properties.count + required.count + prefix.count + (values?.count ?? 0) }

    /// What holds for a member.
    func schemas(ofMember key: String) -> [SubschemaID] {
        indices[ExactText(key)].map { properties[$0].schemas } ?? additional ?? []
    }

    /// Whether a member has a subschema of its own.
    func hasProperty(_ key: String) -> Bool { indices[ExactText(key)] != nil }

    /// Adds what holds for a member.
    mutating func addProperty(_ key: String, _ schemas: [SubschemaID]) {
        indices[ExactText(key)] = properties.count
        properties.append(Property(key: key, schemas: schemas))
    }

    /// What holds for an element.
    func schemas(ofElement index: Int) -> [SubschemaID] { index < prefix.count ? prefix[index] : items ?? [] }

    /// Both conjunctions.
    func merged(with other: SchemaFacets) -> SchemaFacets {
        var result = self
        result.types =
            if let types, let others = other.types {
                SchemaType.intersection(types, others)
            } else {
                types ?? other.types
            }
        result.hints.formUnion(other.hints)
        result.values =
            if let values, let others = other.values {
                values.filter { value in others.contains { $0.isSameValue(as: value) } }
            } else {
                values ?? other.values
            }
        result.lower = Self.stricter(lower, other.lower, order: 1)
        result.upper = Self.stricter(upper, other.upper, order: -1)
        result.minimumLength = max(minimumLength, other.minimumLength)
        result.maximumLength = Self.least(maximumLength, other.maximumLength)
        result.patterns += other.patterns
        result.mergeProperties(of: other)
        result.mergeItems(of: other)
        return result
    }

    private static func least(_ left: Int?, _ right: Int?) -> Int? {
        guard let left, let right else { return left ?? right }
        return min(left, right)
    }

    /// The limit that excludes more.
    private static func stricter(_ left: Limit?, _ right: Limit?, order: Int) -> Limit? {
        guard let left, let right else { return left ?? right }
        switch left.value.numericOrder(beside: right.value) {
        case 0: return left.isInclusive ? right : left
        case order: return left
        default: return right
        }
    }

    private mutating func mergeProperties(of other: SchemaFacets) {
        for index in properties.indices { properties[index].schemas += other.schemas(ofMember: properties[index].key) }
        for property in other.properties where !hasProperty(property.key) {
            addProperty(property.key, (additional ?? []) + property.schemas)
        }
        let known = Set(required.map(ExactText.init))
        required += other.required.filter { !known.contains(ExactText($0)) }
        listsProperties = listsProperties || other.listsProperties
        if let others = other.additional { additional = (additional ?? []) + others }
    }

    private mutating func mergeItems(of other: SchemaFacets) {
        let count = max(prefix.count, other.prefix.count)
        prefix = (0..<count).map { schemas(ofElement: $0) + other.schemas(ofElement: $0) }
        listsItems = listsItems || other.listsItems
        if let others = other.items { items = (items ?? []) + others }
        minimumCount = max(minimumCount, other.minimumCount)
        maximumCount = Self.least(maximumCount, other.maximumCount)
    }
}
