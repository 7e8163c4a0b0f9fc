"""Services sleep until somebody calls them, and only when nobody does."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

from tests.heard import plain
from tests.integration.audio import spoken
from tests.integration.kit import JFK, MODEL, SAID, Kit, until

PAGE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "Sec-Fetch-Mode": "navigate"}
QUIET = {"/health": 200, "/ready": 503, "/metrics": 200, "/status": 200, "/openapi.json": 200}


def test_a_request_wakes_the_service(kit: Kit) -> None:
    starts = kit.asleep()
    assert plain(kit.transcribed().text) == SAID
    state = kit.state()
    assert (state["state"], state["starts"]) == ("ready", starts + 1)


def test_ten_clients_at_once_are_one_start_and_all_served(kit: Kit) -> None:
    starts = kit.asleep()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: plain(kit.transcribed().text), range(10)))
    assert answers == [SAID] * 10
    assert kit.state()["starts"] == starts + 1


def test_it_stops_when_idle(tight: Kit) -> None:
    assert plain(tight.transcribed().text) == SAID
    until(lambda: tight.state()["state"] == "asleep", "it goes to sleep by itself")
    assert tight.state()["pid"] is None


def test_it_does_not_stop_under_a_request_that_outlasts_the_idle_time(tight: Kit) -> None:
    head, body = tight.upload(JFK.read_bytes())
    idle = tight.state()["idleSeconds"]
    with tight.connection() as connection:
        connection.sendall(head)
        until(lambda: tight.state()["state"] == "ready", "it is awake")
        starts, sent = tight.state()["starts"], 0
        while (state := tight.state())["since"] < 2.5 * idle:
            assert (state["state"], state["inFlight"]) == ("ready", 1)
            connection.sendall(body[sent : sent + 100])
            sent += 100
            time.sleep(0.1)  # a slow client, not a wait
        connection.sendall(body[sent:])
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ") and SAID in plain(answer.decode())
    assert tight.state()["starts"] == starts


def test_quiet_paths_do_not_wake(kit: Kit) -> None:
    starts = kit.asleep()
    with kit.http() as client:
        answers = {path: client.get(f"/whisper{path}") for path in QUIET}
    assert {path: answer.status_code for path, answer in answers.items()} == QUIET
    assert answers["/health"].json() == {"status": "asleep", "service": "whisper"}
    assert answers["/status"].json()["status"] == "asleep"
    assert answers["/ready"].headers["retry-after"] and answers["/ready"].json()["error"]["code"] == "service_asleep"
    assert 'greffier_service_state{service="whisper",state="asleep"} 1' in answers["/metrics"].text
    assert "/v1/audio/transcriptions" in answers["/openapi.json"].json()["paths"]
    state = kit.state()
    assert (state["state"], state["starts"]) == ("asleep", starts)


def test_quiet_paths_are_the_services_own_while_it_is_awake(kit: Kit) -> None:
    kit.awake()
    with kit.http() as client:
        assert client.get("/whisper/ready").json() == {"status": "ready"}
        assert client.get("/whisper/status").json()["model"] == MODEL
        assert "stt_ready 1.0" in client.get("/whisper/metrics").text


def test_quiet_paths_do_not_keep_awake(tight: Kit) -> None:
    tight.awake()
    with tight.http() as client:

        def asleep_though_asked() -> bool:
            time.sleep(0.2)  # as a scraper would; faster than the idle time, slower than the flood limit
            return bool(client.get("/whisper/status").json().get("status") == "asleep")

        until(asleep_though_asked, "it sleeps although somebody looks at it")


def test_a_browser_gets_a_waiting_page_and_then_the_page(kit: Kit) -> None:
    kit.asleep()
    with kit.http() as client:
        page = client.get("/whisper/docs", headers=PAGE)
        assert page.status_code == 503 and page.headers["retry-after"]
        assert page.headers["content-type"].startswith("text/html")
        assert '<meta http-equiv="refresh"' in page.text and "whisper is waking up" in page.text
        until(lambda: "swagger-ui" in client.get("/whisper/docs", headers=PAGE).text, "the page is there")


def test_a_failed_start_tells_why_and_heals(kit: Kit) -> None:
    kit.asleep()
    port = kit.ports["service:whisper"]
    with socket.socket() as other, kit.http() as client:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        reason = f"port {port} is in use by another program"
        answer = client.get("/whisper/v1/models")
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1
        assert reason in answer.json()["error"]["message"]
        page = client.get("/whisper/docs", headers=PAGE)
        assert page.status_code == 503 and reason in page.text and 'class="failed"' in page.text
        told = kit.cli("wake", "whisper", status=3).stderr
        assert reason in told
        assert reason in kit.cli("status").stdout
    with kit.http() as client:
        until(lambda: client.get("/whisper/v1/models").status_code == 200, "it starts once the port is free")
    assert kit.state()["lastError"] is None


def test_health_is_answered_while_a_transcription_runs(kit: Kit) -> None:
    kit.awake()
    speech, answered = spoken(2), 0
    with ThreadPoolExecutor(1) as pool, kit.http() as client:
        transcription = pool.submit(kit.post, speech)
        until(lambda: client.get("/whisper/status").json()["queue"]["requests"], "it is at work")
        while not transcription.done():
            assert client.get("/whisper/health").json()["status"] == "healthy"
            answered += 1
            time.sleep(0.1)  # the processor is for the transcription
    assert answered and "fellow americans" in plain(transcription.result().json()["text"])


def test_a_client_that_hangs_up_starts_no_further_forward(kit: Kit) -> None:
    kit.asleep()
    kit.awake()  # so that its counts begin at nothing
    head, body = kit.upload(spoken(60))
    with kit.connection() as connection:
        connection.sendall(head + body)
        until(lambda: kit.metric("stt_forward_seconds_count"), "the first forward is done")
    with kit.http() as other:
        until(lambda: other.get("/whisper/status").json()["queue"]["requests"] == 0, "it is given up")
    assert plain(kit.transcribed().text) == SAID
    # Eleven minutes are 22 windows at least. Forwards grow: 1, 2, 4, 8; even one that noticed late ran no more than
    # 15, and the request after it one.
    assert kit.metric("stt_batch_windows_sum") <= 16
    until(lambda: kit.state()["inFlight"] == 0, "nothing is in flight")
