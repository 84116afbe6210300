import CPVIT
import Storage

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
let emptyText = CString("")

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
