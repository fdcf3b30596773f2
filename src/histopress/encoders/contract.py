"""What an encoder must keep to; a package that brings one can test it with this.

from histopress.encoders.contract import CHECKS, check_encoder

check_encoder(load_encoder("mine"))                    # all at once

@pytest.mark.parametrize("check", CHECKS.values(), ids=list(CHECKS))
def test_the_contract(check): check(load_encoder("mine"))
"""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from histopress.core.errors import EncoderError
from histopress.core.geometry import Spacing
from histopress.core.recipe import plain
from histopress.encoders.encoder import Encoder, encode

Check = Callable[[Encoder], None]

TILES = 5
CLOSE = 1e-3
"""Largest difference, relative to the largest number of a code, that libraries may make between batches."""


def check_encoder(encoder: Encoder) -> None:
    """Look whether an encoder keeps the contract; takes three dozen tiles' time.

    Raises:
        EncoderError: it does not; all that is wrong is listed.
    """
    wrong = []
    for name, check in CHECKS.items():
        try:
            check(encoder)
        except EncoderError as error:
            wrong.append(f"{name}: {error}")
        except Exception as error:  # noqa: BLE001 - other people's code may raise anything
            wrong.append(f"{name}: raises {type(error).__name__}: {error}")
    if wrong:
        raise EncoderError("\n".join([f"{len(wrong)} parts of the contract are not kept", *wrong]))


def card_is_complete(encoder: Encoder) -> None:
    """It has a name, an identity, a normalisation, a plausible spacing, sizes, and plain values only."""
    card = getattr(encoder, "card", None)
    if card is None:
        raise EncoderError("it has no card; set self.card = EncoderCard(...)")
    empty = [field for field in ("name", "identity", "normalisation") if not getattr(card, field)]
    if empty:
        raise EncoderError(f"the card states no {', '.join(empty)}")
    if not Spacing.square(card.spacing).plausible:
        raise EncoderError(f"the card states {card.spacing} um/px, expected 0.05 to 5")
    if card.tile < 1 or card.dim < 1:
        raise EncoderError(
            f"the card states tiles of {card.tile} px and codes of {card.dim}, expected 1 or more"
        )
    plain(card)


def codes_have_the_stated_shape(encoder: Encoder) -> None:
    """(batch, card.dim) float32, all of them numbers, also for one tile."""
    for count in (1, 3):
        codes = _forward(encoder, _tiles(encoder)[:count])
        if not isinstance(codes, torch.Tensor):
            raise EncoderError(f"forward gives a {type(codes).__name__}, expected a tensor")
        if codes.dtype != torch.float32 or tuple(codes.shape) != (count, encoder.card.dim):
            raise EncoderError(
                f"codes of {count} tiles are {codes.dtype} {tuple(codes.shape)}, "
                f"expected float32 ({count}, {encoder.card.dim})"
            )
        if not torch.isfinite(codes).all():
            raise EncoderError("codes hold values that are no numbers")


def codes_need_no_gradients(encoder: Encoder) -> None:
    """Nothing is recorded for training."""
    if encoder(torch.from_numpy(_tiles(encoder)[:1])).requires_grad:
        raise EncoderError("codes require gradients; compute them in torch.no_grad()")


def a_batch_equals_its_elements(encoder: Encoder) -> None:
    """The code of a tile does not depend on the tiles beside it."""
    tiles = _tiles(encoder)
    together = _forward(encoder, tiles).numpy()
    alone = np.concatenate([_forward(encoder, tile[None]).numpy() for tile in tiles])
    _compare(together, alone, "a batch and its tiles one by one", CLOSE)


def the_same_tiles_give_the_same_codes(encoder: Encoder) -> None:
    """Bit for bit, on one machine, whatever the state of random numbers."""
    tiles = _tiles(encoder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        first = encode(encoder, tiles, "cpu")
        torch.manual_seed(2)
        _compare(first, encode(encoder, tiles, "cpu"), "two runs", 0.0)


def tiles_are_left_alone(encoder: Encoder) -> None:
    """The tiles that come in are not written to."""
    tiles = torch.from_numpy(_tiles(encoder))
    before = tiles.clone()
    encoder(tiles)
    if not torch.equal(tiles, before):
        raise EncoderError("it writes into its tiles; compute on a copy")


def it_stays_in_evaluation_mode(encoder: Encoder) -> None:
    """Dropout and batch norms never learn or draw, whatever is asked."""
    encoder.train()
    learning = [name or "itself" for name, module in encoder.named_modules() if module.training]
    if learning:
        encoder.eval()
        raise EncoderError(
            f"after train(), {', '.join(learning[:3])} is in training mode; leave train() as it is"
        )


def wrong_tiles_are_refused(encoder: Encoder) -> None:
    """Tiles of another size, order or type raise EncoderError."""
    tile = encoder.card.tile
    wrong = {
        "numbers of 0 to 1": torch.zeros(1, tile, tile, 3),
        "colours first": torch.zeros(1, 3, tile, tile, dtype=torch.uint8),
        "one row too many": torch.zeros(1, tile + 1, tile, 3, dtype=torch.uint8),
        "one tile without its batch": torch.zeros(tile, tile, 3, dtype=torch.uint8),
    }
    for what, tiles in wrong.items():
        try:
            encoder(tiles)
        except EncoderError:
            continue
        except Exception as error:
            raise EncoderError(
                f"{what} raises {type(error).__name__}; call check_tiles(tiles, self.card) first in forward"
            ) from error
        raise EncoderError(f"{what} is taken; call check_tiles(tiles, self.card) first in forward")


def it_survives_pickling(encoder: Encoder) -> None:
    """A copy that went to another process has the same card and gives the same codes."""
    again = pickle.loads(pickle.dumps(encoder))  # our own bytes, made a moment ago
    if again.card != encoder.card:
        raise EncoderError("its card is another one after pickling")
    tiles = _tiles(encoder)
    _compare(encode(encoder, tiles, "cpu"), encode(again, tiles, "cpu"), "it and its copy", 0.0)


CHECKS: dict[str, Check] = {
    check.__name__.replace("_", " "): check
    for check in (
        card_is_complete,
        codes_have_the_stated_shape,
        codes_need_no_gradients,
        a_batch_equals_its_elements,
        the_same_tiles_give_the_same_codes,
        tiles_are_left_alone,
        it_stays_in_evaluation_mode,
        wrong_tiles_are_refused,
        it_survives_pickling,
    )
}
"""What is checked -> the check, which raises EncoderError."""


def _tiles(encoder: Encoder) -> NDArray[np.uint8]:
    side = encoder.card.tile
    return np.random.default_rng(0).integers(0, 256, (TILES, side, side, 3), dtype=np.uint8)


def _forward(encoder: Encoder, tiles: NDArray[np.uint8]) -> torch.Tensor:
    with torch.no_grad():
        codes: torch.Tensor = encoder(torch.from_numpy(tiles))
    return codes


def _compare(one: NDArray[np.float32], other: NDArray[np.float32], what: str, close: float) -> None:
    scale = max(float(np.abs(one).max()), 1e-12)
    worst = float(np.abs(one - other).max()) / scale
    if worst > close:
        raise EncoderError(f"codes of {what} differ by {worst:.2g} of the largest number, expected {close:g}")
