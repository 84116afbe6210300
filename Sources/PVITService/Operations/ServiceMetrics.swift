import CoreMetrics
import Platform
import PVITModel

/// The metrics of a service.
struct ServiceMetrics: Sendable {
    private let prometheus = PrometheusMetrics()
    private let promptTokens: Counter
    private let cachedPromptTokens: Counter
    private let generatedTokens: Counter
    private let queueSeconds: FloatingPointCounter
    private let visionSeconds: FloatingPointCounter
    private let prefillSeconds: FloatingPointCounter
    private let decodeSeconds: FloatingPointCounter

    init() {
        promptTokens = Counter(label: "pvit_prompt_tokens_total", factory: prometheus)
        cachedPromptTokens = Counter(label: "pvit_cached_prompt_tokens_total", factory: prometheus)
        generatedTokens = Counter(label: "pvit_generated_tokens_total", factory: prometheus)
        queueSeconds = FloatingPointCounter(label: "pvit_queue_seconds_total", factory: prometheus)
        visionSeconds = FloatingPointCounter(label: "pvit_vision_seconds_total", factory: prometheus)
        prefillSeconds = FloatingPointCounter(label: "pvit_prefill_seconds_total", factory: prometheus)
        decodeSeconds = FloatingPointCounter(label: "pvit_decode_seconds_total", factory: prometheus)
    }

    private static let help = [
        "pvit_requests_total": "Requests by path and status.",
        "pvit_request_duration_seconds": "Time until the head of the response, by path.",
        "pvit_requests_running": "Requests that are being answered.",
        "pvit_requests_waiting": "Requests that wait for a slot.",
        "pvit_prompt_tokens_total": "Prompt tokens of requests that have ended.",
        "pvit_cached_prompt_tokens_total": "Prompt tokens that were taken over from earlier requests.",
        "pvit_generated_tokens_total": "Tokens generated for requests that have ended.",
        "pvit_queue_seconds_total": "Time that requests waited for a slot.",
        "pvit_vision_seconds_total": "Time spent encoding images.",
        "pvit_prefill_seconds_total": "Time spent reading prompts.",
        "pvit_decode_seconds_total": "Time spent generating tokens.",
        "pvit_kv_cache_bytes": "Memory of keys and values that are kept.",
        "pvit_kv_cache_limit_bytes": "Limit of that memory.",
        "pvit_resident_bytes": "Resident memory of the process.",
    ]

    /// Counts a request.
    func count(path: String, status: Int, time: Duration) {
        Counter(
            label: "pvit_requests_total", dimensions: [("path", path), ("status", "\(status)")], factory: prometheus
        ).increment()
        Timer(label: "pvit_request_duration_seconds", dimensions: [("path", path)], factory: prometheus)
            .recordSeconds(time.seconds)
    }

    /// Counts an answer.
    func count(_ answer: PoolAnswer) {
        promptTokens.increment(by: answer.promptTokenCount)
        cachedPromptTokens.increment(by: answer.reusedTokenCount)
        generatedTokens.increment(by: answer.tokens.count)
        queueSeconds.increment(by: answer.queueTime.seconds)
        visionSeconds.increment(by: answer.visionTimings.total.seconds)
        prefillSeconds.increment(by: answer.prefillTime.seconds)
        decodeSeconds.increment(by: answer.decodeTime.seconds)
    }

    /// The metrics in the text format of Prometheus.
    func text(_ status: InferenceStatus) -> String {
        let gauges: [(String, Double)] = [
            ("pvit_requests_running", Double(status.running)), ("pvit_requests_waiting", Double(status.waiting)),
            ("pvit_kv_cache_bytes", Double(status.cacheByteCount.used)),
            ("pvit_kv_cache_limit_bytes", Double(status.cacheByteCount.limit)),
            ("pvit_resident_bytes", Double(ProcessStatus().residentByteCount)),
        ]
        for (label, value) in gauges { Meter(label: label, factory: prometheus).set(value) }
        return prometheus.text(help: Self.help)
    }
}
