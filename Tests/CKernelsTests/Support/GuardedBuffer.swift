#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Elements that end at an inaccessible page, so that an access past the end is a fault.
final class GuardedBuffer<Element: BitwiseCopyable> {
    let pointer: UnsafeMutablePointer<Element>
    let count: Int
    private let pages: UnsafeMutableRawPointer
    private let pageBytes: Int

    init(_ elements: [Element]) {
        let page = Int(getpagesize())
        let bytes = elements.count * MemoryLayout<Element>.stride
        let accessible = (bytes + page - 1) / page * page
        pageBytes = accessible + page
        guard let pages = mmap(nil, pageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            pages != MAP_FAILED, mprotect(pages + accessible, page, PROT_NONE) == 0
        else { fatalError("no memory for a test") }
        self.pages = pages
        pointer = (pages + (accessible - bytes)).bindMemory(to: Element.self, capacity: elements.count)
        count = elements.count
        elements.withUnsafeBytes { UnsafeMutableRawBufferPointer(start: pointer, count: bytes).copyMemory(from: $0) }
    }

    convenience init(repeating element: Element, count: Int) {
        self.init(Array(repeating: element, count: count))
    }

    deinit { munmap(pages, pageBytes) }

    var elements: [Element] { Array(UnsafeBufferPointer(start: pointer, count: count)) }
}
