import Compute
import CPVIT
import LanguageModel
import PVITModel
import Storage

/// `pvit_logits`, which pvit.h describes.
@c @implementation
public func pvit_logits(
    _ model: OpaquePointer?, _ request: OpaquePointer?, _ options: OpaquePointer?,
    _ progress: pvit_progress_callback?, _ abort: pvit_abort_callback?, _ context: UnsafeMutableRawPointer?,
    _ logits: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(logits, error) {
        let model = try object(model, ModelObject.self)
        let request = try object(request, RequestObject.self).copy
        var options = try OptionReader(options)
        let storage = try options.choice("kv-cache", KVCache.Storage.self) ?? .f32
        let isLast = try options.flag("last") ?? false
        try options.finish()
        let resolved = try request.resolved(for: model)
        let watch = CallWatch(progress: progress, abort: abort, context: context)
        return try model.use(watch) { content in
            let input = try content.model.input(of: resolved, image: request.image?.image)
            let llama = content.model.llama
            var cache = try KVCache(for: llama.configuration, storage: storage, capacity: max(input.count, 1))
            let vocabulary = llama.configuration.vocabularySize
            let result = try ArrayObject(type: PVIT_FLOAT32, shape: [isLast ? 1 : input.count, vocabulary])
            var row = 0
            try llama.forward(input, cache: &cache, logits: isLast ? .last : .from(0)) { _, logits in
                logits.withUnsafeBytes { result.fill($0, at: row * vocabulary * 4) }
                row += 1
            } read: {
                watch.report(done: UInt64(clamping: $0), total: UInt64(clamping: input.count))
            }
            return result
        }
    }
}

extension LoadedModel {
    /// The decoder's input for a request.
    fileprivate func input(of request: RequestObject.Content.Resolved, image: PreparedImage?) throws -> LlamaInput {
        switch request {
        case .messages(let messages): return try input(for: prompt(of: messages, image: image)).input
        case .text(let text): return try input(for: prompt(ofRaw: text, image: image)).input
        case .tokens(let tokens):
            try check(tokens)
            return .tokens(tokens)
        }
    }
}

/// `pvit_embed_image`, which pvit.h describes.
@c @implementation
public func pvit_embed_image(
    _ model: OpaquePointer?, _ image: OpaquePointer?, _ abort: pvit_abort_callback?,
    _ context: UnsafeMutableRawPointer?, _ features: UnsafeMutablePointer<OpaquePointer?>?,
    _ embeddings: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    performTwo(features, embeddings, error) {
        let model = try object(model, ModelObject.self)
        let image = try object(image, ImageObject.self)
        try image.check(for: model)
        return try model.use(CallWatch(abort: abort, context: context)) {
            try $0.model.requireVision().encode(image.image)
        }
    }
}

/// `pvit_embed_regions`, which pvit.h describes.
@c @implementation
public func pvit_embed_regions(
    _ model: OpaquePointer?, _ image: OpaquePointer?, _ boxes: UnsafePointer<Double>?, _ count: Int, _ unit: Int32,
    _ abort: pvit_abort_callback?, _ context: UnsafeMutableRawPointer?,
    _ features: UnsafeMutablePointer<OpaquePointer?>?, _ embeddings: UnsafeMutablePointer<OpaquePointer?>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    performTwo(features, embeddings, error) {
        let model = try object(model, ModelObject.self)
        let image = try object(image, ImageObject.self)
        try image.check(for: model)
        guard (1...1 << 20).contains(count) else {
            throw PVITError(.argument, "there cannot be \(UInt(bitPattern: count)) regions")
        }
        let edges = try buffer(boxes, 4 * count, "the boxes")
        let regions = try (0..<count).map { number in
            try region("\(number)", Array(edges[4 * number..<4 * number + 4]), unit)
                .location(in: image.image.size, orientation: image.image.orientation)
        }
        return try model.use(CallWatch(abort: abort, context: context)) {
            try $0.model.requireVision().encode(regions, of: image.image)
        }
    }
}

/// Runs a function with two arrays as results, either of which may be unwanted.
private func performTwo(
    _ features: UnsafeMutablePointer<OpaquePointer?>?, _ embeddings: UnsafeMutablePointer<OpaquePointer?>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?, _ body: () throws -> (features: Matrix, embeddings: Matrix)
) -> pvit_status {
    features?.pointee = nil
    embeddings?.pointee = nil
    return perform(error) {
        let result = try body()
        let arrays = (
            try features.map { _ in try ArrayObject(result.features) },
            try embeddings.map { _ in try ArrayObject(result.embeddings) }
        )
        features?.pointee = arrays.0.flatMap { HandleTable.current.add($0) }
        embeddings?.pointee = arrays.1.flatMap { HandleTable.current.add($0) }
    }
}

/// `pvit_perplexity`, which pvit.h describes.
@c @implementation
public func pvit_perplexity(
    _ model: OpaquePointer?, _ text: UnsafePointer<CChar>?, _ length: Int, _ options: OpaquePointer?,
    _ progress: pvit_progress_callback?, _ abort: pvit_abort_callback?, _ context: UnsafeMutableRawPointer?,
    _ json: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(json, error) {
        let model = try object(model, ModelObject.self)
        let bytes = try buffer(text, length, "the text").map { UInt8(bitPattern: $0) }
        try TextEncoding.requireUTF8(bytes)
        var options = try OptionReader(options)
        let length = try options.integer("context", 4...1 << 30) ?? 512
        let count = try options.integer("windows", 1...Int.max)
        let storage = try options.choice("kv-cache", KVCache.Storage.self) ?? .f16
        try options.finish()
        let watch = CallWatch(progress: progress, abort: abort, context: context)
        return try model.use(watch) { content in
            let windows = try content.model.windows(of: bytes, context: length).prefix(count)
            let result = try content.model.llama.perplexity(over: windows, storage: storage) { done in
                try watch.check()
                watch.report(done: UInt64(clamping: done), total: UInt64(clamping: windows.windows.count))
            }
            return TextObject(result.json(of: windows))
        }
    }
}
