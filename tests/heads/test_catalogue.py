"""Heads by name."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from histopress.core.errors import HeadError
from histopress.grids.augment import AugmentRule
from histopress.heads.catalogue import HEADS, head_class, make_head
from histopress.heads.fold import view_rules
from histopress.heads.train import PUBLISHED, TrainRecipe


def test_the_names_are_pinned() -> None:
    assert list(HEADS) == [
        "mean",
        "max",
        "max:channels",
        "topk",
        "lse",
        "cnn",
        "cnn:published",
        "abmil",
        "abmil:smooth",
        "abmil:transformer",
        "abmil:smooth-transformer",
        "clam",
        "dsmil",
        "dtfd",
        "transmil",
        "patchgcn",
    ]


def test_names_are_known_without_loading_what_they_name() -> None:
    code = "import sys; import histopress.heads.catalogue; print('torchmil' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", HEADS)
def test_every_head_says_what_it_is(name: str) -> None:
    assert (head_class(name).__doc__ or "").strip()
    assert HEADS[name].what


@pytest.mark.parametrize("name", HEADS)
def test_every_head_takes_a_dropout(name: str) -> None:
    head = make_head(name, 5, 2, dropout=0.35)
    assert 0.35 in {m.p for m in head.modules() if isinstance(m, torch.nn.Dropout | torch.nn.Dropout2d)}


def test_an_unknown_head_names_the_known_ones() -> None:
    with pytest.raises(
        HeadError, match=r"no head 'cnn-published'; did you mean cnn:published\?.*mean, max, max:channels, "
    ):
        head_class("cnn-published")


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(HeadError, match="no setting depth; known: width, blocks"):
        make_head("cnn", 5, 1, depth=3)


def test_the_published_head_sees_exact_windows() -> None:
    drawn, laid = view_rules(PUBLISHED)
    assert (drawn.size, drawn.exact, drawn.centre) == (400, True, "depth")
    assert drawn.changes == AugmentRule()
    assert (laid.size, laid.exact, laid.crops, laid.orientations) == (400, True, 10, True)


def test_other_heads_see_windows_of_the_recipe() -> None:
    drawn, laid = view_rules(TrainRecipe(crop=33, augment=False))
    assert (drawn.size, drawn.exact) == (33, False)
    assert drawn.changes == AugmentRule(flips=False, turns=False)
    assert not laid.exact


def test_bags_are_seen_whole_but_for_a_limit_in_training() -> None:
    drawn, laid = view_rules(TrainRecipe(head="abmil", tiles=50))
    assert (drawn.size, drawn.most, laid.size, laid.most) == (0, 50, 0, 0)
    assert drawn.changes == AugmentRule(flips=False, turns=False)
