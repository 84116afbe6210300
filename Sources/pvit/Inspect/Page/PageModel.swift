import Conversion

/// A model on a page: the only one, or one of two that are compared.
struct PageModel {
    /// `A` or `B`; empty if it is the only one.
    let label: String
    let report: ModelReport
    let samples: WeightSamples

    /// Reads what the page shows of a model, and a sample of its weights.
    init(_ model: InspectedModel, label: String = "") {
        self.label = label
        report = model.report
        samples = WeightSamples(of: model)
    }

    /// A title with the label, if there is one: `A: relative error`.
    func title(_ text: String) -> String { label.isEmpty ? text : "\(label): \(text)" }
    /// A name of a drawing that differs from that of the other model.
    func name(_ text: String) -> String { label.isEmpty ? text : "\(text)-\(label.lowercased())" }
}
