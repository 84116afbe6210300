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
