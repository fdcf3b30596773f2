"""What the study of rectangles does in a trial: train an encoder of cells, or a head on grids of codes."""

from __future__ import annotations

import io
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.core.errors import EncoderError
from histopress.core.files import write_whole
from histopress.core.fit_spawn import Mute
from histopress.core.recipe import digest
from histopress.heads.train_recipe import TrainRecipe, TrainResources
from histopress.heads.trial import try_heads
from histopress.metrics.labelled_codes import Labelled
from histopress.metrics.probes import fit_probe
from histopress.studies.dealing import dealt_anew
from histopress.studies.drawn_grids import slide_id
from histopress.studies.end_to_end_result import Answers, answers_to
from histopress.studies.kept_grids import KeptGrids
from histopress.studies.outcome import above_chance, outcome
from histopress.studies.pictures import PARTS, Part
from histopress.studies.rectangles import RectanglesRecipe
from histopress.studies.rectangles_digits import CLASSES, StampPart, Stamps, read_stamps
from histopress.studies.rectangles_encoders import cell_encoder, codes_of
from histopress.studies.rectangles_recipe import CellEncoder, CellEncoderRecipe
from histopress.studies.rectangles_stamped import CodeBook, StampedGrids
from histopress.studies.sweep_trial import Value

Control = Literal["", "permuted", "noise"]

CODES_FILE = "codes.npz"
KEPT = 4 << 30
"""Bytes of grids that stay in memory."""

BAG_LIMIT = 0.5
"""Largest accuracy of whatever sees a bag of digits."""

PROBED = 3000
"""Digits of a part by which an encoder is probed."""

STREAMS = {"encoder": 0, "train": 1, "tuning": 2, "test": 3}
"""Sets the pictures of the parts apart."""


@dataclass(frozen=True)
class CellTrial:
    """The encoder of single cells, trained once.

    Attributes:
        method: which encoder.
        scene: of the pictures that it learns from.
        recipe: of its training.
        deal: seed of which digit is in which part.
        digits: that rectangles are made of.
        content: digest of the digits.
        replicate: number of the training.
    """

    method: CellEncoder
    scene: RectanglesRecipe
    recipe: CellEncoderRecipe
    deal: int
    digits: tuple[int, ...]
    content: str
    replicate: int


@dataclass(frozen=True)
class GridTrial:
    """A head on grids of one encoder, trained once.

    Attributes:
        cells: the encoder.
        scene: of the pictures.
        lesions: long sides in cells whose accuracies are told apart; none where all are alike.
        train: pictures.
        tuning: pictures.
        test: pictures.
        control: empty, permuted (labels of training and tuning pictures) or noise (for codes).
        head: how it learns; its seed is that of the pictures too.
    """

    cells: CellTrial
    scene: RectanglesRecipe
    lesions: tuple[int, ...]
    train: int
    tuning: int
    test: int
    control: Control
    head: TrainRecipe


def picture_seed(part: str, replicate: int) -> int:
    """Seed of the pictures of a part."""
    return len(STREAMS) * replicate + STREAMS[part]


def learn_cells(settings: CellTrial, folder: Path, *, mnist: Path) -> Mapping[str, Value]:
    """Train an encoder of cells, keep its codes of all stamps, and tell how well they tell digits apart."""
    stamps = read_stamps(mnist, settings.deal, settings.digits)
    encoder = cell_encoder(
        settings.method,
        settings.recipe,
        settings.scene,
        stamps["encoder"],
        folder / "encoder",
        seed=picture_seed("encoder", settings.replicate),
        bar=Mute(),
    )
    codes = {part: codes_of(encoder, stamps[part]) for part in PARTS}
    packed = io.BytesIO()
    np.savez(packed, identity=encoder.card.identity, **codes)  # type: ignore[arg-type]
    write_whole(folder / CODES_FILE, packed.getvalue())
    return {
        "identity": encoder.card.identity,
        "dim": encoder.card.dim,
        "digit_accuracy": digit_accuracy(codes, stamps),
    }


def digit_accuracy(codes: Mapping[Part, NDArray[np.float16]], stamps: Mapping[StampPart, Stamps]) -> float:
    """Share of the test digits whose class a linear probe tells, fitted on those of the training part."""
    random = np.random.default_rng(0)
    known = {}
    for part in PARTS:
        rows = np.sort(random.permutation(len(stamps[part]))[:PROBED])
        known[part] = Labelled(
            codes[part][rows].astype(np.float32),
            stamps[part].classes[rows].astype(np.float32),
            stamps[part].sources[rows].astype(np.str_),
        )
    probe = fit_probe("multiclass", CLASSES, known["train"], known["tuning"])
    return float((probe.answers(known["test"].codes).argmax(1) == known["test"].targets).mean())


def read_books(folder: Path, stamps: Mapping[StampPart, Stamps]) -> dict[Part, CodeBook]:
    """The codes that `learn_cells` left in a folder.

    Raises:
        EncoderError: there are none.
    """
    path = folder / CODES_FILE
    if not path.exists():
        raise EncoderError(f"{path} is missing: the encoder could not be trained; see its failures.csv")
    with np.load(path) as kept:
        identity = str(kept["identity"])
        return {part: CodeBook(kept[part], stamps[part].counts, identity) for part in PARTS}


def learn_grids(settings: GridTrial, folder: Path, *, mnist: Path, encoders: Path) -> Mapping[str, Value]:
    """Train a head on grids, and tell how often it is right.

    Args:
        settings: of the trial.
        folder: for the head.
        mnist: folder of the MNIST files.
        encoders: folder of the folders of the encoders, by the digests of their trials.
    """
    stamps = read_stamps(mnist, settings.cells.deal, settings.cells.digits)
    books = read_books(encoders / digest(settings.cells), stamps)
    sources = {
        part: StampedGrids(
            part,
            settings.scene,
            picture_seed(part, settings.head.seed),
            books[part],
            noise=settings.control == "noise",
        )
        for part in PARTS
    }
    drawn = [source.grids(_count(settings, part)) for part, source in sources.items()]
    grids = KeptGrids(ChainMap(*drawn), KEPT)  # type: ignore[arg-type]
    kind = "binary" if settings.scene.labels == 2 else "multiclass"
    told = try_heads(
        grids,
        picture_table(settings),
        f"label:{kind}",
        settings.head,
        folder / "head",
        resources=TrainResources(cache_gb=0, device="auto"),
        bar=Mute(),
    )
    answers = {part: answers_to(told, part, settings.scene.labels) for part in PARTS}
    return {**scored(answers), **by_lesion(settings, sources["test"], answers["test"])}


def _count(settings: GridTrial, part: Part) -> int:
    return {"train": settings.train, "tuning": settings.tuning, "test": settings.test}[part]


def picture_table(settings: GridTrial) -> pd.DataFrame:
    """One row a picture of every part: `patient` and `slide` (the same), `label`, `split`.

    In the control, labels of training and tuning pictures are dealt out anew, each part among itself.
    """
    random = np.random.default_rng([settings.head.seed, 1])
    rows = []
    for part in PARTS:
        labels = np.arange(_count(settings, part)) % settings.scene.labels
        if settings.control == "permuted" and part != "test":
            labels = dealt_anew(labels, random)
        names = [slide_id(f"rectangles-{part}", i) for i in range(len(labels))]
        own = {"patient": names, "slide": names, "label": labels.astype(str), "split": part}
        rows.append(pd.DataFrame(own))
    return pd.concat(rows, ignore_index=True)


def scored(answers: Mapping[Part, Answers]) -> dict[str, Value]:
    """Accuracies, and what they mean.

    The outcome is "bag alone" where pictures are told by what a bag of digits tells, and layout is not seen:
    of many labels, an accuracy of `BAG_LIMIT` is far above chance.
    """
    train, test = answers["train"], answers["test"]
    classes, count = test.p.shape[1], len(test.labels)
    found = outcome(train.accuracy, len(train.labels), test.accuracy, count, classes)
    beyond = classes == 2 or above_chance(test.accuracy, count, BAG_LIMIT)
    return {
        "train_accuracy": train.accuracy,
        "tuning_accuracy": answers["tuning"].accuracy,
        "test_accuracy": test.accuracy,
        "outcome": found if beyond or found not in ("learned", "weak") else "bag alone",
        "chance": 1 / classes,
    }


def by_lesion(settings: GridTrial, source: StampedGrids, test: Answers) -> dict[str, Value]:
    """`accuracy_N` and `pictures_N` of the test pictures whose tilted rectangle is nearest to N cells."""
    if not settings.lesions:
        return {}
    longs = np.array([source.scene_of(index).tilted.long for index in range(settings.test)])
    right = test.p.argmax(1) == test.labels
    found: dict[str, Value] = {}
    for number, lesion in enumerate(settings.lesions):
        near = nearest(longs, settings.lesions) == number
        found[f"accuracy_{lesion}"] = float(right[near].mean()) if near.any() else float("nan")
        found[f"pictures_{lesion}"] = int(near.sum())
    return found


def nearest(longs: NDArray[np.int64], lesions: Sequence[int]) -> NDArray[np.int64]:
    """(pictures,) which of the lesions is nearest in its logarithm, as sizes are compared by ratios."""
    apart = np.abs(np.log(longs)[:, None] - np.log(np.asarray(lesions))[None])
    return np.asarray(apart.argmin(axis=1), np.int64)
