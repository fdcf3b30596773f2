"""Heads on bags: one cell decides, order does not matter, and they are what torchmil's models are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, one_hot

from histopress.core.errors import HeadError
from histopress.heads.catalogue import HEADS, make_head
from histopress.heads.head import Head, Places
from histopress.heads.mil import AttentionHead, ClamHead, DoubleTierHead, DualStreamHead, SmoothTop1
from histopress.heads.mil_bag import Bag, BagHead

BAGS = [name for name, entry in HEADS.items() if entry.library == "torchmil"]
UNORDERED = [name for name, entry in HEADS.items() if entry.takes == "bag" and name != "dtfd"]
DIM = 8


def batch(*counts: int, seed: int = 0) -> tuple[Tensor, Places]:
    """Cells in the first places of grids of 7 x 9."""
    mask = torch.zeros(len(counts), 63, dtype=torch.bool)
    for i, count in enumerate(counts):
        mask[i, :count] = True
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(sum(counts), DIM, generator=generator), Places.of(mask.view(-1, 7, 9))


def needles(bags: int, seed: int) -> tuple[Tensor, Places, Tensor]:
    """60 cells of noise a bag; in every second bag one of them stands out."""
    generator = torch.Generator().manual_seed(seed)
    cells = torch.randn(bags, 60, DIM, generator=generator)
    labels = torch.arange(bags) % 2
    where = torch.randint(60, (bags,), generator=generator)
    for bag in labels.nonzero()[:, 0].tolist():
        cells[bag, where[bag]] = 5.0 * torch.eye(DIM)[0]
    return cells.flatten(0, 1), Places.of(torch.ones(bags, 6, 10, dtype=torch.bool)), labels


def auroc(head: Head, cells: Tensor, places: Places, labels: Tensor) -> float:
    with torch.no_grad():
        logits = head.eval().answer(cells, places).logits[:, 0]
    above = logits[labels == 1][:, None] - logits[labels == 0][None]
    return float((above > 0).double().mean() + (above == 0).double().mean() / 2)


def fitted(name: str, lr: float, steps: int) -> Head:
    torch.manual_seed(0)
    head = make_head(name, DIM, 1).train()
    cells, places, labels = needles(40, seed=0)
    optimizer = torch.optim.AdamW(head.parameters(), lr=lr)
    for _ in range(steps):
        logits = head.answer(cells, places).logits[:, 0]
        optimizer.zero_grad()
        binary_cross_entropy_with_logits(logits, labels.float()).backward()
        optimizer.step()
    return head


@pytest.mark.parametrize(
    ("name", "lr", "steps"),
    [("abmil", 0.01, 25), ("dsmil", 0.01, 25), ("max", 0.05, 60), ("topk", 0.02, 60), ("lse", 0.02, 60)],
)
def test_one_cell_in_sixty_is_found(name: str, lr: float, steps: int) -> None:
    assert auroc(fitted(name, lr, steps), *needles(40, seed=0)) > 0.9


def test_the_mean_does_not_find_it() -> None:
    head = fitted("mean", 0.02, 60)
    assert auroc(head, *needles(40, seed=0)) < 0.87
    assert auroc(head, *needles(200, seed=1)) < 0.75


@pytest.mark.parametrize("name", ["abmil", "lse"])
def test_what_was_found_holds_in_other_bags(name: str) -> None:
    assert auroc(fitted(name, 0.02, 40), *needles(200, seed=1)) > 0.95


@pytest.mark.parametrize(
    "name", ["clam", "dtfd", "transmil", "abmil:transformer", "abmil:smooth", "patchgcn"]
)
def test_it_learns_by_plain_gradient_descent(name: str) -> None:
    torch.manual_seed(3)
    head = make_head(name, DIM, 2).train()
    cells, places = batch(40, 33, 5, 1)
    labels = torch.tensor([0, 1, 1, 0])
    losses = []
    for _ in range(3):
        torch.manual_seed(4)
        loss = cross_entropy(head.answer(cells, places).logits, labels)
        losses.append(float(loss.detach()))
        head.zero_grad()
        loss.backward()
        with torch.no_grad():
            for p in head.parameters():
                if p.grad is not None:
                    p.sub_(0.003 * p.grad)
    assert losses[0] > losses[1] > losses[2]


@pytest.mark.parametrize("name", UNORDERED)
def test_the_order_of_cells_is_nothing(name: str) -> None:
    torch.manual_seed(0)
    head = make_head(name, DIM, 3).eval()
    cells, places = batch(41)
    order = torch.randperm(41)
    before, after = head.answer(cells, places), head.answer(cells[order], places)
    torch.testing.assert_close(after.logits, before.logits, rtol=1e-4, atol=1e-5)
    if before.attention is not None and after.attention is not None:
        moved = after.attention.flatten()[:41]
        torch.testing.assert_close(moved, before.attention.flatten()[:41][order], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", [n for n in HEADS if n != "cnn:published"])
@pytest.mark.parametrize("outputs", [1, 4])
def test_bags_of_any_size_get_finite_answers(name: str, outputs: int) -> None:
    torch.manual_seed(0)
    head = make_head(name, DIM, outputs).eval()
    answer = head.answer(*batch(63, 1, 0, 2, 17))
    assert answer.logits.shape == (5, outputs)
    assert answer.logits.dtype == torch.float32
    assert answer.logits.isfinite().all()
    assert (answer.attention is not None) == HEADS[name].attention
    if answer.attention is not None:
        expected = torch.tensor([1.0, 1.0, 0.0, 1.0, 1.0])
        torch.testing.assert_close(answer.attention.sum(dim=(1, 2)), expected)
        assert (answer.attention >= 0).all()


@pytest.mark.parametrize("name", BAGS)
def test_answers_are_always_the_same(name: str) -> None:
    head = make_head(name, DIM, 2, dropout=0.5).eval()
    cells, places = batch(30, 12)
    assert torch.equal(head.answer(cells, places).logits, head.answer(cells, places).logits)


@pytest.mark.parametrize("name", BAGS)
def test_they_compute_in_32_bits_whatever_the_rest_does(name: str) -> None:
    head = make_head(name, DIM, 2).eval()
    cells, places = batch(30, 12)
    plain = head.answer(cells, places).logits
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(head.answer(cells, places).logits, plain)


def test_gated_attention_written_out() -> None:
    head = AttentionHead(DIM, 3, width=10, hidden=5).eval()
    cells, places = batch(9)
    seen = head.model.feat_ext(cells)
    pool = head.model.pool
    scores = pool.fc2(pool.fc1(seen).tanh() * pool.fc_gated(seen).sigmoid())
    weights = scores.softmax(dim=0)
    answer = head.answer(cells, places)
    torch.testing.assert_close(answer.logits[0], head.model.classifier((weights * seen).sum(dim=0)))
    assert answer.attention is not None
    torch.testing.assert_close(answer.attention[answer.attention > 0], weights[:, 0])


def test_two_streams_written_out() -> None:
    head = DualStreamHead(DIM, 3, width=10, hidden=5).eval()
    cells, places = batch(9)
    model, seen = head.model, head.model.feat_ext(cells)
    scores, queries = model.inst_classifier(seen), model.q_nn(seen)
    critical = queries[scores.argmax(dim=0)]
    weights = (queries @ critical.T / 5**0.5).softmax(dim=0)
    bag = model.bag_classifier((weights.T @ seen)[None])[0]
    torch.testing.assert_close(head.answer(cells, places).logits[0], (bag + scores.amax(dim=0)) / 2)


def test_pseudo_bags_hold_every_cell_once() -> None:
    head = DoubleTierHead(DIM, 1, groups=4)
    for training in (True, False):
        head.train(training)
        for count in (1, 3, 4, 30):
            bag = Bag(torch.randn(count, DIM), torch.zeros(count, 2, dtype=torch.int64))
            dealt, real = head._dealt(bag)
            assert sorted(dealt[real].tolist()) == list(range(count))
            assert dealt.shape[0] == min(4, count)
            assert real.any(dim=1).all()


@pytest.mark.parametrize(("name", "each"), [("dsmil", (1, 1, 1)), ("dtfd", (8, 1, 3))])
def test_second_logits_come_with_their_element_in_training_alone(name: str, each: tuple[int, ...]) -> None:
    head = make_head(name, DIM, 2)
    assert isinstance(head, BagHead)
    cells, places = batch(20, 1, 3)
    head.train().answer(cells, places)
    assert head.side is not None
    assert head.side.logits.shape == (sum(each), 2)
    assert head.side.element.bincount().tolist() == list(each)
    head.eval().answer(cells, places)
    assert head.side is None


def test_the_smooth_top_1_loss_is_that_of_the_paper() -> None:
    logits = torch.tensor([[2.0, -1.0], [0.3, 0.1], [-4.0, 5.0]])
    right = torch.tensor([0, 1, 1])
    margin = 1.0 - one_hot(right, 2)
    own = logits.gather(1, right[:, None])
    expected = (logits + margin - own).exp().sum(dim=1).log().mean()
    torch.testing.assert_close(SmoothTop1()(logits, right[:, None].float()), expected)


def test_the_loss_on_cells_falls_and_tells_favourites_from_the_rest() -> None:
    torch.manual_seed(0)
    head = ClamHead(DIM, 3, classes=3, chosen=4).train()
    cells, places = batch(30, 20, 25)
    targets = torch.tensor([[0.0], [1.0], [2.0]])
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
    losses = []
    for _ in range(40):
        head.answer_with(cells, places, targets)
        assert head.extra_loss is not None
        losses.append(float(head.extra_loss.detach()))
        optimizer.zero_grad()
        head.extra_loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0] / 2


def test_the_loss_on_cells_skips_bags_without_class_or_cells() -> None:
    torch.manual_seed(0)
    head = ClamHead(DIM, 1, classes=2).train()
    cells, places = batch(30, 0, 25)
    nan = float("nan")

    def loss(*targets: float) -> Tensor | None:
        head.answer_with(cells, places, torch.tensor(targets)[:, None])
        return head.extra_loss

    assert loss(nan, 1.0, nan) is None
    first, last, both = loss(1.0, 1.0, nan), loss(nan, 0.0, 0.0), loss(1.0, 1.0, 0.0)
    assert first is not None and last is not None and both is not None
    torch.testing.assert_close(both, (first + last) / 2)
    head.eval().answer(cells, places)
    assert head.extra_loss is None


def test_without_classes_there_is_no_loss_on_cells() -> None:
    head = ClamHead(DIM, 1).train()
    cells, places = batch(30, 25)
    head.answer_with(cells, places, torch.tensor([[0.7], [3.1]]))
    assert head.extra_loss is None
    with pytest.raises(HeadError, match="expected 2 or more"):
        ClamHead(DIM, 1, classes=1)
