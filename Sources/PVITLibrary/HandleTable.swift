import Platform
import Storage
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The objects that programs hold by handle.
///
/// A handle is a number that is never used twice, in the shape of a pointer: it is looked up and never followed, so a
/// wrong one can be told.
final class HandleTable: @unchecked Sendable {
    private let objects = Lock<[UInt: AnyObject]>([:])
    private let next: Atomic<UInt>
    /// The first number of this process. Smaller ones are from before a fork.
    private let first: UInt

    /// The distance between handles. Whoever takes one for a pointer finds it aligned.
    private static let step: UInt = 16

    private init(first: UInt) {
        self.first = first
        next = Atomic(first)
    }

    // Replaced only in the child of a fork, where no other thread runs. Its locks may have been held when the process
    // was forked, and the objects in it need threads that the child does not have, so the old table is left alone.
    private nonisolated(unsafe) static var table: HandleTable = {
        pthread_atfork(nil, nil) { HandleTable.startOver() }
        return HandleTable(first: step)
    }()

    /// The table of this process.
    static var current: HandleTable { table }

    private static func startOver() {
        let old = Unmanaged.passRetained(table).takeUnretainedValue()
        RunningCalls.noteFork()
        table = HandleTable(first: old.next.load(ordering: .relaxed))
    }

    /// Keeps an object and returns its handle.
    func add(_ object: AnyObject) -> OpaquePointer? {
        let number = next.add(Self.step, ordering: .relaxed).oldValue
        objects.withLock { $0[number] = object }
        return OpaquePointer(bitPattern: number)
    }

    /// The object of a handle; nil if there is none, or one of another kind.
    func find<Object: AnyObject>(_ handle: OpaquePointer?, _: Object.Type = Object.self) -> Object? {
        let number = UInt(bitPattern: handle)
        return objects.withLock { $0[number] } as? Object
    }

    /// The object of a handle.
    ///
    /// - Throws: `library.handle` if there is none, `library.forked` if it is from before a fork.
    func object<Object: HandleObject>(_ handle: OpaquePointer?, _: Object.Type = Object.self) throws -> Object {
        if let object: Object = find(handle) { return object }
        let number = UInt(bitPattern: handle)
        if first > Self.step, number > 0, number < first, number % Self.step == 0 {
            throw PVITError(
                .forked, "the \(Object.kind) was opened before the process forked",
                remedy: "open it again in the child process")
        }
        throw PVITError(
            .badHandle,
            handle == nil
                ? "the handle of the \(Object.kind) is NULL"
                : "this is no handle of a \(Object.kind): it was freed, or is of another kind")
    }

    /// Forgets the object of a handle, if there is one of this kind.
    @discardableResult
    func remove<Object: AnyObject>(_ handle: OpaquePointer?, _: Object.Type = Object.self) -> Object? {
        let number = UInt(bitPattern: handle)
        return objects.withLock { objects in
            guard let object = objects[number] as? Object else { return nil }
            objects[number] = nil
            return object
        }
    }
}

/// An object that programs hold by handle.
protocol HandleObject: AnyObject {
    /// What it is, for messages.
    static var kind: String { get }
}

extension PVITError.Code {
    /// A handle is NULL, was freed, or is of another kind.
    static let badHandle = Self("library.handle", .usage)
    /// A handle is from before a fork.
    static let forked = Self("library.forked", .usage)
    /// An argument of a function is wrong.
    static let argument = Self("library.argument", .usage)
    /// An option does not exist, or has a wrong value.
    static let option = Self("library.option", .usage)
    /// A model was closed.
    static let closed = Self("library.closed", .usage)
    /// A callback called a function of the model that called it.
    static let reentrant = Self("library.reentrant", .usage)
    /// There is no memory for a result.
    static let noMemory = Self("library.memory", .inputOutput)
}
