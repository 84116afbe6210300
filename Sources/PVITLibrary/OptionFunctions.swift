import CPVIT
import Platform
import Storage
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Settings by name.
final class OptionsObject: HandleObject, Sendable {
    static let kind = "set of options"
    private let values = Lock<[String: [Value]]>([:])

    enum Value: Sendable {
        case text(String)
        case integer(Int64)
        case number(Double)
    }

    /// A copy of the values.
    var copy: [String: [Value]] { values.withLock { $0 } }

    func set(_ name: String, _ value: Value) { values.withLock { $0[name] = [value] } }

    func add(_ name: String, _ value: Value) { values.withLock { $0[name, default: []].append(value) } }
}

/// The options of one call. Each function takes those that it knows, and `finish` tells what is left.
struct OptionReader {
    private let values: [String: [OptionsObject.Value]]
    private var known: [String] = []

    /// - Parameter handle: The options; nil for none.
    init(_ handle: OpaquePointer?) throws {
        values = try handle.map { try object($0, OptionsObject.self).copy } ?? [:]
    }

    /// - Throws: `library.option` if an option was not asked for.
    func finish() throws {
        guard let name = values.keys.filter({ !known.contains($0) }).min() else { return }
        throw PVITError(
            .option, "there is no option \"\(name)\" here",
            remedy: known.isEmpty
                ? "this function takes no options"
                : "this function takes \(known.joined(separator: ", "))")
    }

    private func wrong(_ name: String, _ wanted: String) -> PVITError {
        PVITError(.option, "the option \"\(name)\" takes \(wanted)")
    }

    private mutating func single(_ name: String) throws -> OptionsObject.Value? {
        known.append(name)
        guard let values = values[name] else { return nil }
        guard values.count == 1 else { throw wrong(name, "one value, but \(values.count) are given") }
        return values.first
    }

    /// A text.
    mutating func text(_ name: String) throws -> String? {
        switch try single(name) {
        case .text(let text): text
        case .integer(let value): "\(value)"
        case .number(let value): "\(value)"
        case nil: nil
        }
    }

    /// All values of an option that can be repeated.
    mutating func texts(_ name: String) -> [String] {
        known.append(name)
        return (values[name] ?? []).map { value in
            switch value {
            case .text(let text): text
            case .integer(let value): "\(value)"
            case .number(let value): "\(value)"
            }
        }
    }

    /// The name of a file.
    mutating func path(_ name: String) throws -> FilePath? {
        guard let text = try text(name) else { return nil }
        guard !text.isEmpty else { throw wrong(name, "the name of a file") }
        return FilePath(text: text)
    }

    /// A whole number in a range.
    mutating func integer(_ name: String, _ range: ClosedRange<Int>) throws -> Int? {
        let value: Int?
        switch try single(name) {
        case .text(let text): value = Int(text)
        case .integer(let number): value = Int(exactly: number)
        case .number(let number): value = Int(exactly: number)
        case nil: return nil
        }
        guard let value, range.contains(value) else {
            throw wrong(
                name,
                range.upperBound == .max
                    ? "a whole number from \(range.lowerBound) on"
                    : "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// Any 64 bits, such as a seed.
    mutating func bits(_ name: String) throws -> UInt64? {
        switch try single(name) {
        case .text(let text):
            guard let value = UInt64(text) else { throw wrong(name, "a whole number from 0 to \(UInt64.max)") }
            return value
        case .integer(let value): return UInt64(bitPattern: value)
        case .number(let number):
            guard let value = UInt64(exactly: number) else { throw wrong(name, "a whole number") }
            return value
        case nil: return nil
        }
    }

    /// A number.
    mutating func number(_ name: String) throws -> Double? {
        switch try single(name) {
        case .text(let text):
            guard let value = Double(text) else { throw wrong(name, "a number") }
            return value
        case .integer(let value): return Double(value)
        case .number(let value): return value
        case nil: return nil
        }
    }

    /// A choice: 0 or 1.
    mutating func flag(_ name: String) throws -> Bool? { try integer(name, 0...1).map { $0 == 1 } }

    /// A size such as `2GiB`, or a number of bytes.
    mutating func size(_ name: String) throws -> ByteCount? {
        switch try single(name) {
        case .text(let text):
            guard let size = ByteCount(parsing: text) else { throw wrong(name, "a size such as 2GiB or 500MB") }
            return size
        case .integer(let value) where value >= 0: return ByteCount(value)
        case nil: return nil
        default: throw wrong(name, "a size such as 2GiB or 500MB")
        }
    }

    /// One of some names.
    mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: String, _: Choice.Type = Choice.self
    ) throws -> Choice? where Choice.RawValue == String {
        guard let text = try text(name) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            throw wrong(name, "one of " + Choice.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return choice
    }
}

/// `pvit_options_new`, which pvit.h describes.
@c @implementation
public func pvit_options_new() -> OpaquePointer? { HandleTable.current.add(OptionsObject()) }

/// `pvit_options_set_text`, which pvit.h describes.
@c @implementation
public func pvit_options_set_text(
    _ options: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ value: UnsafePointer<CChar>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(error) {
        try object(options, OptionsObject.self).set(text(name, "the name"), .text(fileText(value, "the value")))
    }
}

/// `pvit_options_set_integer`, which pvit.h describes.
@c @implementation
public func pvit_options_set_integer(
    _ options: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ value: Int64,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(error) { try object(options, OptionsObject.self).set(text(name, "the name"), .integer(value)) }
}

/// `pvit_options_set_number`, which pvit.h describes.
@c @implementation
public func pvit_options_set_number(
    _ options: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ value: Double,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(error) { try object(options, OptionsObject.self).set(text(name, "the name"), .number(value)) }
}

/// `pvit_options_add_text`, which pvit.h describes.
@c @implementation
public func pvit_options_add_text(
    _ options: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ value: UnsafePointer<CChar>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(error) {
        try object(options, OptionsObject.self).add(text(name, "the name"), .text(fileText(value, "the value")))
    }
}

/// `pvit_options_free`, which pvit.h describes.
@c @implementation
public func pvit_options_free(_ options: OpaquePointer?) {
    HandleTable.current.remove(options, OptionsObject.self)
}

/// A text that may be the name of a file, whose bytes need not be UTF-8.
private func fileText(_ pointer: UnsafePointer<CChar>?, _ argument: String) throws -> String {
    guard let pointer else { throw missing(argument) }
    return String(fileNameBytes: String.bytes(of: pointer))
}

/// The name of a file.
///
/// - Throws: `library.argument` for NULL and for an empty name.
func path(_ pointer: UnsafePointer<CChar>?, _ argument: String) throws -> FilePath {
    guard let pointer else { throw missing(argument) }
    let path = FilePath(text: String(fileNameBytes: String.bytes(of: pointer)))
    guard !path.isEmpty else { throw PVITError(.argument, "\(argument) is empty") }
    return path
}

extension String {
    /// The bytes of a C string.
    fileprivate static func bytes(of pointer: UnsafePointer<CChar>) -> [UInt8] {
        Array(UnsafeRawBufferPointer(start: pointer, count: strlen(pointer)))
    }
}
