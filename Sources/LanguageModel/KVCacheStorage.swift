import CKernels

/// How the keys and values of a text are stored.
public enum KVCacheStorage: String, Sendable, Hashable, CaseIterable {
    /// 4 bytes a number.
    case f32
    /// 2 bytes a number.
    case f16
    /// 8-bit codes, with a 16-bit scale for 32 of them.
    case q8

    var code: pvit_kv_type {
        switch self {
        case .f32: PVIT_KV_F32
        case .f16: PVIT_KV_F16
        case .q8: PVIT_KV_Q8
        }
    }
}
