"""How a cluster is shared out to actors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from histopress.core.errors import ClusterError

CORES = 4
"""Of an actor without a GPU: encoders gain little from more, and readers beside them take two."""


@dataclass(frozen=True)
class Node:
    """What a node offers."""

    cores: int
    gpus: int


@dataclass(frozen=True)
class Room:
    """How many actors there are to be, and what each is given.

    Attributes:
        actors: to be started; those for whom there is no room yet wait for new nodes.
        cores: of each.
        gpus: of each, 0 or 1.
    """

    actors: int
    cores: int
    gpus: int


def share_out(nodes: Sequence[Node], workers: int, device: str) -> Room:
    """One actor for each GPU, with its share of the cores of its node; or one for each four cores.

    Args:
        nodes: of the cluster.
        workers: actors that are wanted; 0 is as many as there is room for.
        device: as asked for; cpu leaves GPUs alone.

    Raises:
        ClusterError: there is nothing to share out.
    """
    with_gpus = [node for node in nodes if node.gpus and not device.startswith("cpu")]
    if device.startswith("cuda") and not with_gpus:
        raise ClusterError(
            f"the cluster offers no GPU, which device {device} needs; start nodes with GPUs first"
        )
    if with_gpus:
        cores = min(node.cores // node.gpus for node in with_gpus)
        return Room(workers or sum(node.gpus for node in with_gpus), cores, 1)
    with_cores = [node for node in nodes if node.cores]
    if not with_cores:
        raise ClusterError(
            "the cluster offers neither GPUs nor cores; start worker nodes first, or look at `ray status`"
        )
    cores = _cores(with_cores, workers)
    return Room(workers or _fit(with_cores, cores), cores, 0)


def _cores(nodes: Sequence[Node], workers: int) -> int:
    """Four, or all of a node that has fewer, or what makes room for as many actors as are wanted."""
    most = min(CORES, *(node.cores for node in nodes))
    return next((cores for cores in range(most, 1, -1) if _fit(nodes, cores) >= workers), 1)


def _fit(nodes: Sequence[Node], cores: int) -> int:
    return sum(node.cores // cores for node in nodes)
