import HTTPTypes
import Hummingbird
import NIOPosix
import PVITModel
import Storage
import Tensors

/// Everything that is not an answer: health, properties, the list of models, tokenization.
struct OperationsHandler: Sendable {
    let inference: InferenceService
    let options: ServiceOptions
    let metrics: ServiceMetrics
    let version: String
    let started: Int

    /// `/health`. Never waits for a computation.
    func health() throws -> Response {
        _ = try inference.facts()
        return Response(["status": "ok"])
    }

    /// `/metrics`.
    func metricsText() -> Response {
        Response(
            status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: metrics.text(inference.status))))
    }

    /// `/v1/models`.
    func models() -> JSONValue { ["object": "list", "data": [model]] }

    /// `/v1/models/NAME`.
    func model(named name: String) throws -> JSONValue {
        guard name == options.modelName else {
            throw ServiceError(
                .notFound, "there is no model \"\(name)\": this server has \"\(options.modelName)\"", param: "model",
                code: "model_not_found")
        }
        return model
    }

    private var model: JSONValue {
        ["id": .string(options.modelName), "object": "model", "created": .integer(started), "owned_by": "pvit"]
    }

    /// `/props`.
    func properties() throws -> JSONValue {
        let facts = try inference.facts()
        return [
            "model": .string(options.modelName), "file": .string(options.modelFile.lastComponent?.string ?? ""),
            "version": .string(version), "context_length": .integer(facts.contextLength),
            "trained_context_length": .integer(facts.trainedLength),
            "vocabulary_size": .integer(facts.vocabularySize), "total_slots": .integer(facts.slotCount),
            "modalities": ["vision": .bool(facts.seesImages), "regions": .bool(facts.seesRegions)],
            "image_tokens": .integer(facts.prompts.images?.patchCount ?? 0),
            "chat_template": .bool((try? facts.prompts.chatTemplate) != nil),
            "tools": .bool((try? facts.prompts.chatTemplate.knowsTools) == true),
            "max_body_bytes": .integer(Int(clamping: options.bodyLimit.rawValue)),
            "default_generation_settings": [
                "temperature": 1, "top_p": 1, "top_k": 0, "min_p": 0, "max_tokens": .null, "seed": .null,
                "presence_penalty": 0, "frequency_penalty": 0,
            ],
        ]
    }

    /// `/tokenize`: `content` becomes `tokens`, as llama.cpp's server has it.
    func tokenize(_ request: RequestObject) throws -> JSONValue {
        let tokenizer = try inference.facts().prompts.tokenizer
        guard let text = try request.string("content") else { throw request.invalid("content", "is missing") }
        let tokens = tokenizer.encode(
            text, addSpecial: try request.bool("add_special") ?? false,
            parseSpecial: try request.bool("parse_special") ?? true)
        guard try request.bool("with_pieces") ?? false else {
            return ["tokens": .array(tokens.map { .integer(Int($0.rawValue)) })]
        }
        return [
            "tokens": .array(
                tokens.map { token in
                    let bytes = tokenizer.bytes(of: token) ?? []
                    let text = String(validating: bytes, as: UTF8.self)
                    return [
                        "id": .integer(Int(token.rawValue)),
                        "piece": text.map { .string($0) } ?? .array(bytes.map { .integer(Int($0)) }),
                    ]
                })
        ]
    }

    /// `/detokenize`: `tokens` become `content`.
    func detokenize(_ request: RequestObject) throws -> JSONValue {
        let facts = try inference.facts()
        guard let values = try request.array("tokens") else { throw request.invalid("tokens", "is missing") }
        let tokens = values.compactMap { $0.integer.flatMap { TokenID(exactly: $0) } }
        guard tokens.count == values.count, tokens.allSatisfy({ facts.prompts.tokenizer.piece(of: $0) != nil }) else {
            throw request.invalid("tokens", "has an element that is not the number of a token")
        }
        return ["content": .string(facts.prompts.tokenizer.decode(tokens, skipSpecial: false))]
    }
}
