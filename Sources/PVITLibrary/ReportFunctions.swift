import Conversion
import CPVIT
import Storage

/// `pvit_inspect`, which pvit.h describes.
@c @implementation
public func pvit_inspect(
    _ path: UnsafePointer<CChar>?, _ options: OpaquePointer?, _ report: UnsafeMutablePointer<OpaquePointer?>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(report, error) {
        let path = try PVITLibrary.path(path, "the path")
        var options = try OptionReader(options)
        let listsTensors = try options.flag("tensors") ?? false
        let other = try options.path("compare")
        try options.finish()
        let model = try InspectedModel(opening: path).report
        guard let other else { return TextObject(model.json(listsTensors: listsTensors)) }
        let comparison = ModelComparison(model, try InspectedModel(opening: other).report)
        return TextObject(comparison.json(listsTensors: listsTensors))
    }
}
