"""A head comes back from its folder as it was, and knows its encoder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from histopress.core.errors import HeadError
from histopress.grids.grid import FeatureGrid
from histopress.grids.views import ViewRule
from histopress.heads.catalogue import HEADS, make_head
from histopress.heads.objectives import Binary, Multiclass, Objective, describe
from histopress.heads.saved import CARD_FILE, WEIGHTS_FILE, HeadCard, load_head, save_head

GridMaker = Callable[..., FeatureGrid]


def save(
    folder: Path, name: str = "cnn", objective: Objective | None = None, dim: int = 12
) -> torch.nn.Module:
    objective = objective or Binary("label", ("no", "yes"), (0.5, 1.5))
    head = make_head(name, dim, objective.outputs, dropout=0.3)
    for value in head.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) + 0.5)
    card = HeadCard(
        name=name,
        dim=dim,
        settings={"dropout": 0.3},
        objective=describe(objective),
        encoder={"identity": "enc", "name": "made-up", "spacing": 0.5},
        grids={"tissue_share": 0.25},
        views=ViewRule(77),
    )
    save_head(folder, head, card)
    return head


@pytest.mark.parametrize("name", HEADS)
def test_a_head_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    objective = Multiclass("kind", ("a", "b", "c"), (1.0, 1.0, 1.0))
    before = save(tmp_path, name, objective)
    saved = load_head(tmp_path)
    after = saved.head.state_dict()
    assert before.state_dict().keys() == after.keys()
    assert all(torch.equal(v, after[k]) for k, v in before.state_dict().items())
    assert saved.objective == objective
    assert saved.card.views == ViewRule(77)
    assert not saved.head.training


def test_the_card_is_plain_json_and_the_weights_no_pickle(tmp_path: Path) -> None:
    save(tmp_path)
    card = json.loads((tmp_path / CARD_FILE).read_text())
    assert card["encoder"]["identity"] == "enc"
    assert card["objective"]["classes"] == ["no", "yes"]
    assert b"pickle" not in (tmp_path / WEIGHTS_FILE).read_bytes()[:200]


def test_grids_of_another_encoder_are_refused(tmp_path: Path, make_grid: GridMaker) -> None:
    save(tmp_path)
    saved = load_head(tmp_path)
    saved.check_grid(make_grid("s1", (4, 5)))
    with pytest.raises(
        HeadError, match=r"grid of s1 .*stranger.*expected made-up \(enc, 0.5 um/px\).*compress"
    ):
        saved.check_grid(make_grid("s1", (4, 5), encoder="stranger"))


@pytest.mark.parametrize("file", [CARD_FILE, WEIGHTS_FILE])
@pytest.mark.parametrize("damage", ["absent", "cut"])
def test_a_damaged_head_is_an_error(tmp_path: Path, file: str, damage: str) -> None:
    save(tmp_path)
    if damage == "absent":
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes((tmp_path / file).read_bytes()[:20])
    with pytest.raises(HeadError, match="no sound head"):
        load_head(tmp_path)


def test_weights_that_do_not_fit_their_card_are_an_error(tmp_path: Path) -> None:
    save(tmp_path)
    card: dict[str, Any] = json.loads((tmp_path / CARD_FILE).read_text())
    (tmp_path / CARD_FILE).write_text(json.dumps({**card, "dim": 5}))
    with pytest.raises(HeadError, match="no sound head"):
        load_head(tmp_path)
