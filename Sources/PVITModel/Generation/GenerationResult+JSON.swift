import Platform
import Storage

extension GenerationResult {
    /// The answer and its statistics as JSON.
    package func json(of model: LoadedModel) -> JSONObject {
        let process = ProcessStatus()
        let timings: JSONObject = [
            "load_s": .number(model.loadTime.seconds),
            "vision_s": .number(visionTimings.total.seconds),
            "clip_s": .number(visionTimings.image.seconds),
            "region_s": .number(visionTimings.regions.seconds),
            "prefill_s": .number(prefillTime.seconds),
            "prefill_tokens_per_s": .number(prefillTokensPerSecond),
            "decode_s": .number(decodeTime.seconds),
            "decode_tokens_per_s": .number(decodeTokensPerSecond),
            "draft_s": .number(draftTime.seconds),
            "peak_rss_bytes": .integer(Int(clamping: process.peakResidentByteCount)),
            "file_bytes_read": .integer(Int(clamping: process.diskReadByteCount)),
            "bytes_read_per_token": .number(Double(decodeStream.readByteCount) / Double(max(decodedTokenCount, 1))),
            "reader_stall_s": .number(decodeStream.stallTime.seconds),
        ]
        return [
            "text": .string(text),
            "tokens": .array(tokens.map { .integer(Int($0.rawValue)) }),
            "prompt_tokens": .integer(promptTokenCount),
            "reused_prompt_tokens": .integer(reusedTokenCount),
            "cut_prompt_tokens": .integer(cutTokenCount),
            "dropped_tokens": .integer(droppedTokenCount),
            "drafted_tokens": .integer(draftedTokenCount),
            "accepted_tokens": .integer(acceptedTokenCount),
            "stop_reason": .string(stopReason.rawValue),
            "regions": .array(
                regions.map { [.integer($0.left), .integer($0.top), .integer($0.right), .integer($0.bottom)] }),
            "timings": .object(timings),
        ]
    }
}
