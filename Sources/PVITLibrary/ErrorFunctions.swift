import CPVIT
import Storage

/// An error of a call, with its texts as C strings.
final class ErrorObject: HandleObject {
    static let kind = "error"
    let code: CString
    let message: CString
    let what: CString
    let file: CString?
    let tensor: CString?
    let remedy: CString?

    init(_ error: PVITError) {
        code = CString(error.code.name)
        message = CString(error.description)
        what = CString(error.what)
        file = error.file.map { CString(bytes: $0.fileNameBytes) }
        tensor = error.tensorName.map { CString($0) }
        remedy = error.remedy.map { CString($0) }
    }
}

/// A text that C reads: bytes in memory of its own, followed by a zero byte.
final class CString: @unchecked Sendable {
    // Never written after initialization.
    let start: UnsafeMutablePointer<CChar>
    /// The number of bytes without the zero byte.
    let count: Int

    init(bytes: some Collection<UInt8>) {
        count = bytes.count
        start = .allocate(capacity: count + 1)
        for (index, byte) in bytes.enumerated() { start[index] = CChar(bitPattern: byte) }
        start[count] = 0
    }

    convenience init(_ text: String) { self.init(bytes: Array(text.utf8)) }

    deinit { start.deallocate() }
}

/// The text for handles that are none.
private let emptyText = CString("")

private func member(
    _ error: OpaquePointer?, _ text: (ErrorObject) -> CString?
) -> UnsafePointer<CChar>? {
    guard let error: ErrorObject = HandleTable.current.find(error) else { return UnsafePointer(emptyText.start) }
    return text(error).map { UnsafePointer($0.start) }
}

/// `pvit_error_code`, which pvit.h describes.
@c @implementation
public func pvit_error_code(_ error: OpaquePointer?) -> UnsafePointer<CChar>? { member(error) { $0.code } }

/// `pvit_error_message`, which pvit.h describes.
@c @implementation
public func pvit_error_message(_ error: OpaquePointer?) -> UnsafePointer<CChar>? { member(error) { $0.message } }

/// `pvit_error_what`, which pvit.h describes.
@c @implementation
public func pvit_error_what(_ error: OpaquePointer?) -> UnsafePointer<CChar>? { member(error) { $0.what } }

/// `pvit_error_file`, which pvit.h describes.
@c @implementation
public func pvit_error_file(_ error: OpaquePointer?) -> UnsafePointer<CChar>? { member(error) { $0.file } }

/// `pvit_error_tensor`, which pvit.h describes.
@c @implementation
public func pvit_error_tensor(_ error: OpaquePointer?) -> UnsafePointer<CChar>? { member(error) { $0.tensor } }

/// `pvit_error_remedy`, which pvit.h describes.
@c @implementation
public func pvit_error_remedy(_ error: OpaquePointer?) -> UnsafePointer<CChar>? { member(error) { $0.remedy } }

/// `pvit_error_free`, which pvit.h describes.
@c @implementation
public func pvit_error_free(_ error: OpaquePointer?) { HandleTable.current.remove(error, ErrorObject.self) }

/// A text that the library made.
final class TextObject: HandleObject {
    static let kind = "text"
    let text: CString

    init(_ text: String) { self.text = CString(text) }

    convenience init(_ json: JSONValue) { self.init(String(decoding: json.encoded(), as: UTF8.self)) }
}

/// `pvit_text_bytes`, which pvit.h describes.
@c @implementation
public func pvit_text_bytes(_ text: OpaquePointer?) -> UnsafePointer<CChar>? {
    UnsafePointer((HandleTable.current.find(text, TextObject.self)?.text ?? emptyText).start)
}

/// `pvit_text_length`, which pvit.h describes.
@c @implementation
public func pvit_text_length(_ text: OpaquePointer?) -> Int {
    HandleTable.current.find(text, TextObject.self)?.text.count ?? 0
}

/// `pvit_text_free`, which pvit.h describes.
@c @implementation
public func pvit_text_free(_ text: OpaquePointer?) { HandleTable.current.remove(text, TextObject.self) }
