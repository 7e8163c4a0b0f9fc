"""The clock alone: what it does with any timestamps."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt_core.audio.bounds import LONGEST_SECONDS
from stt_core.audio.clock import RESET, TOLERANCE, Clock

LENGTH = 0.02


class Frame(NamedTuple):
    time: float | None
    samples: int = 320
    sample_rate: int = 16_000


def positions(times: list[float | None], start: float | None = 0.0, *, resets: bool = False) -> list[float]:
    """Where each frame comes to be heard."""
    clock: Clock[Frame] = Clock(start, resets=resets)
    frames = [Frame(time) for time in times]
    placed = [one for frame in frames for one in clock.place(frame)] + list(clock.end())
    assert [frame for _, frame in placed] == frames  # none is lost, none changes its place
    found, at = [], 0.0
    for silence, _ in placed:
        assert silence >= 0
        found.append(at + silence)
        at = found[-1] + LENGTH
    return found


def run(first: float, count: int) -> list[float | None]:
    return [first + LENGTH * number for number in range(count)]


def test_a_gap_counts_when_what_follows_agrees() -> None:
    assert positions([*run(0, 5), *run(7, 50)]) == pytest.approx([*run(0, 5), *run(7, 50)])
    assert positions([*run(0, 5), *run(7, 2)]) == pytest.approx([*run(0, 5), *run(7, 2)])
    assert positions([*run(0, 5), 7.0]) == pytest.approx(run(0, 6))
    assert positions([*run(0, 5), 7.0, *run(0.12, 50)]) == pytest.approx(run(0, 56))
    assert positions([*run(0, 5), *run(7, 5), *run(0.2, 50)]) == pytest.approx(run(0, 60))


def test_timestamps_of_another_pace_are_no_gaps() -> None:
    """As FFmpeg makes them up behind a change of rate."""
    for pace in (0.3, 0.8, 1.3, 2.75):
        times = [0.0, *(0.02 + pace * LENGTH * number for number in range(500))]
        assert positions([*times]) == pytest.approx(run(0, 501))


def test_frames_without_a_time_follow_the_one_before() -> None:
    assert positions([*run(0, 5), 7.0, None, None, 7.06]) == pytest.approx([*run(0, 5), *run(7, 4)])
    assert positions([None] * 9) == pytest.approx(run(0, 9))
    assert positions([*run(0, 2), 7.0, *[None] * 2_000]) == pytest.approx(run(0, 2_003))  # not confirmed


def test_jitter_adds_nothing() -> None:
    times = [time + (0.09 if number % 2 else -0.09) for number, time in enumerate(map(float, run(1, 50)))]
    assert positions([0.0, *times[1:]], 0.91) == pytest.approx(run(0, 50), abs=0.2)
    assert positions([*run(0, 9), 0.0, 0.18, *run(0.22, 9)]) == pytest.approx(run(0, 20))


def test_an_overlap_runs_late_until_a_gap() -> None:
    found = positions([*run(0, 100), *run(1, 100), *run(5, 9)])
    assert found == pytest.approx([*run(0, 200), *run(5, 9)])


def test_a_long_gap_is_a_reset_unless_others_go_on() -> None:
    times = [*run(0, 5), *run(100, 5)]
    assert positions(times, resets=True) == pytest.approx(run(0, 10))
    assert positions(times, resets=False) == pytest.approx([*run(0, 5), *run(100, 5)])
    clock: Clock[Frame] = Clock(0.0, resets=True)
    placed = [one for time in run(0, 5) for one in clock.place(Frame(time))]
    for time in range(100):
        clock.saw(1, float(time))
    placed += [one for time in run(100, 12) for one in clock.place(Frame(time))]
    assert [silence for silence, _ in placed if silence] == [pytest.approx(99.9)]


def test_what_counts_from_anew_follows() -> None:
    times = [*run(3_600, 500), *run(0, 500), *run(40, 5)]
    assert positions(times, 3_600.0, resets=True) == pytest.approx([*run(0, 1005)])
    assert positions([*run(0, 500), *run(3, 5)], resets=True) == pytest.approx(run(0, 505))


def test_the_container_starts_with_its_first_track() -> None:
    clock: Clock[Frame] = Clock(None, resets=False)
    clock.saw(1, 1_000.0)
    placed = [one for time in run(1_004, 12) for one in clock.place(Frame(time))]
    assert [silence for silence, _ in placed] == [pytest.approx(4.0), *[0] * 11]
    assert positions(run(1_004, 3), None) == pytest.approx(run(0, 3))


def test_a_time_that_is_days_away_is_no_gap() -> None:
    assert positions([*run(0, 5), *run(2e6, 5)]) == pytest.approx(run(0, 10))
    assert positions(run(2e6, 5)) == pytest.approx(run(0, 5))


@given(
    st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=60),
    st.booleans(),
    st.booleans(),
)
def test_any_times_stay_within_bounds(times: list[float | None], resets: bool, known: bool) -> None:
    assert positions(times, 0.0 if known else None, resets=resets)[-1] <= LONGEST_SECONDS + LENGTH


@given(st.lists(st.floats(-TOLERANCE, TOLERANCE), min_size=2, max_size=60))
def test_what_is_little_off_adds_at_most_that(shifts: list[float]) -> None:
    times = [LENGTH * number + shift for number, shift in enumerate(shifts)]
    found = positions([*times])
    assert max(abs(at - LENGTH * number) for number, at in enumerate(found)) <= 2 * TOLERANCE + 1e-6


@given(st.lists(st.tuples(st.floats(0.2, 9), st.integers(12, 60)), min_size=1, max_size=9), st.booleans())
def test_every_gap_is_kept_to_the_sample(parts: list[tuple[float, int]], resets: bool) -> None:
    times: list[float | None] = []
    at = 0.0
    for gap, count in parts:
        at += gap
        times += run(at, count)
        at += count * LENGTH
    assert positions(times, resets=resets) == pytest.approx([time or 0.0 for time in times])
    assert RESET > 9
