"""Which windows run together. Pure."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

FULL = 8
"""Windows of the largest batch: beyond it faster-whisper gains nothing on a processor, and memory grows."""
SMALL = 3
"""A request that has no more windows than this is short: alone, it gets them in one forward."""
WAIT = 5.0
"""Seconds that a forward may take while short and long requests share the engine: what a newcomer waits."""
QUICK = 0.1
"""Of what a run takes: a request that takes no more than this does not wait for one of more than WAIT."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Queue(Generic[Item]):
    """The windows of one request that may run, in order.

    ending: no more will come.
    long: it has, or had, more than SMALL.
    alone: forwards that it has had for itself, one after the other.
    live: somebody reads its text as it comes.
    """

    items: Sequence[Item]
    ending: bool = True
    long: bool = False
    alone: int = 0
    live: bool = True


def choose(
    queues: Sequence[Queue[Item]],
    group: Callable[[Item], Hashable],
    seconds: Callable[[Item], float],
) -> list[tuple[int, Item]]:
    """The windows of the next forward, as (queue, window). The first queue is the one whose turn it is.

    seconds: what a window is expected to take. Requests take turns, window by window, short ones before long
    ones after the one whose turn it is. A lone one's batches grow 1, 2, 4, 8 where its text is read as it
    comes, so that the first words come early. Requests of one kind fill batches; while short and long ones
    share the engine, no more windows go together than take WAIT.
    """
    busy = [index for index, queue in enumerate(queues) if queue.items]
    if not busy:
        return []
    first = queues[busy[0]]
    order = [busy[0], *sorted(busy[1:], key=lambda index: queues[index].long)]
    wanted = group(first.items[0])
    size = FULL
    if len(busy) == 1 and first.live and (first.long or not first.ending):
        size = min(FULL, 2**first.alone)
    bounded = len({queues[index].long for index in busy}) > 1
    chosen: list[tuple[int, Item]] = []
    taken = 0.0
    blocked: set[int] = set()
    for place in range(size):
        for index in order:
            items = queues[index].items
            # A request's windows run in order.
            if index in blocked or place >= len(items) or group(items[place]) != wanted:
                blocked.add(index)
                continue
            taken += seconds(items[place])
            if len(chosen) == size or (bounded and chosen and taken > WAIT):
                return chosen
            chosen.append((index, items[place]))
    return chosen


def passes(own: float, running: float, long: bool) -> bool:
    """Whether a request of one window runs beside a forward that began before it came, and not after it.

    own, running: seconds that each is expected to take. long: the forward works for a long request. Equal
    requests wait for each other: together they are done sooner.
    """
    return long or (running > WAIT and own <= QUICK * running)
