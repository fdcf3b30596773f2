"""Press, then classify: an encoder, grids and a head on the same pictures that networks see end to end."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from histopress.core.errors import RecipeError
from histopress.core.files import write_whole
from histopress.core.fit import LOG_FILE
from histopress.core.fit_spawn import Mute
from histopress.core.progress import Progress
from histopress.encoders.catalogue import load_encoder
from histopress.encoders.encoder import Encoder
from histopress.encoders.train_encoder import train_encoder
from histopress.encoders.train_encoder_recipe import TrainEncoderRecipe
from histopress.grids.grid import FeatureGrid
from histopress.heads.saved import load_head
from histopress.heads.train_recipe import TrainRecipe
from histopress.heads.trial import try_heads
from histopress.studies.chain_recipe import LEARNED, ChainRecipe
from histopress.studies.crops import SPACING, write_task
from histopress.studies.end_to_end_result import PictureResult, answers_to, judged
from histopress.studies.pictures import PARTS, Part, Pictures
from histopress.studies.press import PressRule, press

CropSets = Mapping[str, Mapping[Part, Pictures]]
"""Name of a task -> its pictures, each as large as a crop; the wanted object's is called `WANTED`."""

WANTED = "wanted"
LOOKS = 10
TARGET = "label"


def learn_encoder(crops: CropSets, recipe: ChainRecipe, folder: Path, bar: Progress | None = None) -> Path:
    """Train the encoder of a chain, where it is one that learns; asked twice, it only loads what is there.

    Args:
        crops: see `CropSets`.
        recipe: settings.
        folder: for tasks and encoder.
        bar: told how far the training has come.

    Returns:
        The folder of the encoder.
    """
    tile = next(iter(crops[WANTED].values())).shape[0] * recipe.magnify
    others = [name for name in crops if name != WANTED]
    tasks = others if recipe.encoder == "others" else [WANTED]
    if not tasks:
        raise RecipeError("an encoder is to learn of other objects, and there are none; take crops or vae")
    output = encoder_folder(folder)
    if not (output / "done").exists():
        for name in tasks:
            write_task(name, crops[name], folder, recipe.magnify)
    labelled = recipe.encoder in ("crops", "others")
    settings = TrainEncoderRecipe(
        method="multitask" if labelled else recipe.encoder,  # type: ignore[arg-type]
        trunk=recipe.trunk,
        width=recipe.width,
        dim=recipe.dim,
        tile=tile,
        spacing=SPACING,
        updates=recipe.updates,
        look_every=max(1, recipe.updates // LOOKS),
        augmentation="none" if labelled else None,
        seed=recipe.seed,
    )
    train_encoder([str(folder / f"{name}.toml") for name in tasks], output, settings, bar=bar)
    return output


def encoder_folder(run: Path) -> Path:
    """Where `learn_encoder` leaves the encoder, in the folder that it is given."""
    return run / "encoder"


def chain_encoder(recipe: ChainRecipe, learned: Path | None) -> Encoder:
    """The encoder of a chain: one that was trained for it, or one of the catalogue."""
    if recipe.encoder in LEARNED and learned is None:
        raise RecipeError(f"encoder {recipe.encoder} has to be trained first; call learn_encoder")
    return load_encoder(str(learned) if recipe.encoder in LEARNED else recipe.encoder)


@dataclass(frozen=True)
class Chain:
    """An encoder and how a head learns from what it presses.

    Attributes:
        encoder: that presses.
        recipe: settings.
        tile: px a side of what the encoder sees, where the recipe leaves it open.
    """

    encoder: Encoder
    recipe: ChainRecipe
    tile: int

    @property
    def rule(self) -> PressRule:
        """How pictures are cut: magnified to the tiles that the encoder takes."""
        tile = self.recipe.tile or self.tile
        return PressRule(tile, self.recipe.overlap, max(1, self.encoder.card.tile // tile))

    def train(self, parts: Mapping[Part, Pictures], replicate: int, folder: Path) -> PictureResult:
        """Press all pictures, train a head on the grids of the train part, and score it on the test part.

        What is done is not done again.

        Args:
            parts: train, tuning and test.
            replicate: seed of the head.
            folder: for the head, its predictions and `chain.json`, the result.
        """
        path = folder / "chain.json"
        if not path.exists():
            result = self._train(parts, replicate, folder)
            write_whole(path, json.dumps(asdict(result), indent=1) + "\n")
        return PictureResult(**json.loads(path.read_text(encoding="utf-8")))

    def _train(self, parts: Mapping[Part, Pictures], replicate: int, folder: Path) -> PictureResult:
        begun = time.monotonic()
        grids: dict[str, FeatureGrid] = {}
        rows: list[tuple[str, str, str, str]] = []
        for part in PARTS:
            for grid, label in zip(
                press(part, parts[part], self.encoder, self.rule), parts[part].labels.tolist(), strict=True
            ):
                grids[grid.slide.slide] = grid
                rows.append((grid.slide.slide, grid.slide.slide, str(label), part))
        table = pd.DataFrame(rows, columns=["patient", "slide", TARGET, "split"])
        asked = self._recipe(replicate)
        told = try_heads(grids, table, f"{TARGET}:binary", asked, folder / "head", bar=Mute())
        head = folder / "head" / "folds" / "0"
        return judged(
            {part: answers_to(told, part, labels=2) for part in PARTS},
            seconds=round(time.monotonic() - begun, 3),
            pictures_seen=len(pd.read_csv(head / LOG_FILE)) * len(parts["train"]),
            parameters=sum(
                p.numel() for p in (*self.encoder.parameters(), *load_head(head).head.parameters())
            ),
        )

    def _recipe(self, replicate: int) -> TrainRecipe:
        recipe = self.recipe
        return TrainRecipe(
            head=recipe.head,
            epochs=recipe.epochs,
            patience=recipe.patience,
            lr=recipe.lr,
            batch=recipe.batch,
            seed=replicate,
        )
