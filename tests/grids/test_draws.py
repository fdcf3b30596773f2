"""Draws: every case once, no lonely case, like sizes together, rare cases in every batch."""

from __future__ import annotations

import pytest
import torch

from histopress.grids.draws import Draws


def drawn(draws: Draws, seed: int = 0) -> list[list[int]]:
    torch.manual_seed(seed)
    batches = [[case for case, _ in batch] for batch in draws]
    assert len(batches) == len(draws)
    return batches


@pytest.mark.parametrize("cases", [1, 2, 7, 8, 9, 16, 17, 100])
@pytest.mark.parametrize("sized", [False, True])
def test_every_case_comes_once_and_none_is_alone(cases: int, sized: bool) -> None:
    sizes = torch.randint(1, 500, (cases,)).tolist() if sized else None
    batches = drawn(Draws(cases, 8, sizes=sizes))
    assert sorted(c for batch in batches for c in batch) == list(range(cases))
    assert cases == 1 or min(map(len, batches)) > 1
    assert max(map(len, batches)) <= 9


def test_orders_and_seeds_of_views_change_with_the_seed_alone() -> None:
    draws = Draws(20, 6)
    assert drawn(draws, 1) == drawn(draws, 1) != drawn(draws, 2)
    torch.manual_seed(1)
    seeds = {seed for batch in draws for _, seed in batch}
    assert len(seeds) == 20


def test_cases_of_a_batch_are_of_about_the_same_size_and_batches_still_vary() -> None:
    sizes = torch.randint(1, 40_000, (1000,), generator=torch.Generator().manual_seed(0)).tolist()

    def waste(draws: Draws, seed: int) -> float:
        batches = drawn(draws, seed)
        padded = sum(max(sizes[c] for c in batch) * len(batch) for batch in batches)
        return padded / sum(sizes) - 1

    assert waste(Draws(1000, 8), 0) > 0.5
    assert waste(Draws(1000, 8, sizes=sizes), 0) < 0.1
    first, other = (drawn(Draws(1000, 8, sizes=sizes), seed) for seed in (0, 1))
    assert {frozenset(b) for b in first}.isdisjoint({frozenset(b) for b in other})
    assert [max(sizes[c] for c in batch) for batch in first] != sorted(
        max(sizes[c] for c in batch) for batch in first
    )


@pytest.mark.parametrize(("cases", "events"), [(100, 40), (100, 13), (100, 3), (33, 1)])
def test_every_batch_holds_rare_cases(cases: int, events: int) -> None:
    rare = torch.zeros(cases, dtype=torch.bool)
    rare[torch.randperm(cases)[:events]] = True
    batches = drawn(Draws(cases, 8, rare=rare))
    assert all(rare[batch].any() for batch in batches)
    assert {c for batch in batches for c in batch} == set(range(cases))
    counts = [int(rare[batch].sum()) for batch in batches]
    assert max(counts) - min(counts) <= 1
    assert max(map(len, batches)) <= 10


def test_all_or_none_rare_is_as_if_there_were_none() -> None:
    plain = drawn(Draws(20, 6))
    for rare in (torch.zeros(20, dtype=torch.bool), torch.ones(20, dtype=torch.bool)):
        assert drawn(Draws(20, 6, rare=rare)) == plain


def test_chances_balance_the_draw() -> None:
    torch.manual_seed(0)
    chances = torch.tensor([1.0] + [1 / 9] * 9)
    draws = Draws(10, 4, chances=chances)
    cases = [case for _ in range(100) for batch in draws for case, _ in batch]
    assert len(cases) == 1000
    assert 430 < sum(case == 0 for case in cases) < 570
