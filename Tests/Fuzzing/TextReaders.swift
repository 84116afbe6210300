import Architectures
import PVITModel
import Storage
import Tensors
import Tokenization

/// A JSON text in both dialects. What is read is written, and reads as the same value again.
func readJSON(_ bytes: [UInt8]) throws {
    if let value = try? JSONValue(parsing: bytes, dialect: .python) { _ = value.encoded(indentation: 2) }
    let value = try JSONValue(parsing: bytes)
    let again = try? JSONValue(parsing: value.encoded())
    precondition(again == value, "written JSON reads as something else")
}

/// A `tokenizer.model`, which then encodes and decodes.
func readSentencePiece(_ bytes: [UInt8]) throws {
    use(try Tokenizer(sentencePieceModel: bytes))
}

/// A `tokenizer.json`, which then encodes and decodes.
func readTokenizerJSON(_ bytes: [UInt8]) throws {
    use(try Tokenizer(files: TokenizerFiles(tokenizerJSON: bytes)))
}

private func use(_ tokenizer: Tokenizer) {
    for text in ["", "abc <s>ab</s>  é🚀\n\n1234 it's <|x|> \u{0301}", String(repeating: "ab ", count: 50)] {
        let tokens = tokenizer.encode(text)
        precondition(tokens.allSatisfy { (0..<tokenizer.vocabularySize).contains(Int($0.rawValue)) })
        _ = tokenizer.decode(tokens)
    }
    let any = (-2..<100).map { TokenID(rawValue: $0) }
    let whole = tokenizer.decode(any, skipSpecial: false)
    var stream = tokenizer.makeStreamDecoder(skipSpecial: false)
    var streamed = ""
    for token in any { streamed += stream.append(token) }
    precondition(streamed + stream.finish() == whole, "tokens decode to another text one by one")
}

/// A chat template, which then renders a conversation. Its cost is bounded by the interpreter.
func readChatTemplate(_ bytes: [UInt8]) throws {
    let template = try ChatTemplate(
        String(decoding: bytes, as: UTF8.self), tokens: ["bos_token": "<s>", "eos_token": "</s>"])
    _ = try template.render([
        ChatMessage(.system, "Be short."), ChatMessage(.user, "a < b?"), ChatMessage(.assistant, "é\n"),
        ChatMessage(.user, "{{ x }}"),
    ])
}

/// A `config.json` as each of the models that it may be of, with the tensors that it asks for.
func readConfigurations(_ bytes: [UInt8]) throws {
    guard let json = try JSONValue(parsing: bytes, dialect: .python).object else { return }
    for read in [
        { _ = try LlamaArchitecture(config: json) }, { _ = try PVITConfiguration(parsing: json) },
        { _ = try CLIPVisionArchitecture(CLIPVisionConfiguration(parsing: json)) },
        { _ = try CLIPVisionConfiguration(parsing: json, preprocessor: json) },
        { _ = try RegionEncoderConfiguration(parsing: json) },
    ] as [() throws -> Void] {
        do {
            try read()
        } catch let error as PVITError where error.code.category == .badData {
            continue
        }
    }
}
