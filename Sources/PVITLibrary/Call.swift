import Checkpoints
import CPVIT
import Storage

/// Runs the body of an exported function: errors become a status and an error handle.
func perform(_ error: UnsafeMutablePointer<OpaquePointer?>?, _ body: () throws -> Void) -> pvit_status {
    error?.pointee = nil
    do {
        try RunningCalls.run(body)
        return PVIT_OK
    } catch let failure as PVITError {
        error?.pointee = HandleTable.current.add(ErrorObject(failure))
        return failure.code == .cancelled ? PVIT_CANCELLED : failure.code.category.rawValue
    } catch let failure {
        error?.pointee = HandleTable.current.add(ErrorObject(PVITError(.internalDefect, "\(failure)")))
        return PVIT_DEFECT
    }
}

/// Runs the body of an exported function that makes an object. `result` is set to NULL on failure.
func perform(
    _ result: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?,
    _ body: () throws -> AnyObject?
) -> pvit_status {
    result?.pointee = nil
    return perform(error) {
        guard let result else { throw missing("the place for the result") }
        result.pointee = try body().flatMap { HandleTable.current.add($0) }
    }
}

/// The error for an argument that is NULL.
func missing(_ argument: String) -> PVITError { PVITError(.argument, "\(argument) is NULL") }

/// The handle of an object that a caller wants, or has to name.
func object<Object: HandleObject>(_ handle: OpaquePointer?, _ type: Object.Type = Object.self) throws -> Object {
    try HandleTable.current.object(handle, type)
}

/// A text of the caller, repaired if it is not UTF-8.
///
/// - Throws: `library.argument` for NULL.
func text(_ pointer: UnsafePointer<CChar>?, _ argument: String) throws -> String {
    guard let pointer else { throw missing(argument) }
    return String(cString: pointer)
}

/// The numbers or bytes that a caller passes.
///
/// - Throws: `library.argument` for NULL with a count, and for counts that no memory can have.
func buffer<Element>(
    _ pointer: UnsafePointer<Element>?, _ count: Int, _ argument: String
) throws -> UnsafeBufferPointer<Element> {
    let limit = 1 << 40
    guard count >= 0, count <= limit / MemoryLayout<Element>.stride else {
        throw PVITError(.argument, "\(argument) cannot have \(UInt(bitPattern: count)) elements")
    }
    guard pointer != nil || count == 0 else { throw missing(argument) }
    return UnsafeBufferPointer(start: pointer, count: count)
}
