"""Encoders of scripts and packages: ten lines are enough, and broken ones disturb nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from histopress.core.errors import EncoderError
from histopress.core.geometry import Size, Spacing
from histopress.encoders import plugin
from histopress.encoders.catalogue import listing, load_encoder, table
from histopress.encoders.contract import check_encoder
from histopress.encoders.encoder import Encoder, EncoderCard, encode, save_encoder
from histopress.encoders.engine import prepare
from histopress.encoders.plugin import register_encoder

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "own-encoder.md"
BLOCKS = re.findall(r"```python\n(.*?)```", HOW_TO.read_text(), re.DOTALL)


@pytest.fixture(autouse=True)
def own_register(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(plugin, "_registered", {})
    yield


class Corner(Encoder):
    """The first pixel of a tile."""

    def __init__(self, factor: float = 1.0, tile: int = 4) -> None:
        super().__init__()
        self.factor = factor
        self.card = EncoderCard("corner", f"corner-{factor}-{tile}", 0.5, tile, 3, "none")

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        return tiles[:, 0, 0].float() * self.factor


def random_tiles(count: int, tile: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, tile, tile, 3), dtype=np.uint8)


def write_script(folder: Path, block: int) -> Path:
    path = folder / "mine.py"
    path.write_text(BLOCKS[block])
    return path


def make_slide(folder: Path) -> Path:
    from histopress.data.write_slide import write_slide

    random = np.random.default_rng(0)
    picture = np.full((500, 700, 3), 244, np.uint8)
    picture[80:420, 90:600] = random.integers(90, 200, (340, 510, 3), dtype=np.uint8) // 2 + [90, 40, 80]
    write_slide(folder / "a.tiff", Size(700, 500), Spacing.square(0.5), picture)
    return folder / "a.tiff"


def test_the_script_of_the_page_keeps_the_contract_and_runs_fast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HISTOPRESS_CACHE", str(tmp_path))
    encoder = load_encoder(f"script:{write_script(tmp_path, 0)}")
    check_encoder(encoder)
    assert (encoder.card.dim, encoder.card.tile, encoder.card.spacing) == (16, 96, 1.0)
    engine, tiles = prepare(encoder, "cpu", "fp32"), random_tiles(5, 96)
    assert engine.choice.backend != "exact"
    np.testing.assert_allclose(engine.encode(tiles), encode(encoder, tiles, "cpu"), rtol=1e-3, atol=1e-5)


def test_the_other_script_of_the_page_keeps_the_contract(tmp_path: Path) -> None:
    check_encoder(load_encoder(f"script:{write_script(tmp_path, 1)}@darkness"))


def test_settings_reach_the_function(tmp_path: Path) -> None:
    path = write_script(tmp_path, 0)
    assert load_encoder(f"script:{path},spacing=0.5").card.name == "edges:spacing=0.5"
    assert load_encoder("edges:spacing=0.5").card.spacing == 0.5
    assert load_encoder("edges", spacing=0.5).card.spacing == 0.5
    for wrong, says in (
        ("spacing=90", "expected 0.05 to 5"),
        ("size=3", "can be set, each once: spacing=1.0"),
    ):
        with pytest.raises(EncoderError, match=says):
            load_encoder(f"edges:{wrong}")


@pytest.mark.parametrize("workers", [1, 2])
def test_slides_are_compressed_by_it(workers: int, tmp_path: Path) -> None:
    from histopress.grids.compress import CompressRecipe, Resources, compress
    from histopress.grids.store import read_grid

    (tmp_path / "slides" / "more").mkdir(parents=True)
    slide = make_slide(tmp_path / "slides")
    (slide.parent / "b.tiff").write_bytes(slide.read_bytes())
    name = f"script:{write_script(tmp_path, 0)}"
    summary = compress(
        [slide.parent],
        tmp_path / "out",
        CompressRecipe(encoder=name),
        Resources(workers=workers, device="cpu"),
    )
    assert list(summary.failures) == []
    grid = read_grid(tmp_path / "out" / "b.grid.zarr.zip")
    assert grid.features.shape[1] == 16
    assert grid.encoder["name"] == "edges"
    assert load_encoder(str(tmp_path / "out" / "encoder")).card.identity == grid.encoder["identity"]


def test_what_is_kept_notices_that_the_code_changed(tmp_path: Path) -> None:
    register_encoder("corner")(Corner)
    save_encoder(load_encoder("corner"), tmp_path)
    assert load_encoder(str(tmp_path)).card == load_encoder("corner").card
    register_encoder("corner")(lambda: Corner(2.0))
    with pytest.raises(
        EncoderError, match=r"corner is now corner-2.0-4, but card\.json states corner-1\.0-4"
    ):
        load_encoder(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 / 0", "cannot be run: ZeroDivisionError"),
        ("import nothing_of_this_name", "cannot be run: ModuleNotFoundError"),
        ("x = 3", "registers no encoder; put @register_encoder"),
        (
            "from histopress.encoders.plugin import register_encoder as r\nr('one')(int)\nr('two')(int)",
            "registers no encoder",
        ),
    ],
)
def test_broken_scripts_are_named(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text(text)
    with pytest.raises(EncoderError, match=says):
        load_encoder(f"script:{tmp_path / 's.py'}")


def test_missing_scripts_and_names_are_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"no such file; write script:FILE\.py"):
        load_encoder("script:nowhere.py")
    path = write_script(tmp_path, 0)
    with pytest.raises(EncoderError, match=r"registers edges, not 'hedges'"):
        load_encoder(f"script:{path}@hedges")
    with pytest.raises(EncoderError, match=r"did you mean script:mine\.py"):
        load_encoder("mine.py")


def test_names_must_be_such_that_they_can_be_asked_for() -> None:
    for name in ("", "a b", "a:b", "a,b", "a@b", "a=b"):
        with pytest.raises(EncoderError, match="cannot be named"):
            register_encoder(name)


class FakePoint:
    """An entry point of an installed package."""

    dist = None

    def __init__(self, name: str, made: Any) -> None:
        self.name, self.value, self.made = name, f"package:{name}", made

    def load(self) -> Any:
        if isinstance(self.made, Exception):
            raise self.made
        return self.made


def installed(patch: pytest.MonkeyPatch, **points: Any) -> None:
    found = [FakePoint(name, made) for name, made in points.items()]
    patch.setattr(plugin, "entry_points", lambda group: found if group == "histopress.encoders" else [])


def test_packages_bring_encoders(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, corner=Corner)
    assert load_encoder("corner:factor=2,tile=5").card.identity == "corner-2.0-5"
    assert any(entry.name == "corner" and "package:corner" in entry.note for entry in listing())
    with pytest.raises(EncoderError, match="did you mean corner"):
        load_encoder("corners")


def test_broken_packages_are_named_and_do_not_break_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> Encoder:
        raise OSError("no weights")

    installed(
        monkeypatch,
        absent=ImportError("no module named x"),
        number=3,
        strange=dict,
        failing=fails,
        good=Corner,
    )
    assert "good" in table(listing())
    for name, says in {
        "absent": "cannot be imported: ImportError: no module named x; mend or uninstall it",
        "number": "a int, expected a function or class",
        "strange": "is a dict, expected a histopress.Encoder",
        "failing": "cannot be made: OSError: no weights",
    }.items():
        with pytest.raises(EncoderError, match=says):
            load_encoder(name)
    assert load_encoder("good").card.name == "corner"


def test_an_entry_point_is_found_by_the_group_of_the_page() -> None:
    assert 'entry-points."histopress.encoders"' in HOW_TO.read_text()
    point = EntryPoint("corner", "histopress.encoders.encoder:Encoder", plugin.GROUP)
    assert point.load() is Encoder


def test_our_own_names_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, random=Corner)
    assert load_encoder("random:dim=5").card.dim == 5
    assert [entry.name for entry in listing()].count("random") == 1
