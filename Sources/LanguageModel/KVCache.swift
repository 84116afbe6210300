import CKernels
import Tensors

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The keys and values of the positions that a model has read: `[layer][key/value head][position]` rows.
///
/// Room for `capacity` positions is reserved as addresses only; memory is used as positions are filled.
public struct KVCache: ~Copyable {
    /// How the numbers are stored.
    public enum Storage: String, Sendable, Hashable, CaseIterable {
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

    /// How the numbers are stored.
    public let storage: Storage
    /// The most positions that fit.
    public let capacity: Int
    /// The number of positions that are filled, `0..<count`.
    public private(set) var count: Int
    /// The size of one position in all layers, in bytes.
    public let bytesPerPosition: Int

    let layerCount: Int
    let headCount: Int
    let headWidth: Int
    let rowBytes: Int
    private let rowsPerHead: Int
    private let base: UnsafeMutableRawPointer
    private let byteCount: Int

    /// Reserves room.
    ///
    /// - Parameter capacity: The most positions; `contextLimit` of the model is the most that makes sense.
    /// - Throws: `model.cache` when `capacity` is not positive, when `storage` does not suit the width of the heads, or when
    ///   the addresses cannot be reserved.
    public init(for configuration: LlamaConfiguration, storage: Storage = .f16, capacity: Int) throws {
        let width = configuration.headWidth
        guard storage != .q8 || width % 32 == 0 else {
            throw PVITError(
                .modelCache, "heads of width \(width) cannot be cached in 8 bits, which take 32 numbers at a time",
                remedy: "use a cache of type f16")
        }
        guard (1...1_073_741_824).contains(capacity) else {
            throw PVITError(.modelCache, "a context of \(capacity) positions is not possible")
        }
        let rowBytes = pvit_kv_row_bytes(storage.code, width)
        // At most 2^10 layers, 2^10 heads and 2^12 bytes: no overflow before the capacity comes in.
        let bytesPerPosition = 2 * configuration.layerCount * configuration.keyValueHeadCount * rowBytes
        // Keys of 16 positions lie in groups: whole ones.
        let rows = (capacity + Int(PVIT_KEY_GROUP) - 1) / Int(PVIT_KEY_GROUP) * Int(PVIT_KEY_GROUP)
        let (size, overflow) = bytesPerPosition.multipliedReportingOverflow(by: rows)
        guard !overflow,
            let memory = mmap(
                nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
            memory != MAP_FAILED
        else {
            throw PVITError(
                .modelCache, "there is no room for a context of \(capacity) positions",
                remedy: "ask for a shorter context")
        }
        // Huge pages would make the unused ends of every head's rows resident.
        madvise(memory, size, MADV_NOHUGEPAGE)
        self.storage = storage
        self.capacity = capacity
        rowsPerHead = rows
        count = 0
        self.bytesPerPosition = bytesPerPosition
        layerCount = configuration.layerCount
        headCount = configuration.keyValueHeadCount
        headWidth = width
        self.rowBytes = rowBytes
        base = memory
        byteCount = size
    }

    /// What keys and values of `capacity` positions take.
    static func byteCount(_ configuration: LlamaConfiguration, _ storage: Storage, capacity: Int) -> Int {
        let groups = (capacity + Int(PVIT_KEY_GROUP) - 1) / Int(PVIT_KEY_GROUP)
        let heads = configuration.layerCount * configuration.keyValueHeadCount
        return 2 * heads * groups * Int(PVIT_KEY_GROUP) * pvit_kv_row_bytes(storage.code, configuration.headWidth)
    }

    deinit { munmap(base, byteCount) }

    /// Forgets the positions from `count` on, so that another text can continue there. Keeping more than there are keeps all.
    public mutating func truncate(to count: Int) {
        self.count = min(self.count, max(count, 0))
    }

    /// Throws `model.context-full` unless `positions` more fit.
    public func checkRoom(for positions: Int) throws {
        guard positions <= capacity - count else {
            throw PVITError(
                .contextFull, "\(count + positions) positions do not fit the context of \(capacity)",
                remedy: "shorten the text or ask for a longer context")
        }
    }

    /// Counts the positions that have been written after the last ones.
    mutating func append(_ positions: Int) { count += positions }

    /// The keys of a head: groups of 16 positions, `16 * rowBytes` apart.
    func keys(layer: Int, head: Int) -> UnsafeMutableRawPointer {
        base + (layer * headCount + head) * rowsPerHead * rowBytes
    }

    /// The values of a head: rows of one position each, `rowBytes` apart.
    func values(layer: Int, head: Int) -> UnsafeMutableRawPointer {
        base + ((layerCount + layer) * headCount + head) * rowsPerHead * rowBytes
    }
}

extension PVITError.Code {
    /// A key/value cache of that kind or size cannot be made.
    public static let modelCache = Self("model.cache", .usage)
    /// The text does not fit the context.
    public static let contextFull = Self("model.context-full", .usage)
}
