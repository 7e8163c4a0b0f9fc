"""The order of the queue. Pure.

Each job gets a rank when it is accepted, and the lowest comes first. It is the time by which the job might be
done if its user had the service alone: jobs of one user line up behind each other, so nobody starves another; a
short job comes before a long one that was handed in a little earlier. What a job counts for is bounded, so a
long one waits no longer than that for short ones that come after it. (Start-time fair queueing, Goyal et al.,
1996, with the bound added.)
"""

LONGEST = 600.0
"""Seconds of audio that a job counts for at most."""
LEAST = 1.0


def rank(now: float, seconds: float, last: int | None) -> int:
    """In milliseconds of Unix time. last: the highest rank among the waiting jobs of the same user."""
    start = round(now * 1000) if last is None else max(round(now * 1000), last)
    return start + round(1000 * min(LONGEST, max(LEAST, seconds)))
