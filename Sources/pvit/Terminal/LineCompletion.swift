import Storage
import SystemPackage

/// How a text can go on.
struct LineCompletion {
    /// What follows for certain.
    var certain = ""
    /// What the text may become, where more than one way is possible.
    var choices: [String] = []

    /// - Parameters:
    ///   - text: What is there.
    ///   - candidates: What it may become.
    init(_ text: String, candidates: [String]) {
        let fitting = candidates.filter { $0.hasPrefix(text) }.sorted()
        guard let first = fitting.first, let last = fitting.last else { return }
        certain = String(zip(first, last).prefix { $0 == $1 }.map(\.0).dropFirst(text.count))
        choices = fitting
    }

    /// The names of files that a path may become; folders end with `/`.
    init(path: String) {
        let slash = path.lastIndex(of: "/")
        let folder = slash.map { String(path[...$0]) } ?? ""
        let name = slash.map { String(path[path.index(after: $0)...]) } ?? path
        let entries = (try? folderEntries(FilePath(folder.isEmpty ? "." : folder))) ?? []
        let visible = entries.filter { name.hasPrefix(".") || !$0.hasPrefix(".") }
        let names = visible.map { isFolder(FilePath(folder + $0)) ? $0 + "/" : $0 }
        self.init(name, candidates: names)
        if choices.count == 1, !certain.hasSuffix("/"), !choices[0].hasSuffix("/") { certain += " " }
    }
}
