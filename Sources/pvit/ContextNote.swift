import Architectures

/// Says on standard error what a user should know of texts of `length` tokens: that the models were trained for shorter
/// ones.
func noteContext(_ length: Int, of models: LlamaConfiguration...) {
    var notes: [String] = []
    for model in models {
        guard let note = model.contextNote(length: length), !notes.contains(note) else { continue }
        notes.append(note)
        StandardError.write("note: \(note)\n")
    }
}
