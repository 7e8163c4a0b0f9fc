"""Whose voice is whose: embeddings to speakers."""

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

DISTANCE = 0.58
"""Cosine distance, on average between the embeddings of two clusters, from which they are two speakers."""
SMALLEST = 4.0
"""Seconds of embedded speech below which a cluster is no speaker, but strays of others.

Windows overlap, so that a second of the recording counts four times.
"""
SMALLEST_SHARE = 0.1
"""The same as a share of all speech, for short recordings: the less of the two counts."""
MOST_POINTS = 1500
"""Embeddings that are clustered at once; of more, the likest neighbours in time are merged first."""
_PART = 500
"""Embeddings, at most, within which neighbours are merged."""


def speakers(
    voices: Floats, seconds: NDArray[np.float64], min_speakers: int | None, max_speakers: int | None
) -> Labels:
    """The speaker of each embedding, numbered from 0: shape (embeddings,).

    voices: shape (embeddings, dimension), of length 1 each, in order of time. seconds: of speech in each.
    min_speakers, max_speakers: bounds, which are kept where there are embeddings enough.
    """
    if len(voices) < 2:
        return np.zeros(len(voices), np.int64)
    points, weights, members = _condensed(voices, seconds)
    labels = _bounded(points, weights, min_speakers or 1, max_speakers or len(points))
    return labels[members]


def centroids(voices: Floats, seconds: NDArray[np.float64], labels: Labels, count: int) -> Floats:
    """The mean embedding of each speaker by seconds of speech, of length 1: shape (count, dimension)."""
    sums = np.zeros((count, voices.shape[1]), np.float32)
    np.add.at(sums, labels, voices * seconds[:, None].astype(np.float32))
    means: Floats = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return means


def assigned(likeness: Floats, seconds: NDArray[np.float64], apart: NDArray[np.bool_]) -> Labels:
    """The speaker of each of a few voices: shape (voices,).

    likeness: of the voices to each speaker, (voices, speakers). seconds: heard of each; who was heard longer
    is told first. apart: which voices are two people's, (voices, voices), while there are speakers enough.
    """
    labels: Labels = likeness.argmax(1)
    numbered: list[int] = []
    for voice in np.argsort(-seconds, kind="stable").tolist():
        others = {int(labels[other]) for other in numbered if apart[voice, other]}
        free = [speaker for speaker in range(likeness.shape[1]) if speaker not in others]
        if free:
            labels[voice] = free[int(likeness[voice, free].argmax())]
        numbered.append(voice)
    return labels


def _bounded(points: Floats, weights: NDArray[np.float64], min_speakers: int, max_speakers: int) -> Labels:
    """Average-linkage clusters, cut at DISTANCE, or where the number of speakers comes within its bounds."""
    if len(points) == 1 or max_speakers == 1:
        return np.zeros(len(points), np.int64)
    tree = linkage(points, "average", metric="cosine")
    smallest = min(SMALLEST, SMALLEST_SHARE * weights.sum())
    labels = fcluster(tree, DISTANCE, "distance") - 1
    found = len(_large(labels, weights, smallest))
    if found > max_speakers:
        for count in range(labels.max(), 0, -1):
            labels = fcluster(tree, count, "maxclust") - 1
            if len(_large(labels, weights, smallest)) <= max_speakers:
                break
    elif found < min_speakers:
        best = labels
        for count in range(labels.max() + 2, len(points) + 1):
            labels = fcluster(tree, count, "maxclust") - 1
            if len(_large(labels, weights, smallest)) > len(_large(best, weights, smallest)):
                best = labels
            if len(_large(best, weights, smallest)) >= min_speakers:
                break
        labels = best
    return _without_strays(points, weights, labels, smallest)


def _large(labels: Labels, weights: NDArray[np.float64], smallest: float) -> Labels:
    return np.flatnonzero(np.bincount(labels, weights) >= smallest)


def _without_strays(points: Floats, weights: NDArray[np.float64], labels: Labels, smallest: float) -> Labels:
    """Each point of a cluster that is too small goes to the likest that is not."""
    large = _large(labels, weights, smallest)
    if not len(large):
        return np.zeros(len(points), np.int64)
    means = centroids(points, weights, labels, int(labels.max()) + 1)[large]
    likest = (points @ means.T).argmax(1)
    renumbered = np.full(labels.max() + 1, -1)
    renumbered[large] = np.arange(len(large))
    own = renumbered[labels]
    return np.where(own >= 0, own, likest)


def _condensed(voices: Floats, seconds: NDArray[np.float64]) -> tuple[Floats, NDArray[np.float64], Labels]:
    """At most MOST_POINTS points, their seconds, and which of them each embedding is in."""
    members = np.arange(len(voices))
    points, weights = voices, seconds
    while len(points) > MOST_POINTS:
        joined, count = np.zeros(len(points), np.int64), 0
        for part in np.array_split(np.arange(len(points)), -(-len(points) // _PART)):
            tree = linkage(points[part], "average", metric="cosine")
            labels = fcluster(tree, len(part) // 2, "maxclust") - 1
            joined[part] = labels + count
            count += int(labels.max()) + 1
        points = centroids(points, weights, joined, count)
        weights = np.bincount(joined, weights).astype(np.float64)
        members = joined[members]
    return points, weights, members
