"""What Prometheus sees. One registry per service; nothing here is global."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


class Metrics:
    """Requests, audio, forwards and the queue."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "stt_requests", "Requests answered, by path and status.", ["path", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "stt_request_seconds", "Time to answer a request.", ["path"], buckets=SECONDS, registry=registry
        )
        self.audio_seconds = Counter("stt_audio_seconds", "Audio transcribed.", registry=registry)
        self.inference_seconds = Counter(
            "stt_inference_seconds", "Time the engine was at work.", registry=registry
        )
        self.forward_seconds = Histogram(
            "stt_forward_seconds", "Time of one forward.", buckets=SECONDS, registry=registry
        )
        self.batch_windows = Histogram(
            "stt_batch_windows", "Windows in one forward.", buckets=(1, 2, 4, 8, 16), registry=registry
        )
        self.queue_requests = Gauge(
            "stt_queue_requests", "Requests that are transcribed or wait.", registry=registry
        )
        self.waiting_windows = Gauge(
            "stt_waiting_windows", "Windows that are decoded and wait for a forward.", registry=registry
        )
        self.ready = Gauge("stt_ready", "1 when the model is loaded.", registry=registry)
        self.load_seconds = Gauge("stt_model_load_seconds", "Time the model took to load.", registry=registry)

    def text(self) -> bytes:
        return generate_latest(self.registry)
