import CPVIT
import Platform

/// Where notes go.
enum Log {
    private struct Target: @unchecked Sendable {
        var callback: pvit_log_callback?
        var context: UnsafeMutableRawPointer?
    }

    private static let target = Lock(Target())
    private static let isLogging = Gate()

    static func set(_ callback: pvit_log_callback?, _ context: UnsafeMutableRawPointer?) {
        // In the child of a fork, another thread may seem to be logging for ever.
        guard RunningCalls.isPossible else { return }
        let isFirst = isLogging.enter()
        defer { if isFirst { isLogging.leave() } }
        target.withLock { $0 = Target(callback: callback, context: context) }
    }

    static func note(_ message: String) {
        // A callback that logs would not return.
        guard isLogging.enter() else { return }
        defer { isLogging.leave() }
        let target = target.withLock { $0 }
        guard let callback = target.callback else { return }
        message.withCString { callback(target.context, PVIT_LOG_NOTE, $0) }
    }
}

/// `pvit_set_log_callback`, which pvit.h describes.
@c @implementation
public func pvit_set_log_callback(_ callback: pvit_log_callback?, _ context: UnsafeMutableRawPointer?) {
    Log.set(callback, context)
}
