import Storage
import SystemPackage

/// The completion of a text.
struct LineCompletion {
    /// The text that all candidates have in common after what was typed.
    var certain = ""
    /// The candidates that match what was typed.
    var choices: [String] = []

    /// - Parameters:
    ///   - text: The text that was typed.
    ///   - candidates: The texts that it may become.
    init(_ text: String, candidates: [String]) {
        let fitting = candidates.filter { $0.hasPrefix(text) }.sorted()
        guard let first = fitting.first, let last = fitting.last else { return }
        certain = String(zip(first, last).prefix { $0 == $1 }.map(\.0).dropFirst(text.count))
        choices = fitting
    }

    /// Completes a path with the names of files. Folders end with `/`.
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
