"""Requests that come while deploys change what answers them: none may fail."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from tests.vps.host import Host
from tests.vps.laptop import Client, Laptop, beginning, host, inventory, service, until

RATE = 10.0
"""Requests a second."""
SPOKEN = 5.0
"""Seconds from one transcription to the next."""
WANTED = 1000


class Load:
    """Calls at a fixed rate, whatever becomes of the calls before."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._http = client.http()
        self._words = beginning(3)
        self._calls: list[Future[str]] = []
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(200)
        self._clock = threading.Thread(target=self._tick)

    @contextmanager
    def running(self) -> Iterator["Load"]:
        self._clock.start()
        try:
            yield self
        finally:
            self._ended.set()
            self._clock.join()
            self._pool.shutdown()
            self._http.close()

    @property
    def count(self) -> int:
        return len(self._calls)

    def results(self) -> Counter[str]:
        return Counter(call.result() for call in self._calls)

    def _tick(self) -> None:
        start = time.monotonic()
        spoken = 0
        while not self._ended.wait(max(0.0, start + self.count / RATE - time.monotonic())):
            if self.count >= spoken * SPOKEN * RATE:
                spoken += 1
                self._calls.append(self._pool.submit(self._speak))
            else:
                self._calls.append(self._pool.submit(self._ask))

    def _ask(self) -> str:
        try:
            return str(self._http.get("/v1/models").status_code)
        except Exception as error:  # whatever it is, it is a request that failed
            return repr(error)

    def _speak(self) -> str:
        try:
            return self._client.transcript(self._words)
        except Exception as error:
            return repr(error)


def test_no_request_is_lost_while_deploys_change_the_service(laptop: Laptop, client: Client, alpha: Host) -> None:
    said = client.transcript(beginning(3))
    assert "fellow americans" in said
    with Load(client).running() as load:
        for queue in (101, 102):
            environment = {"STT_QUEUE": str(queue)}
            laptop.write(inventory({"alpha": host("alpha")}, {"whisper": service(environment=environment)}))
            laptop.cli("deploy")
        laptop.cli("rollback")
        laptop.cli("restart", "whisper")
        # As a deploy of a kit with another autostart does.
        alpha.ssh("systemctl restart greffier-autostart")
        until(lambda: load.count >= WANTED, "enough requests", 300)
    results = load.results()
    assert set(results) == {"200", said}, results
    assert sum(results.values()) >= WANTED and results[said] >= WANTED / RATE / SPOKEN
