"""Settings of `histopress study phantom`; quick to import, so that help comes at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from histopress.core.errors import RecipeError
from histopress.studies.planting_recipe import Context, PlantRecipe


@dataclass(frozen=True)
class PhantomStudyRecipe:
    """Settings of `histopress study phantom`: a signal planted into grids, and how well heads find it.

    Every combination of the settings that take several values is trained so often as `replicates` says. The
    defaults take a few minutes on two cores.

    Attributes:
        o2i: object-to-image ratios: shares of a slide's tissue cells that hold the object.
        sizes: of the training part, patients; a quarter of them tunes.
        heads: as `histopress heads` names them.
        foci: connected groups that an object forms.
        contrast: 0 for an object that cannot be seen, to 1.
        inside: where the object counts: anywhere, border, core or cluster.
        label_noise: shares of wrong labels in the training part; the test part has true ones.
        site_shift: by how many standard deviations the sites differ.
        confounding: 0 to 1, how strongly site goes with label in the training part; not in the test part.
        signal: effect:D or effect:D:SHARE (D standard deviations, SHARE of the numbers of a code), a .npy or
            .npz file of codes, a stored grid, or a folder of pictures of tiles that show the object.
        grids: folder of stored grids without the object; none for drawn slides.
        cohort: table that tells whose slides these are; none where every slide is of another patient.
        tiles: folder of pictures of tiles without the object, or `phantom` for drawn tissue whose tumour is
            the signal; slides are put together from them.
        encoder: of the tiles.
        cells: of tissue in a drawn slide.
        dim: length of the codes of drawn noise, where there are neither grids nor tiles.
        test: patients of the test part, which is the same for all.
        replicates: trainings of every combination, with other patients and random numbers.
        controls: also train with permuted labels, at the highest ratio.
        prevalence: share of positive patients.
        epochs: of a head at most.
        patience: of a head.
        lr: of a head.
        batch: cases in a batch.
        threshold: AUROC at which a training counts as good enough, for the smallest training size.
        processes: trainings side by side.
        seed: of everything.
    """

    o2i: tuple[float, ...] = (0.02, 0.006, 0.002)
    sizes: tuple[int, ...] = (40, 80, 160)
    heads: tuple[str, ...] = ("topk:k=1",)
    foci: tuple[int, ...] = (1,)
    contrast: tuple[float, ...] = (1.0,)
    inside: tuple[Context, ...] = ("anywhere",)
    label_noise: tuple[float, ...] = (0.0,)
    site_shift: tuple[float, ...] = (0.0,)
    confounding: tuple[float, ...] = (0.0,)
    signal: str = "effect:2.0:0.25"
    grids: Path | None = None
    cohort: Path | None = None
    tiles: str = ""
    encoder: str = "histopress-small"
    cells: int = 500
    dim: int = 16
    test: int = 200
    replicates: int = 2
    controls: bool = True
    prevalence: float = 0.5
    epochs: int = 30
    patience: int = 10
    lr: float = 5e-3
    batch: int = 16
    threshold: float = 0.8
    processes: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        axes = ("o2i", "sizes", "heads", *PLANT_AXES)
        empty = [name for name in axes if not getattr(self, name)]
        if empty:
            raise RecipeError(f"no value of {', '.join(empty)}, expected one or more; name some")
        if min(self.sizes) < 8 or self.test < 4 or self.replicates < 1:
            raise RecipeError(
                f"sizes {self.sizes}, test {self.test}, replicates {self.replicates}; expected 8 patients or "
                "more to train and tune with, 4 to test with, and 1 replicate; change them"
            )
        if self.grids is not None and self.tiles:
            raise RecipeError(
                f"both grids ({self.grids}) and tiles ({self.tiles}), expected one; leave one out"
            )
        if self.cohort is not None and self.grids is None:
            raise RecipeError(f"a cohort ({self.cohort}) without grids, expected both; name the grids too")
        if self.tiles == PHANTOM and self.signal != PhantomStudyRecipe.signal:
            raise RecipeError(
                f"signal {self.signal} with tiles phantom, whose tumour is the signal; leave it out"
            )
        list(self.plants())

    def plants(self) -> Iterator[PlantRecipe]:
        """Every combination of what is planted."""
        for values in product(self.o2i, *(getattr(self, name) for name in PLANT_AXES)):
            settings = dict(zip(("o2i", *PLANT_AXES), values, strict=True))
            yield PlantRecipe(**settings, prevalence=self.prevalence, seed=self.seed)


PLANT_AXES = ("foci", "contrast", "inside", "label_noise", "site_shift", "confounding")
PHANTOM = "phantom"
