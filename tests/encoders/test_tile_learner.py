"""What learners share: images as the encoder takes them, draws that repeat while tuning and only then."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from histopress.encoders.networks import StridedConv, StridedConvSettings
from histopress.encoders.tile_learner import TileLearner, normal

SMALL = StridedConvSettings(tile=16, shrink=2, filters=(4,), dim=5)


class Idle(TileLearner):
    def losses(self, batch: Any) -> Tensor:
        return batch


def tiles(batch: int = 3) -> Tensor:
    return torch.randint(0, 256, (batch, 16, 16, 3), generator=torch.Generator().manual_seed(0)).byte()


def test_images_are_those_of_the_encoder() -> None:
    learner = Idle(StridedConv(SMALL))
    images = learner.images(tiles(), learner.draws())
    torch.testing.assert_close(images, learner.network.prepare(tiles()), atol=1e-5, rtol=0)


def test_augmentation_sees_the_full_tile_from_0_to_1_and_can_be_left_out() -> None:
    seen: list[Tensor] = []

    def inverted(images: Tensor, generator: torch.Generator) -> Tensor:
        seen.append(images)
        return 1 - images

    learner = Idle(StridedConv(SMALL), inverted)
    plain = learner.images(tiles(), learner.draws(), altered=False)
    assert not seen
    torch.testing.assert_close(learner.images(tiles(), learner.draws()), -plain)
    torch.testing.assert_close(seen[0], tiles().permute(0, 3, 1, 2) / 255)


def test_draws_repeat_while_tuning_and_follow_the_seed_in_training() -> None:
    learner, like = Idle(StridedConv(SMALL)), torch.zeros(2, 3)
    torch.manual_seed(4)
    first, second = (normal(like, learner.draws()) for _ in range(2))
    torch.manual_seed(4)
    torch.testing.assert_close(normal(like, learner.draws()), first, rtol=0, atol=0)
    assert not torch.equal(first, second)
    learner.eval()
    one, other = (normal(like, learner.draws()) for _ in range(2))
    torch.testing.assert_close(one, other, rtol=0, atol=0)
