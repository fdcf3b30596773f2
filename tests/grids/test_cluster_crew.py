"""The laws of the crew, with a stand-in for Ray: actors that cannot start are replaced or left out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from histopress.core.errors import ClusterError, EncoderError, HistopressError
from histopress.encoders.engine_cache import EngineChoice
from histopress.grids.cluster_actor import Order
from histopress.grids.cluster_board import Board
from histopress.grids.compress import CompressRecipe, Resources
from histopress.grids.jobs import Job
from histopress.grids.ready import Done
from histopress.grids.summary import CompressSummary
from histopress.grids.workers import Silent

ray = pytest.importorskip("ray", reason="ray is not installed")
from ray.exceptions import RayActorError, RayTaskError  # noqa: E402 - behind importorskip

from histopress.grids import cluster_crew  # noqa: E402 - it imports ray
from histopress.grids.cluster_crew import Crew  # noqa: E402

CHOICE = EngineChoice("cpu", "fp32", "exact", 1.0, 64)


class Fake:
    """An actor: raises what it is told to, each time it is started."""

    def __init__(self, started: Exception | None = None, comes: bool = True, chosen: Exception | None = None):
        self.started, self.comes, self.chosen = started, comes, chosen
        self.killed = False
        self.busy = self.most = 0

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=lambda *args: Promise(self, name, args))


class Promise:
    def __init__(self, actor: Fake, name: str, args: tuple[Any, ...]) -> None:
        self.actor, self.name, self.args = actor, name, args
        actor.busy += name == "compress"
        actor.most = max(actor.most, actor.busy)

    def keep(self) -> Any:
        error = {"start": self.actor.started, "choose": self.actor.chosen}.get(self.name)
        if isinstance(error, HistopressError):
            raise RayTaskError(self.name, "", error)
        if error:
            raise error
        self.actor.busy -= self.name == "compress"
        return {"choose": CHOICE, "compress": Done(10, False)}.get(self.name)


@pytest.fixture(autouse=True)
def fake_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(refs: list[Promise], num_returns: int, timeout: float) -> tuple[list[Promise], list[Promise]]:
        there = [ref for ref in refs if ref.actor.comes][:num_returns]
        return there, [ref for ref in refs if ref not in there]

    def kill(actor: Fake) -> None:
        actor.killed = True

    stand_in = SimpleNamespace(wait=wait, kill=kill, get=lambda ref: ref.keep())
    monkeypatch.setattr(cluster_crew, "ray", stand_in)
    monkeypatch.setattr(cluster_crew, "PATIENCE", 0.0)


def hiring(*actors: Fake) -> Callable[[], Fake]:
    waiting = iter(actors)
    return lambda: next(waiting)


def run(crew: Crew, tmp_path: Path, slides: int = 5) -> CompressSummary:
    order = Order(tmp_path, CompressRecipe(encoder="mean-rgb"), Resources(), 1, 1024)
    summary = CompressSummary(output=tmp_path, encoder={}, slides=slides)
    jobs = [Job(f"s{n}", tmp_path / f"s{n}.svs", None, None) for n in range(slides)]
    crew.run(Board(jobs, order, tmp_path, summary, Silent()), crew.choose("auto"))
    crew.dismiss()
    return summary


def test_a_node_that_cannot_follow_is_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = Fake(), Fake(EncoderError("node7 has no such device; use auto"))
    with caplog.at_level(logging.ERROR):
        summary = run(Crew(hiring(good, bad), 2), tmp_path)
    assert (summary.compressed, len(summary.failures)) == (5, 0)
    assert "one actor less: node7 has no such device" in caplog.text
    assert bad.killed


def test_if_no_node_can_follow_every_slide_fails_with_the_reason(tmp_path: Path) -> None:
    bad = [Fake(EncoderError("no such device; use auto")) for _ in range(2)]
    summary = run(Crew(hiring(*bad), 2), tmp_path)
    assert [failure.remedy for failure in summary.failures] == ["use auto"] * 5
    assert all("no such device" in failure.reason for failure in summary.failures)


def test_an_actor_that_dies_at_its_start_is_replaced(tmp_path: Path) -> None:
    dying, fresh = Fake(RayActorError()), Fake()
    summary = run(Crew(hiring(dying, fresh), 1), tmp_path)
    assert summary.compressed == 5
    assert (dying.killed, fresh.killed) == (True, True)


def test_actors_that_always_die_at_their_start_end_the_run(tmp_path: Path) -> None:
    summary = run(Crew(lambda: Fake(RayActorError()), 2), tmp_path)
    assert len(summary.failures) == 5
    assert all("dies at its start" in failure.reason for failure in summary.failures)


def test_nobody_comes() -> None:
    with pytest.raises(ClusterError, match="gave no room for an actor"):
        Crew(lambda: Fake(comes=False), 2).choose("auto")


def test_what_the_encoder_says_ends_the_run_and_deaths_do_when_they_repeat() -> None:
    with pytest.raises(EncoderError, match="no such precision"):
        Crew(lambda: Fake(chosen=EncoderError("no such precision")), 2).choose("int1")
    with pytest.raises(ClusterError, match="actors die while they load the encoder"):
        Crew(lambda: Fake(chosen=RayActorError()), 4).choose("auto")


def test_actors_have_two_slides_while_there_are_many(tmp_path: Path) -> None:
    one, other = Fake(), Fake()
    assert run(Crew(hiring(one, other), 2), tmp_path, slides=9).compressed == 9
    assert max(one.most, other.most) == cluster_crew.DEPTH
