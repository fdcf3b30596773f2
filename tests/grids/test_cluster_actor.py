"""The laws of actors, without a cluster: strips make the grid that a whole slide makes; nodes must fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histopress.core.errors import ClusterError, EncoderError, UnreadableSlideError
from histopress.core.geometry import Size, Spacing
from histopress.data.write_slide import write_slide
from histopress.encoders.catalogue import load_encoder
from histopress.encoders.engine_cache import EngineChoice
from histopress.grids import store
from histopress.grids.cluster_actor import CompressActor, Order, Plan
from histopress.grids.cluster_board import Board, Task
from histopress.grids.compress import CompressRecipe, Resources, compress
from histopress.grids.jobs import Job
from histopress.grids.ready import Done
from histopress.grids.summary import CompressSummary
from histopress.grids.workers import Silent

RECIPE = CompressRecipe(encoder="mean-rgb:tile=16")
PLAIN = Resources(threads=1)


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    """2700 cells of 16 px, a few of which touch a tile that cannot be decoded."""
    random = np.random.default_rng(0)
    shape, colour = (50 * 16, 54 * 16, 3), np.array([200, 130, 180])
    pixels = np.clip(colour + random.normal(0, 30, shape), 0, 255).astype(np.uint8)
    path = tmp_path / "slides" / "a.tiff"
    path.parent.mkdir()
    write_slide(path, Size(shape[1], shape[0]), Spacing.square(0.5), pixels)
    data = bytearray(path.read_bytes())
    middle = data.index(b"\xff\xda", len(data) // 3)
    data[middle + 20 : middle + 400] = bytes(380)
    path.write_bytes(data)
    return path


@pytest.fixture
def actor(tmp_path: Path, slide: Path, monkeypatch: pytest.MonkeyPatch) -> CompressActor:
    """An actor beside a folder that a driver has begun."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    compress([slide], tmp_path / "whole", RECIPE, PLAIN)
    compress([], tmp_path / "out", RECIPE, PLAIN)
    order = Order(tmp_path / "out", RECIPE, PLAIN, 1, store.CHUNK)
    return CompressActor(load_encoder(RECIPE.encoder), order)


def board_of(actor: CompressActor, job: Job, work: Path) -> tuple[Board, CompressSummary]:
    summary = CompressSummary(output=actor.order.output, encoder={}, slides=1)
    return Board([job], actor.order, work, summary, Silent()), summary


def tasks_of(board: Board) -> list[Task]:
    found = []
    while task := board.next(idle=True):
        found.append(task)
    return found


@pytest.mark.parametrize("turn", [0, 1, 2])
def test_strips_make_the_grid_of_the_whole_slide(
    tmp_path: Path, slide: Path, actor: CompressActor, turn: int
) -> None:
    """In whatever order they come, and with the same cells left out for damage."""
    actor.choose("auto")
    job = Job("a", slide, None, None)
    board, summary = board_of(actor, job, tmp_path / "work")
    (whole,) = tasks_of(board)
    plan = actor.compress(job)
    assert isinstance(plan, Plan)
    board.done(whole, plan)
    strips = tasks_of(board)
    assert [task.first for task in strips] == [0, 1024, 2048]
    for task in strips[turn:] + strips[:turn]:
        assert board.left == 1
        board.done(task, actor.encode(job, plan, task.first or 0))
    assert board.left == 0
    name = f"a{store.SUFFIX}"
    assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert summary.cells_left_out > 0
    assert summary.tiles == store.count_tiles(tmp_path / "out" / name)
    assert actor.compress(job) == Done(summary.tiles, skipped=True)


def test_a_slide_that_changes_between_its_strips_is_noticed(slide: Path, actor: CompressActor) -> None:
    actor.choose("auto")
    job = Job("a", slide, None, None)
    plan = actor.compress(job)
    assert isinstance(plan, Plan)
    slide.write_bytes(slide.read_bytes() + b"more")
    with pytest.raises(UnreadableSlideError, match="changed while it was read"):
        actor.encode(job, plan, 0)


def test_a_strip_that_fails_takes_the_others_along(tmp_path: Path, slide: Path, actor: CompressActor) -> None:
    actor.choose("auto")
    job = Job("a", slide, None, None)
    board, summary = board_of(actor, job, tmp_path / "work")
    (whole,) = tasks_of(board)
    plan = actor.compress(job)
    board.done(whole, plan)
    first = board.next(idle=True)
    assert first is not None
    board.failed(first, UnreadableSlideError("gone; copy it"))
    assert (board.left, tasks_of(board)) == (0, [])
    assert [failure.remedy for failure in summary.failures] == ["copy it"]


def test_what_an_actor_died_of_is_done_alone_and_the_third_time_given_up(
    tmp_path: Path, slide: Path, actor: CompressActor
) -> None:
    board, summary = board_of(actor, Job("a", slide, None, None), tmp_path / "work")
    (task,) = tasks_of(board)
    for _ in range(2):
        board.died(task, "worker killed")
        assert board.is_suspect(task)
        assert board.next(idle=False) is None
        assert board.next(idle=True) == task
    board.died(task, "worker killed")
    assert board.left == 0
    assert "3 times the actor" in next(iter(summary.failures)).reason


def _other_version(order: dict[str, Any], _: Path) -> None:
    order["version"] = "0.0.0"


def _other_folder(order: dict[str, Any], folder: Path) -> None:
    order["output"] = folder / "not there"


def _other_encoder(order: dict[str, Any], _: Path) -> None:
    card = order["output"] / "encoder" / "card.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "identity": "another"}))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_other_version, "has histopress .*, the driver 0.0.0; install the same"),
        (_other_folder, "does not see in .*; name a folder that all nodes share"),
        (_other_encoder, "does not see in .*; name a folder that all nodes share"),
    ],
)
def test_nodes_that_are_not_set_up_say_so(
    tmp_path: Path, actor: CompressActor, spoil: Callable[[dict[str, Any], Path], None], told: str
) -> None:
    order = dict(vars(actor.order))
    spoil(order, tmp_path)
    with pytest.raises(ClusterError, match=told):
        CompressActor(actor.encoder, Order(**order)).choose("auto")


def test_a_choice_that_a_node_cannot_follow_is_an_error(actor: CompressActor) -> None:
    with pytest.raises(EncoderError, match="cannot be used here"):
        actor.start(EngineChoice("cuda:77", "bf16", "cuda-graph", 1.0, 256))
    with pytest.raises(EncoderError, match="runs as it is, not by openvino"):
        actor.start(EngineChoice("cpu", "fp32", "openvino", 1.0, 64))


def test_codes_are_the_same_where_a_choice_was_made_and_where_it_is_followed() -> None:
    from histopress.encoders.engine import prepare, prepare_as

    encoder = load_encoder("random:dim=5,tile=32,depth=2,width=8")
    tiles = np.random.default_rng(0).integers(0, 256, (70, 32, 32, 3), np.uint8)
    here = prepare(encoder, "cpu", "fp32", "torch-folded", threads=1)
    there = prepare_as(load_encoder("random:dim=5,tile=32,depth=2,width=8"), here.choice, threads=1)
    assert there.choice == here.choice
    assert np.array_equal(there.encode(tiles), here.encode(tiles))
