/// The name that the user most likely meant: one that begins with `text`, or differs from it in a few letters.
///
/// - Returns: nil if no name is near.
func nearestName(to text: String, among names: [String]) -> String? {
    let longer = names.filter { text.count > 2 && $0.hasPrefix(text) }
    if let first = longer.min(by: { $0.count < $1.count }) { return first }
    let limit = max(1, min(3, text.filter(\.isLetter).count / 2))
    let near = names.map { (name: $0, distance: editDistance(Array(text), Array($0))) }.filter { $0.distance <= limit }
    return near.min { $0.distance < $1.distance }?.name
}

/// The Levenshtein distance: the number of letters to insert, delete or replace.
private func editDistance(_ first: [Character], _ second: [Character]) -> Int {
    guard first.count <= 100, second.count <= 100 else { return .max }
    var row = Array(0...second.count)
    for (index, letter) in first.enumerated() {
        var diagonal = row[0]
        row[0] = index + 1
        for (column, other) in second.enumerated() {
            let replaced = diagonal + (letter == other ? 0 : 1)
            diagonal = row[column + 1]
            row[column + 1] = min(replaced, diagonal + 1, row[column] + 1)
        }
    }
    return row[second.count]
}
