"""Clusters are shared out to actors without anything left over, or taken twice."""

from __future__ import annotations

import pytest

from histopress.core.errors import ClusterError
from histopress.grids.cluster_room import Node, Room, share_out

HEAD = Node(0, 0)


@pytest.mark.parametrize(
    ("nodes", "workers", "device", "room"),
    [
        ([Node(16, 2), Node(24, 4)], 0, "auto", Room(6, 6, 1)),
        ([Node(16, 2), Node(24, 0)], 3, "cuda", Room(3, 8, 1)),
        ([Node(1, 2)], 0, "auto", Room(2, 0, 1)),
        ([Node(16, 2), HEAD], 0, "cpu", Room(4, 4, 0)),
        ([HEAD, Node(9, 0), Node(8, 0)], 0, "auto", Room(4, 4, 0)),
        ([Node(2, 0), Node(8, 0)], 0, "auto", Room(5, 2, 0)),
        ([Node(8, 0), Node(8, 0)], 5, "auto", Room(5, 2, 0)),
        ([Node(8, 0)], 100, "auto", Room(100, 1, 0)),
        ([Node(8, 0)], 1, "auto", Room(1, 4, 0)),
    ],
)
def test_sharing_out(nodes: list[Node], workers: int, device: str, room: Room) -> None:
    assert share_out(nodes, workers, device) == room


def test_nothing_to_share_out_is_told() -> None:
    with pytest.raises(ClusterError, match="neither GPUs nor cores; start worker nodes"):
        share_out([HEAD, HEAD], 4, "auto")
    with pytest.raises(ClusterError, match="no GPU, which device cuda needs"):
        share_out([Node(8, 0)], 0, "cuda")
