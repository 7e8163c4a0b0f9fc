"""Sizes and durations, as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.config import quantities

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@given(st.integers(1, 1024), st.sampled_from(sorted(UNITS)), st.booleans())
def test_a_size_is_read_and_shown_alike(number: int, unit: str, small: bool) -> None:
    value = quantities.size(f"{number}{unit.lower() if small else unit}")
    assert value == number * UNITS[unit]
    assert quantities.size(quantities.show_size(value)) == value


@given(st.integers(1, 365), st.sampled_from(sorted(SECONDS)))
def test_a_duration_is_read_and_shown_alike(number: int, unit: str) -> None:
    value = quantities.duration(f"{number}{unit}")
    assert value == number * SECONDS[unit]
    assert quantities.duration(quantities.show_duration(value)) == value


@given(st.text(max_size=12) | st.integers() | st.floats() | st.none() | st.booleans())
def test_anything_else_is_refused_in_a_sentence(text: object) -> None:
    for read in (quantities.size, quantities.duration):
        try:
            value = read(text)
        except ValueError as error:
            assert str(error)
        else:
            assert value > 0 and isinstance(text, str) and text.isascii()


def test_a_fullwidth_digit_is_no_digit() -> None:
    with pytest.raises(ValueError, match="is not a size"):
        quantities.size("\uff15M")


def test_never_is_zero_for_idle_only() -> None:
    assert quantities.idle("never") == 0
    with pytest.raises(ValueError, match="not a duration"):
        quantities.duration("never")
