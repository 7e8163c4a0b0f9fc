"""What Prometheus sees. One registry per service; nothing here is global.

Labels have few values: a route is as declared, a model is one that the service has.
"""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from stt_core.observability.account import WEBSOCKET, Account

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
FACTORS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """Requests, audio, forwards, the queue and the models."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "stt_requests",
            "Requests answered, by route and status; 499: the client left.",
            ["route", "status"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "stt_request_seconds", "Time to answer a request.", ["route"], buckets=SECONDS, registry=registry
        )
        self.in_flight = Gauge("stt_in_flight_requests", "Requests that are being answered.", registry=registry)
        self.websockets = Gauge("stt_websocket_sessions", "Open realtime sessions.", registry=registry)
        self.audio_seconds = Counter("stt_audio_seconds", "Audio transcribed.", registry=registry)
        self.real_time_factor = Histogram(
            "stt_real_time_factor",
            "Time from upload to transcript, divided by the length of the audio.",
            buckets=FACTORS,
            registry=registry,
        )
        self.inference_seconds = Counter("stt_inference_seconds", "Time the engine was at work.", registry=registry)
        self.forward_seconds = Histogram(
            "stt_forward_seconds", "Time of one forward.", buckets=SECONDS, registry=registry
        )
        self.batch_windows = Histogram(
            "stt_batch_windows", "Windows in one forward.", buckets=(1, 2, 4, 8, 16), registry=registry
        )
        self.repeated_windows = Counter(
            "stt_repeated_windows",
            "Windows decoded once more: a guard failed, or a part was left unread.",
            registry=registry,
        )
        self.queue_requests = Gauge("stt_queue_requests", "Requests that are transcribed or wait.", registry=registry)
        self.queue_limit = Gauge(
            "stt_queue_limit_requests",
            "Requests that may be in the queue; one more gets 429.",
            registry=registry,
        )
        self.waiting_windows = Gauge(
            "stt_waiting_windows", "Windows that are decoded and wait for a forward.", registry=registry
        )
        self.ready = Gauge("stt_ready", "1 when the service takes requests.", registry=registry)
        self.model_loaded = Gauge("stt_model_loaded", "1 while the model is in memory.", ["model"], registry=registry)
        self.model_load_seconds = Gauge(
            "stt_model_load_seconds", "Time the model last took to load.", ["model"], registry=registry
        )
        self.model_memory = Gauge(
            "stt_model_memory_bytes",
            "What the model takes while it is loaded.",
            ["model"],
            registry=registry,
        )

    def note(self, account: Account) -> None:
        """A request has ended."""
        status = str(499 if account.gone or not account.status else account.status)
        self.requests.labels(account.route, status).inc()
        if account.method != WEBSOCKET:
            self.request_seconds.labels(account.route).observe(account.seconds)

    def models(self, known: Iterable[str], loaded: Mapping[str, int], seconds: Mapping[str, float]) -> None:
        """Those that there are, the bytes of each that is loaded, and the seconds that loading took."""
        for model in known:
            self.model_loaded.labels(model).set(model in loaded)
            self.model_memory.labels(model).set(loaded.get(model, 0))
            if model in seconds:
                self.model_load_seconds.labels(model).set(seconds[model])

    def transcribed(self, audio: float, seconds: float) -> None:
        """`audio` seconds of it took `seconds`, waiting included."""
        self.audio_seconds.inc(audio)
        if audio > 0:
            self.real_time_factor.observe(seconds / audio)

    def text(self) -> bytes:
        return generate_latest(self.registry)
