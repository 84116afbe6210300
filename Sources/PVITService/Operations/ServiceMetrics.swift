import CoreMetrics
import Platform

/// The metrics of a service.
struct ServiceMetrics: Sendable {
    private let prometheus = PrometheusMetrics()

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

    /// The metrics in the text format of Prometheus.
    func text(_ status: InferenceStatus) -> String {
        let gauges: [(String, Double)] = [
            ("pvit_requests_running", Double(status.running)), ("pvit_requests_waiting", Double(status.waiting)),
            ("pvit_kv_cache_bytes", Double(status.cacheByteCount.used)),
            ("pvit_kv_cache_limit_bytes", Double(status.cacheByteCount.limit)),
            ("pvit_resident_bytes", Double(ProcessStatus().residentByteCount)),
        ]
        for (label, value) in gauges { Meter(label: label, factory: prometheus).set(value) }
        let counters: [(String, Double)] = [
            ("pvit_prompt_tokens_total", Double(status.promptTokens)),
            ("pvit_cached_prompt_tokens_total", Double(status.reusedTokens)),
            ("pvit_generated_tokens_total", Double(status.generatedTokens)),
            ("pvit_queue_seconds_total", status.queueSeconds), ("pvit_vision_seconds_total", status.visionSeconds),
            ("pvit_prefill_seconds_total", status.prefillSeconds), ("pvit_decode_seconds_total", status.decodeSeconds),
        ]
        for (label, value) in counters {
            let counter = FloatingPointCounter(label: label, factory: prometheus)
            counter.reset()
            counter.increment(by: value)
        }
        return prometheus.text(help: Self.help)
    }
}
