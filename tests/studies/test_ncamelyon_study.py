"""The study of nCAMELYON, from annotated slides to tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from histopress.core.errors import RecipeError
from histopress.core.geometry import Size, Spacing
from histopress.data.write_slide import write_slide
from histopress.studies.chain_recipe import ChainRecipe
from histopress.studies.end_to_end_recipe import EndToEndRecipe
from histopress.studies.ncamelyon_recipe import NcamelyonRecipe
from histopress.studies.ncamelyon_study import study_ncamelyon
from histopress.studies.ncamelyon_study_recipe import NcamelyonStudyRecipe
from histopress.studies.picture_axes import PictureAxes

ROWS, COLS = 240, 320
TINY = NcamelyonStudyRecipe(
    bands=("0.2-0.9", "0.05-0.2"),
    px=(32, 64),
    sizes=(8,),
    fields=(9,),
    widths=(-4.0,),
    chains=("crops/mean",),
    replicates=1,
    controls=0,
    tuning=4,
    test=4,
    crops=NcamelyonRecipe(train=("a",), tuning=("b",), test=("c",), per_lesion=8, strata=1),
    training=EndToEndRecipe(updates=1, look_every=1, batch=4, accumulate=1),
    chain=ChainRecipe(magnify=2, crops=8, dim=4, updates=1, epochs=1, patience=1, batch=4, overlap=1),
)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A positive and a negative slide of every site, and a positive one that cannot be read."""
    folder = tmp_path_factory.mktemp("annotated")
    rows = []
    y, x = np.mgrid[:ROWS, :COLS]
    for number, (site, positive) in enumerate((s, p) for s in "abc" for p in (True, False)):
        random = np.random.default_rng(number)
        picture = np.clip(random.normal((180, 120, 170), 14, (ROWS, COLS, 3)), 0, 255).astype(np.uint8)
        name = f"s{number}"
        write_slide(
            folder / f"{name}.tiff", Size(COLS, ROWS), Spacing.square(2.0), picture, subsampling="444"
        )
        if positive:
            mask = np.hypot(y - 120, x - 160) < 12
            Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(folder / f"{name}.png")
        rows.append((f"p{number}", name, f"{name}.tiff", site, f"{name}.png" if positive else ""))
    (folder / "bad.tiff").write_bytes(b"no slide")
    rows.append(("p9", "bad", "bad.tiff", "a", ""))
    table = pd.DataFrame(rows, columns=["patient", "slide", "path", "site", "annotation"])
    table.to_csv(folder / "cohort.csv", index=False)
    return folder / "cohort.csv"


@pytest.mark.parametrize("tiles", [False, True])
def test_one_call_plans_crops_trains_and_tells_which_slides_failed(
    cohort: Path, tmp_path: Path, tiles: bool
) -> None:
    recipe = replace(TINY, tiles=tiles)
    if tiles:
        recipe = replace(recipe, chains=(), bands=recipe.bands[:1], px=(32,))
    summary = study_ncamelyon(cohort, tmp_path, recipe)
    assert [Path(f.item).stem for f in summary.failures] == ["bad"] * len(recipe.bands)
    table = pd.read_parquet(tmp_path / "results.parquet")
    assert len(table) == len(recipe.bands) * (1 + len(recipe.chains))
    assert table["o2i"].round(3).isin([0.424, 0.1]).all() and set(table["px"]) <= {32, 64}
    assert (tmp_path / "tiles").is_dir() == tiles


def test_bands_and_sides_go_together() -> None:
    with pytest.raises(RecipeError, match="3 sides for 2 bands"):
        replace(TINY, px=(32, 64, 64))
    with pytest.raises(RecipeError, match="LOW-HIGH"):
        replace(TINY, bands=("half", "0.1-0.2"))
    assert isinstance(TINY, PictureAxes)
    assert [r.size for r in replace(TINY, px=(48,)).of_bands(Path("c"), Path("p"))] == [48, 48]
