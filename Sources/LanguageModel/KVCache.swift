import Architectures
import CKernels
import Platform
import Storage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The keys and values of the positions that a model has read: `[layer][key/value head][position]` rows.
///
/// Room for `capacity` positions is reserved as addresses only; memory is used as positions are filled.
package struct KVCache: ~Copyable {
    package typealias Storage = KVCacheStorage

    /// How the numbers are stored.
    package let storage: Storage
    /// The most positions that fit.
    package let capacity: Int
    /// The number of positions that are filled, `0..<count`.
    package private(set) var count: Int
    /// The size of one position in all layers, in bytes.
    package let bytesPerPosition: Int

    /// Where keys and values lie.
    let rows: KVRows
    private let byteCount: Int
    /// The most positions for which the model's results are those of the original.
    private let modelLength: Int
    /// The largest capacity.
    static let largestCapacity = 1_073_741_824

    /// Reserves room.
    ///
    /// - Parameter capacity: The most positions; `maximumPositions` of the model is the most that makes sense.
    /// - Throws: `model.cache` when `capacity` is not positive, when `storage` does not suit the width of the heads, or
    ///   when the addresses cannot be reserved.
    package init(for configuration: LlamaConfiguration, storage: Storage = .f16, capacity: Int) throws {
        let width = configuration.headWidth
        guard storage != .q8 || width % 32 == 0 else {
            throw PVITError(
                .modelCache, "heads of width \(width) cannot be cached in 8 bits, which take 32 numbers at a time",
                remedy: "use a cache of type f16")
        }
        guard (1...Self.largestCapacity).contains(capacity) else {
            throw PVITError(.modelCache, "a context of \(capacity) positions is not possible")
        }
        let rowBytes = pvit_kv_row_bytes(storage.code, width)
        let bytesPerPosition = Self.bytesPerPosition(configuration, storage)
        let rows = KVRows.wholeGroups(capacity)
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
        PageAdvice.smallPages.give(memory, byteCount: size)
        self.storage = storage
        self.capacity = capacity
        count = 0
        self.bytesPerPosition = bytesPerPosition
        self.rows = KVRows(
            storage: storage, layerCount: configuration.layerCount, headCount: configuration.keyValueHeadCount,
            headWidth: width, rowBytes: rowBytes, rowsPerHead: rows, base: memory)
        byteCount = size
        modelLength = configuration.maximumPositions
    }

    /// The size of one position in all layers, in bytes.
    static func bytesPerPosition(_ configuration: LlamaConfiguration, _ storage: Storage) -> Int {
        // At most 2^10 layers, 2^10 heads and 2^12 bytes: no overflow before the capacity comes in.
        2 * configuration.layerCount * configuration.keyValueHeadCount
            * pvit_kv_row_bytes(storage.code, configuration.headWidth)
    }

    /// What keys and values of `capacity` positions take, at most 2^30.
    static func byteCount(_ configuration: LlamaConfiguration, _ storage: Storage, capacity: Int) -> Int {
        bytesPerPosition(configuration, storage).multipliedReportingOverflow(by: KVRows.wholeGroups(capacity))
            .partialValue
    }

    deinit { munmap(rows.base, byteCount) }

    /// Forgets the positions from `count` on, so that another text can continue there. Keeping more than there are
    /// keeps all.
    package mutating func truncate(to count: Int) {
        self.count = min(self.count, max(count, 0))
    }

    /// Gives back the memory of positions that are not filled.
    package func releaseUnfilled() {
        let page = PageAdvice.pageByteCount
        let size = rows.rowsPerHead * rows.rowBytes
        for layer in 0..<rows.layerCount {
            for head in 0..<rows.headCount {
                for start in [rows.keys(layer: layer, head: head), rows.values(layer: layer, head: head)] {
                    let first = Int(bitPattern: start) + KVRows.wholeGroups(count) * rows.rowBytes
                    let end = (Int(bitPattern: start) + size) / page * page
                    let whole = (first + page - 1) / page * page
                    guard whole < end, let unfilled = UnsafeMutableRawPointer(bitPattern: whole) else { continue }
                    PageAdvice.dontNeed.give(unfilled, byteCount: end - whole)
                }
            }
        }
    }

    /// Throws `model.context-full` unless `positions` more fit.
    package func checkRoom(for positions: Int) throws {
        guard positions <= capacity - count else {
            throw PVITError.contextFull(count + positions, capacity: capacity, modelLength: modelLength)
        }
    }

    /// Throws `model.cache` unless it was made for a model of these sizes.
    func check(_ configuration: LlamaConfiguration) throws {
        guard
            (rows.layerCount, rows.headCount, rows.headWidth)
                == (configuration.layerCount, configuration.keyValueHeadCount, configuration.headWidth)
        else {
            throw PVITError(.modelCache, "the cache was made for a model of other sizes")
        }
    }

    /// Counts the positions that have been written after the last ones.
    mutating func append(_ positions: Int) { count += positions }

    /// Makes the first `count` positions the same as another cache's, and forgets the others; at most as many as there
    /// is room for and the other one holds.
    ///
    /// - Throws: `model.cache` when the two are of different models or storage.
    package mutating func copyPrefix(_ count: Int, of other: borrowing KVCache) throws {
        let (source, target) = (other.rows, rows)
        guard
            (source.storage, source.layerCount, source.headCount, source.headWidth)
                == (target.storage, target.layerCount, target.headCount, target.headWidth)
        else { throw PVITError(.modelCache, "a cache of another model or type cannot be copied") }
        let count = min(max(count, 0), other.count, capacity)
        let byteCount = KVRows.wholeGroups(count) * target.rowBytes
        for layer in 0..<target.layerCount {
            for head in 0..<target.headCount {
                target.keys(layer: layer, head: head).copyMemory(
                    from: source.keys(layer: layer, head: head), byteCount: byteCount)
                target.values(layer: layer, head: head).copyMemory(
                    from: source.values(layer: layer, head: head), byteCount: byteCount)
            }
        }
        self.count = count
    }
}

/// Where the keys and values of a cache lie. Valid for as long as the cache is.
struct KVRows {
    let storage: KVCache.Storage
    let layerCount: Int
    let headCount: Int
    let headWidth: Int
    let rowBytes: Int
    let rowsPerHead: Int
    fileprivate let base: UnsafeMutableRawPointer

    /// The keys of a head: `rowBytes` for each position, in the layout of `CKernels`.
    func keys(layer: Int, head: Int) -> UnsafeMutableRawPointer {
        base + (layer * headCount + head) * rowsPerHead * rowBytes
    }

    /// The values of a head, likewise.
    func values(layer: Int, head: Int) -> UnsafeMutableRawPointer {
        base + ((layerCount + layer) * headCount + head) * rowsPerHead * rowBytes
    }

    /// `positions` rounded up to whole groups of keys and of values.
    static func wholeGroups(_ positions: Int) -> Int {
        (positions + Int(PVIT_VALUE_GROUP) - 1) / Int(PVIT_VALUE_GROUP) * Int(PVIT_VALUE_GROUP)
    }
}

extension PVITError {
    /// The error for a text that does not fit the context.
    ///
    /// - Parameter modelLength: The most positions for which the model's results are those of the original.
    package static func contextFull(_ positions: Int, capacity: Int, modelLength: Int) -> PVITError {
        PVITError(
            .contextFull, "\(positions) positions do not fit the context of \(capacity)",
            remedy: capacity < modelLength
                ? "shorten the text or ask for a longer context; the model's own is \(modelLength)"
                : "shorten the text; a longer context is beyond the \(modelLength) positions that the model was "
                    + "made for")
    }
}

extension PVITError.Code {
    /// A key/value cache of that kind or size cannot be made.
    package static let modelCache = Self("model.cache", .usage)
    /// The text does not fit the context.
    package static let contextFull = Self("model.context-full", .usage)
}
