"""What an operator sees of a service: measures, status, the log, traces."""

import http.server
import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families
from toy import Toy

from stt_core import memory
from stt_core.errors import StartError
from stt_core.observability import logs, tracing
from stt_testing import sounds
from stt_testing.asserts import FILE, HOTWORD, KEY, PROMPT, discreet
from stt_testing.service import DEADLINE, Service, in_process, in_thread, until
from stt_testing.talk import talk

COMMAND = [sys.executable, str(Path(__file__).with_name("toy_process.py"))]
PATH = "/v1/audio/transcriptions"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with in_thread(Toy(), "toy/model") as running:
        yield running


def test_prometheus_reads_the_measures(service: Service) -> None:
    def measured() -> dict[tuple[str, ...], float]:
        families = list(text_string_to_metric_families(service.get("/metrics").text))
        assert all(family.documentation for family in families)
        return {
            (sample.name, *(f"{key}={value}" for key, value in sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
        }

    before = measured()
    assert service.post(sounds.speech()).status_code == 200
    with httpx.Client(base_url=service.url) as client:
        for made_up in range(50):  # what clients make up is no series
            client.get(f"/v1/models/{made_up}")
            client.get(f"/{made_up}?x={made_up}")
    after = measured()

    def grew(*name: str) -> float:
        return after[name] - before.get(name, 0)

    assert grew("stt_requests_total", f"route={PATH}", "status=200") == 1
    assert grew("stt_requests_total", "route=other", "status=404") == 50
    assert grew("stt_audio_seconds_total") == 11
    assert grew("stt_real_time_factor_count") == grew("stt_forward_seconds_count") == 1
    assert grew("stt_request_seconds_count", f"route={PATH}") == 1
    assert after[("stt_model_loaded", "model=toy/model")] == after[("stt_ready",)] == 1
    assert after[("stt_queue_limit_requests",)] == 4
    assert after[("stt_in_flight_requests",)] == 1  # the scrape itself
    assert after[("stt_queue_requests",)] == after[("stt_websocket_sessions",)] == 0
    assert after[("process_resident_memory_bytes",)] > 1e7
    assert len(after) < 400


def test_a_realtime_session_is_counted(service: Service) -> None:
    with talk(service):
        assert service.metric("stt_websocket_sessions") == 1
    until(lambda: service.metric("stt_websocket_sessions") == 0, "it has ended")
    assert service.metric('stt_requests_total{route="/v1/realtime",status="101"}') == 1


def test_status_tells_models_memory_and_queue(service: Service) -> None:
    status = service.get("/status").json()
    assert status["state"] == "ready" and status["model"] == "toy/model"
    assert [(model["name"], model["state"]) for model in status["models"]] == [("toy/model", "loaded")]
    assert status["memory"]["resident_bytes"] > 1e7
    assert status["queue"] == {"requests": 0, "limit": 4, "waiting_windows": 0}
    assert "av" in status["libraries"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, None),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/b/memory.max": "max\n",
                "sys/fs/cgroup/a/memory.max": "4096\n",
            },
            4096,
        ),
        ({"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "4096\n"}, 4096),
        (
            {"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2**63}\n"},
            None,
        ),
    ],
)
def test_the_memory_limit_is_that_of_the_container(tmp_path: Path, files: dict[str, str], expected: int | None) -> None:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert memory.limit(tmp_path) == expected


class Collector:
    """An OpenTelemetry collector on loopback."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.services: set[str] = set()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.take(self.path, body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, path: str, body: bytes) -> None:
        assert path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.services |= {
                pair.value.string_value for pair in resource.resource.attributes if pair.key == "service.name"
            }
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Path, Collector]]:
    """A process of its own, its log and its collector."""
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever, daemon=True)
    thread.start()
    log = tmp_path_factory.mktemp("watched") / "log"
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    with in_process(COMMAND, environment, "toy/model", log) as (service, _):
        yield service, log, collector
    collector.server.shutdown()
    thread.join()
    collector.server.server_close()


def test_the_log_is_a_line_of_json_for_each_request_and_tells_nothing_private(
    watched: tuple[Service, Path, Collector],
) -> None:
    service, log, _ = watched

    def lines() -> list[dict[str, Any]]:
        return [line for line in discreet(log) if line.get("request_id", "").startswith("mine-")]

    answer = httpx.post(
        f"{service.url}{PATH}?key={KEY}",
        files={"file": (FILE, sounds.speech())},
        data={"prompt": PROMPT, "hotwords": HOTWORD},
        headers={"Authorization": f"Bearer {KEY}", "x-request-id": "mine-1"},
        timeout=DEADLINE,
    )
    assert answer.status_code == 200
    assert httpx.post(service.url + PATH, headers={"x-request-id": "mine-2"}).status_code == 400
    httpx.get(f"{service.url}/{KEY}", headers={"x-request-id": "mine-3"})
    until(lambda: len(lines()) == 3, "all are logged")
    assert answer.json()["text"] not in log.read_text()
    assert all({"time", "level", "logger", "message"} <= set(line) for line in discreet(log))
    first, second, third = lines()
    assert first["message"] == f"POST {PATH} 200"
    assert (first["audio_seconds"], first["model"]) == (11, "toy/model")
    assert first["seconds"] > 0 and "gone" not in first
    assert (second["status"], third["route"], third["status"]) == (400, "other", 404)


def test_what_fails_inside_is_one_line_with_its_stack(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    with in_thread(toy := Toy(), "toy/model") as frail:
        toy.poison = ""
        answer = frail.post(sounds.speech())
    assert answer.status_code == 500
    record = next(record for record in caplog.records if record.exc_info)
    line = json.loads(logs.Json().format(record))
    assert line["request_id"] == answer.headers["x-request-id"]
    assert 'RuntimeError("poisoned")' in line["exception"]
    text = logs.Text().format(record)
    assert re.match(r"\S+Z ERROR a transcription failed request_id=req_\w+\nTraceback", text)


def test_a_client_that_hangs_up_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "stt")
    with in_thread(toy := Toy(), "toy/model") as slow:
        toy.gate.clear()
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(slow.url + PATH, files={"file": ("a.wav", sounds.speech())}, timeout=1)
        until(lambda: slow.queued() == 0, "it is given up")
        toy.gate.set()
        assert slow.metric(f'stt_requests_total{{route="{PATH}",status="499"}}') == 1
    fields = [getattr(record, "fields", {}) for record in caplog.records]
    assert [line["gone"] for line in fields if "gone" in line] == [True]


def test_a_request_is_a_span_with_its_stages_below(watched: tuple[Service, Path, Collector]) -> None:
    service, log, collector = watched
    answer = httpx.post(
        service.url + PATH,
        files={"file": ("a.wav", sounds.speech())},
        headers={"traceparent": f"00-{TRACE}-{PARENT}-01"},
        timeout=DEADLINE,
    )
    assert answer.status_code == 200

    def spans() -> dict[str, Any]:
        return {span.name: span for span in collector.spans if span.trace_id.hex() == TRACE}

    until(lambda: len(spans()) == 5, "the spans have arrived")
    found = spans()
    root = found.pop(f"POST {PATH}")
    assert set(found) == {"decode", "queue", "inference", "finish"}
    assert root.parent_span_id.hex() == PARENT
    attributes = {pair.key: pair.value for pair in root.attributes}
    assert attributes["http.route"].string_value == PATH
    assert attributes["http.response.status_code"].int_value == 200
    assert attributes["stt.audio_seconds"].double_value == 11
    for span in found.values():
        assert span.parent_span_id == root.span_id
        assert root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
    assert found["inference"].attributes[0].value.int_value == 1
    assert collector.services == {"Toy"}
    assert not [span for span in collector.spans if span.name.endswith(("/ready", "/status"))]
    assert f'"trace_id": "{TRACE}"' in log.read_text()


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://c/v1/traces"}, True),
    ],
)
def test_traces_are_made_where_a_collector_is_named(environment: dict[str, str], wanted: bool) -> None:
    assert tracing.wanted(environment) == wanted


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT is not the address"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "not by 'grpc'",
        ),
    ],
)
def test_a_wrong_collector_is_a_sentence(environment: dict[str, str], said: str) -> None:
    with pytest.raises(StartError, match=said):
        tracing.wanted(environment)
