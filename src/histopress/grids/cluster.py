"""Compression by the nodes of a Ray cluster: one actor a GPU or core group, slides tried again elsewhere.

The driver finds the slides, lets one actor choose how the encoder runs, hands slides out, joins the strips of
very large ones, and lists what fails. Grids are the same as without a cluster. Read in this order:
cluster_room, cluster_actor, cluster_board, cluster_crew.
"""

from __future__ import annotations

import logging
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from histopress.core.errors import ClusterError, MissingExtraError
from histopress.core.location import Location
from histopress.core.progress import progress
from histopress.core.recipe import plain
from histopress.grids import store
from histopress.grids.cluster_room import Node, Room, share_out

if TYPE_CHECKING:
    from histopress.encoders.encoder import Encoder
    from histopress.grids.cluster_actor import Order
    from histopress.grids.compress import CompressRecipe, Resources
    from histopress.grids.jobs import Job
    from histopress.grids.summary import CompressSummary

LOCAL, AUTO = "local", "auto"

STRIP = 16 * store.CHUNK
"""Cells of a strip; slides with more are shared out. A multiple of a chunk, so that no batch changes."""

SECONDS = 10.0
"""To wait for an answer of a cluster."""

JOINING = 60.0
"""Seconds to wait for nodes that offer anything."""

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_NUM_REDIS_GET_RETRIES": "2"}
"""No statistics; and a cluster that is gone is not called for ten minutes."""

LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Has Ray listen on 127.0.0.1 only, as it does by itself on laptops."""


def compress_on_cluster(  # noqa: PLR0917 - as its sisters in `compress` and `workers`
    jobs: Sequence[Job],
    encoder: Encoder,
    output: Location,
    recipe: CompressRecipe,
    resources: Resources,
    summary: CompressSummary,
) -> None:
    """Spread jobs over the actors of a cluster and count what becomes of them in the summary.

    Args:
        jobs: slides; their files must be visible to all nodes under the same name.
        encoder: is sent to the actors.
        output: folder that all nodes share, or in an object store.
        recipe: settings that shape the grids.
        resources: names the cluster.
        summary: told of everything.

    Raises:
        MissingExtraError: Ray is not installed.
        ClusterError: the cluster cannot be reached, has no room, or its nodes are not set up.
        EncoderError: the encoder cannot be run as asked.
    """
    from histopress.grids.compress import asked_precision, keep_choice

    with connected(resources.cluster):
        from histopress.grids.cluster_actor import Order
        from histopress.grids.cluster_board import Board
        from histopress.grids.cluster_crew import Crew

        room = _room(resources)
        order = Order(_absolute(output), recipe, resources, max(1, room.cores), STRIP)
        crew = Crew(_hiring(encoder, order, room), room.actors)
        try:
            choice = crew.choose(asked_precision(output, recipe, resources))
            keep_choice(choice, output, resources)
            summary.engine = plain(choice)
            seen = [replace(job, path=_absolute(job.path)) for job in jobs]
            with (
                summary.timed(),
                tempfile.TemporaryDirectory(prefix="histopress-") as work,
                progress("compress", len(jobs), "slides") as bar,
            ):
                crew.run(Board(seen, order, Path(work), summary, bar), choice)
        finally:
            crew.dismiss()


def _hiring(encoder: Encoder, order: Order, room: Room) -> Callable[[], Any]:
    """What starts one actor and gives its handle."""
    import ray

    from histopress.grids.cluster_actor import CompressActor
    from histopress.grids.cluster_crew import DEPTH

    what: dict[str, Any] = {
        "num_cpus": room.cores,
        "num_gpus": room.gpus,
        "max_restarts": 0,  # the crew replaces actors, on nodes that live
        "max_concurrency": DEPTH + 1,
        "scheduling_strategy": "SPREAD",
    }
    actor: Any = ray.remote(**what)(CompressActor)
    there = ray.put(encoder)
    return lambda: actor.remote(there, order)


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Talk to a Ray cluster; what is started here is ended, a cluster that was there goes on.

    Args:
        address: local, auto, HOST:6379 or ray://HOST:10001; Ray that this process already uses goes first.

    Raises:
        MissingExtraError: Ray is not installed.
        ClusterError: there is no cluster at this address.
    """
    if not find_spec("ray"):
        raise MissingExtraError(
            "--cluster needs Ray, which is not installed; pip install 'histopress[cluster]'"
        )
    for name, value in {**QUIET, **(LOOPBACK if address == LOCAL else {})}.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        yield
        return
    _connect(address)
    try:
        yield
    finally:
        ray.shutdown()


def _connect(address: str) -> None:
    import ray

    if address not in (LOCAL, AUTO):
        _check_reachable(address)
    own: dict[str, Any] = {"include_dashboard": False} if address == LOCAL else {}
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except Exception as error:  # Ray raises anything
        raise _unreachable(address, error) from error


def _check_reachable(address: str) -> None:
    """See at once whether anybody listens there; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise ClusterError(
            f"{address!r} is no address of a cluster, expected local, auto, HOST:6379 or ray://HOST:10001; "
            "correct it"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS).close()
    except OSError as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str, error: Exception) -> ClusterError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return ClusterError(
        f"no Ray cluster can be used at {address!r} ({reason}); start one with `ray start --head`, check the "
        "address, or say --cluster local to start Ray on this machine"
    )


def _room(resources: Resources) -> Room:
    """How the cluster is shared out; nodes that are about to join are waited for, if there are none yet."""
    end = time.monotonic() + JOINING
    while True:
        try:
            return share_out(_nodes(), resources.workers, resources.device)
        except ClusterError:
            if time.monotonic() > end:
                raise
        time.sleep(1.0)


def _nodes() -> list[Node]:
    import ray

    nodes: Any = ray.nodes
    alive = [node["Resources"] for node in nodes() if node["Alive"]]
    return [Node(int(offer.get("CPU", 0)), int(offer.get("GPU", 0))) for offer in alive]


def _absolute(file: Location) -> Location:
    """As nodes see it, whose working folders are others."""
    return file.absolute() if isinstance(file, Path) else file
