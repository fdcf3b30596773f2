"""Laws that every head keeps, whatever it computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from histopress.core.errors import HeadError
from histopress.grids.standard import Standard
from histopress.heads.catalogue import HEADS, head_class, make_head
from histopress.heads.head import Head, Places

ANY_SIZE = [name for name in HEADS if head_class(name).window is None]
CHOOSY = {"ChannelMaxHead", "MaxHead", "TopKHead"}
"""Heads that let a few cells decide."""

DIM = 6


@pytest.fixture(params=ANY_SIZE)
def head(request: pytest.FixtureRequest) -> Head:
    torch.manual_seed(1)
    made = make_head(request.param, DIM, 3)
    random = np.random.default_rng(0)
    made.set_standard(Standard(random.normal(size=DIM), random.uniform(0.5, 2, size=DIM)))
    for p in made.parameters():
        torch.nn.init.normal_(p, std=0.5)
    return made.eval()


def grids(batch: int = 4, rows: int = 7, cols: int = 11, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    dense = torch.randn(batch, DIM, rows, cols, generator=generator)
    mask = torch.rand(batch, rows, cols, generator=generator) < 0.6
    return dense * mask[:, None], mask


def test_it_answers_with_one_logit_an_output(head: Head) -> None:
    assert head(*grids()).logits.shape == (4, 3)


@pytest.mark.parametrize("garbage", [0.0, 1e4, float("nan"), float("inf")])
@pytest.mark.parametrize("sides", [(0, 5, 0, 3), (4, 0, 9, 0), (1, 30, 2, 17)])
def test_padding_changes_nothing_whatever_it_holds(
    head: Head, garbage: float, sides: tuple[int, int, int, int]
) -> None:
    top, bottom, left, right = sides
    dense, mask = grids()
    _, _, rows, cols = dense.shape
    wide = torch.full((4, DIM, top + rows + bottom, left + cols + right), garbage)
    wide[:, :, top : top + rows, left : left + cols] = torch.where(mask[:, None], dense, garbage)
    where = torch.zeros(wide.shape[0], *wide.shape[2:], dtype=torch.bool)
    where[:, top : top + rows, left : left + cols] = mask
    plain, padded = head(dense, mask), head(wide, where)
    torch.testing.assert_close(padded.logits, plain.logits, rtol=1e-4, atol=1e-5)
    if plain.attention is not None:
        inside = padded.attention[:, top : top + rows, left : left + cols]
        torch.testing.assert_close(inside, plain.attention, rtol=1e-4, atol=1e-6)


def test_a_batch_equals_its_elements(head: Head) -> None:
    dense, mask = grids()
    alone = torch.cat([head(dense[i : i + 1], mask[i : i + 1]).logits for i in range(len(dense))])
    torch.testing.assert_close(head(dense, mask).logits, alone, rtol=1e-4, atol=1e-5)


def test_the_order_of_a_batch_does_not_matter(head: Head) -> None:
    dense, mask = grids()
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(head(dense[order], mask[order]).logits, head(dense, mask).logits[order])


def test_it_also_learns_from_each_element_as_if_alone(head: Head) -> None:
    dense, mask = grids()
    head, dense = head.double(), dense.double()

    def gradients(dense: Tensor, mask: Tensor) -> list[Tensor]:
        head.zero_grad()
        head(dense, mask).logits.square().sum().backward()
        return [p.grad.clone() for p in head.parameters() if p.grad is not None]

    together = gradients(dense, mask)
    alone = [gradients(dense[i : i + 1], mask[i : i + 1]) for i in range(4)]
    for i, whole in enumerate(together):
        torch.testing.assert_close(torch.stack([a[i] for a in alone]).sum(0), whole)


def test_a_grid_without_tissue_gives_a_finite_answer_and_gradient(head: Head) -> None:
    dense, mask = grids()
    mask = mask.clone()
    mask[1] = False
    out = head(dense, mask)
    assert torch.isfinite(out.logits).all()
    out.logits.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in head.parameters() if p.grad is not None)
    empty = head(dense, torch.zeros_like(mask))
    assert torch.isfinite(empty.logits).all()
    torch.testing.assert_close(empty.logits[0], out.logits[1], rtol=1e-4, atol=1e-5)


def test_attention_sums_to_one_over_tissue_and_is_zero_elsewhere(head: Head) -> None:
    dense, mask = grids()
    mask = mask.clone()
    mask[2] = False
    attention = head(dense, mask).attention
    if attention is None:
        pytest.skip("this head has none")
    assert (attention[~mask] == 0).all()
    torch.testing.assert_close(attention.sum(dim=(1, 2)), torch.tensor([1.0, 1.0, 0.0, 1.0]))


def test_every_tissue_cell_counts(head: Head) -> None:
    dense, mask = grids()
    dense.requires_grad_()
    head(dense, mask).logits[:, 0].sum().backward()
    assert dense.grad is not None
    moved = dense.grad.abs().sum(dim=1) > 0
    if type(head).__name__ in CHOOSY:
        assert moved.any(dim=(1, 2)).all()
        assert not (moved & ~mask).any()
    else:
        assert torch.equal(moved, mask)


def test_codes_on_another_scale_with_their_standard_give_the_same(head: Head) -> None:
    dense, mask = grids()
    before = head(dense, mask).logits
    factor, offset = torch.tensor([2.0, 0.1, 5, 1, 3, 7]), torch.tensor([1.0, -4, 0, 9, 2, 100])
    standard = Standard(
        (head.centre * factor + offset).double().numpy(), (head.spread * factor).double().numpy()
    )
    head.set_standard(standard)
    moved = dense * factor.view(1, -1, 1, 1) + offset.view(1, -1, 1, 1)
    torch.testing.assert_close(head(moved, mask).logits, before, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", [(2, DIM + 1, 5, 4), (DIM, 5, 4)])
def test_codes_of_another_length_are_refused(head: Head, shape: tuple[int, ...]) -> None:
    with pytest.raises(HeadError, match=rf"expected \(batch, {DIM}, rows, cols\).*encoder"):
        head(torch.zeros(shape), torch.ones(2, 5, 4, dtype=torch.bool))


def test_places_take_what_they_lay() -> None:
    dense, mask = grids()
    places = Places.of(mask)
    cells = places.take(dense)
    assert cells.shape == (int(mask.sum()), DIM)
    assert torch.equal(cells, dense.permute(0, 2, 3, 1)[mask])
    assert torch.equal(places.lay(cells), dense)
