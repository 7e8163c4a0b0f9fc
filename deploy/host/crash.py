"""What nobody foresaw, on a host: one line, since a stack trace would be nobody's to read there."""

from pathlib import PurePath


def described(error: Exception) -> str:
    """`KeyError: 'size' (store.py, line 92)`: what, and where it happened."""
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    where = f" ({PurePath(place.tb_frame.f_code.co_filename).name}, line {place.tb_lineno})" if place else ""
    return f"{type(error).__name__}: {error}{where}"
