import Architectures

/// Notes on standard error if models were trained for texts shorter than `length` tokens.
func noteContext(_ length: Int, of models: LlamaConfiguration...) {
    var notes: [String] = []
    for model in models {
        guard let note = model.contextNote(length: length), !notes.contains(note) else { continue }
        notes.append(note)
        StandardError.write("note: \(note)\n")
    }
}
