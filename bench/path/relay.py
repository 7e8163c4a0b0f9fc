"""What autostart and the password check cost: the same nginx with and without each, in turns."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.path import load
from bench.path.fronts import Fronts
from bench.path.load import Latency
from bench.report import Figure, Goal
from deploy.reporting import Reporter

UPLOAD_ROUNDS = 5
STEADY_ROUNDS = 3
SINK_ROUNDS = 3
ROUNDS = 5


def with_sink(fronts: Fronts, folder: Path, report: Reporter) -> Iterator[Figure]:
    """Uploads, latency at a fixed rate, and requests a second, of a service that costs nothing."""
    _warm(fronts)
    yield _uploads(fronts, folder, report)
    yield _latencies(fronts, report)
    with report.step(f"Asking a service that costs nothing over {load.CONNECTIONS} connections"):
        yield from _bursts(fronts, "a service that costs nothing", SINK_ROUNDS)


def with_service(fronts: Fronts, report: Reporter) -> Iterator[Figure]:
    """Requests a second of /v1/models of the real service."""
    _warm(fronts)
    with report.step(f"Asking the service over {load.CONNECTIONS} connections"):
        yield from _bursts(fronts, "/v1/models", ROUNDS)


def _warm(fronts: Fronts) -> None:
    load.ask(fronts.relayed)  # wakes the service
    for front in (fronts.relayed, fronts.straight, fronts.open):
        load.requests_per_second(front)


def _uploads(fronts: Fronts, folder: Path, report: Reporter) -> Figure:
    file = folder / "upload"
    with file.open("wb") as hole:
        hole.truncate(load.UPLOAD_BYTES)
    relayed, straight = [], []
    load.upload(fronts.relayed, file)  # its pages are in memory afterwards
    with report.step(f"Uploading 500 MB, {UPLOAD_ROUNDS} times through autostart and {UPLOAD_ROUNDS} times past it"):
        for _ in range(UPLOAD_ROUNDS):
            straight.append(load.upload(fronts.straight, file))
            relayed.append(load.upload(fronts.relayed, file))
    how = (
        f"medians of {UPLOAD_ROUNDS} in turns, {median(relayed) / 1e6:.0f} against {median(straight) / 1e6:.0f} MB/s; "
        "curl over TLS, nginx, autostart or not, a service that throws it away"
    )
    ratio = median(relayed) / median(straight)
    return Figure("500 MB upload, nginx + autostart against nginx straight (ratio)", ratio, how, Goal("at least", 0.8))


def _latencies(fronts: Fronts, report: Reporter) -> Figure:
    relayed: list[Latency] = []
    straight: list[Latency] = []
    with report.step(f"Asking {load.RATE} times a second"):
        for _ in range(STEADY_ROUNDS):
            straight.append(load.steady(fronts.straight))
            relayed.append(load.steady(fronts.relayed))
    p50 = [median(one.p50 for one in side) for side in (relayed, straight)]
    p99 = [median(one.p99 for one in side) for side in (relayed, straight)]
    how = (
        f"p50 {p50[0]:.2f} against {p50[1]:.2f} ms, p99 {p99[0]:.2f} against {p99[1]:.2f} ms: medians of "
        f"{STEADY_ROUNDS} in turns of {load.STEADY_SECONDS} s; open loop, a client over TLS with kept connections"
    )
    name = f"autostart's part of the p50 latency at {load.RATE} requests/s (ms)"
    return Figure(name, p50[0] - p50[1], how, Goal("at most", 0.5))


def _bursts(fronts: Fronts, service: str, rounds: int) -> Iterator[Figure]:
    """Requests a second; `service` says what answers them."""
    relayed, straight, unguarded = [], [], []
    for _ in range(rounds):
        straight.append(load.requests_per_second(fronts.straight))
        relayed.append(load.requests_per_second(fronts.relayed))
        unguarded.append(load.requests_per_second(fronts.open))
    rates = [median(side) for side in (relayed, straight, unguarded)]
    turns = (
        f"{service}; medians of {rounds} in turns of {load.BURST_SECONDS} s; wrk over TLS, {load.CONNECTIONS} "
        "connections, on the same cores"
    )
    yield Figure(
        f"requests/s of {service}, nginx + autostart against nginx straight (ratio)",
        rates[0] / rates[1],
        f"{rates[0]:.0f} against {rates[1]:.0f}, {turns}",
        Goal("at least", 0.95),
    )
    yield Figure(
        f"requests/s of {service}, with a password against open (ratio)",
        rates[0] / rates[2],
        f"{rates[0]:.0f} against {rates[2]:.0f}, {turns}; open: the same vhost without auth_request",
        Goal("at least", 0.9),
    )
