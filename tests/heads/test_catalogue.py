"""Heads by name."""

from __future__ import annotations

import pytest
import torch

from histopress.core.errors import HeadError
from histopress.heads.catalogue import HEADS, head_class, make_head
from histopress.heads.fold import view_rules
from histopress.heads.train import PUBLISHED, TrainRecipe


def test_the_names_are_pinned() -> None:
    assert list(HEADS) == ["mean", "cnn", "cnn:published"]


@pytest.mark.parametrize("name", HEADS)
def test_every_head_takes_a_dropout(name: str) -> None:
    head = make_head(name, 5, 2, dropout=0.35)
    assert 0.35 in {m.p for m in head.modules() if isinstance(m, torch.nn.Dropout | torch.nn.Dropout2d)}


def test_an_unknown_head_names_the_known_ones() -> None:
    with pytest.raises(
        HeadError, match=r"no head 'cnn-published'; did you mean cnn:published\?.*mean, cnn, "
    ):
        head_class("cnn-published")


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(HeadError, match="no setting depth; known: width, blocks"):
        make_head("cnn", 5, 1, depth=3)


def test_the_published_head_sees_exact_windows() -> None:
    drawn, laid = view_rules(PUBLISHED)
    assert (drawn.size, drawn.exact, drawn.centre, drawn.augment) == (400, True, "depth", True)
    assert (laid.size, laid.exact, laid.crops, laid.orientations) == (400, True, 10, True)


def test_other_heads_see_windows_of_the_recipe() -> None:
    drawn, laid = view_rules(TrainRecipe(crop=33, augment=False))
    assert (drawn.size, drawn.exact, drawn.augment) == (33, False, False)
    assert not laid.exact
