"""Which windows run together. Pure."""

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

FULL = 8
"""Windows of the largest batch: beyond it faster-whisper gains nothing on a processor, and memory grows."""
SHARE = 2
"""Windows that one request gets in a forward while others wait."""

SMALL = 3
"""A lone request that has no more windows than this left gets them in one forward: some 5 s on two cores."""

Item = TypeVar("Item")


def choose(
    queues: Sequence[Sequence[Item]],
    ending: Sequence[bool],
    group: Callable[[Item], Hashable],
    alone: int,
) -> list[tuple[int, Item]]:
    """The windows of the next forward, as (queue, window).

    queues: the windows of each request that may run, in order; the first queue is the one whose turn it is.
    ending: whether no more windows will come, for each request.
    alone: the forwards that went by with one request only; a lone request's batches grow 1, 2, 4, 8, so
    that its first words come early and a newcomer never waits for a full batch that started with it.
    """
    busy = [index for index, queue in enumerate(queues) if queue]
    if not busy:
        return []
    first = busy[0]
    wanted = group(queues[first][0])
    size, share = FULL, SHARE
    if len(busy) == 1:
        rest = len(queues[first])
        size = share = rest if ending[first] and rest <= SMALL else min(FULL, 2**alone)
    chosen: list[tuple[int, Item]] = []
    blocked: set[int] = set()
    for place in range(share):
        for index in busy:
            if len(chosen) == size:
                return chosen
            queue = queues[index]
            if index in blocked or place >= len(queue) or group(queue[place]) != wanted:
                blocked.add(index)  # a request's windows run in order
                continue
            chosen.append((index, queue[place]))
    return chosen
