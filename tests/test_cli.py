"""The door: help comes at once, settings go to and fro, exit codes mean what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histopress.cli import run
from histopress.core.geometry import Size, Spacing
from histopress.core.recipe import load
from histopress.data.write_slide import write_slide
from histopress.grids.compress import CompressRecipe
from histopress.verbs import VERBS


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    picture = np.full((700, 1100, 3), 244, np.uint8)
    picture[100:600, 150:900] = random.integers(90, 200, (500, 750, 3), dtype=np.uint8) // 2 + [90, 40, 80]
    write_slide(tmp_path / "a.tiff", Size(1100, 700), Spacing.square(0.5), picture)
    return tmp_path / "a.tiff"


def test_the_overview_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(f"\n  {verb} " in told for verb in VERBS)
    assert run([]) == 0


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_explains_itself_without_heavy_libraries(verb: str) -> None:
    heavy = ("torch", "pandas", "lightning", "zarr", "scipy", "openslide")
    code = (
        "import sys\nfrom histopress.cli import run\n"
        f"try:\n    run([{verb!r}, '--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert f"usage: histopress {verb}" in told
    assert told.strip().endswith("[]")


def test_python_m_is_the_same_command() -> None:
    told = subprocess.run([sys.executable, "-m", "histopress", "--version"], capture_output=True, check=True)
    assert told.stdout.startswith(b"histopress 0.")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compres"], "no verb 'compres'"),
        (["compress", "-o", "x"], "no PATH given"),
        (["compress", "a.svs", "-o", "x", "--recipe", "none.toml"], "none.toml"),
    ],
)
def test_wrong_usage_exits_with_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert words in capsys.readouterr().err


def test_an_unknown_flag_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run(["compress", "a.svs", "-o", "x", "--sparing", "0.5"])
    assert end.value.code == 2
    assert "--spacing" in capsys.readouterr().err


def test_a_recipe_is_stored_and_accepted_back(slide: Path, tmp_path: Path) -> None:
    stored = tmp_path / "mine.toml"
    options = ["--tissue-share", "0.4", "--encoder", "random:dim=5", "--save-recipe", str(stored)]
    assert run(["compress", str(slide), "-o", str(tmp_path / "one"), *options]) == 0
    assert load(CompressRecipe, stored) == CompressRecipe(encoder="random:dim=5", tissue_share=0.4)
    assert run(["compress", str(slide), "-o", str(tmp_path / "two"), "--recipe", str(stored)]) == 0
    one, two = (tmp_path / n / "a.grid.zarr.zip" for n in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_flags_go_before_the_recipe_file(slide: Path, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{"encoder": "random:dim=5", "tissue_share": 0.4}')
    again = tmp_path / "again.json"
    options = [f"--recipe={tmp_path / 'r.json'}", "--tissue-share", "0.6", "--save-recipe", str(again)]
    assert run(["compress", str(slide), "-o", str(tmp_path / "out"), *options]) == 0
    assert load(CompressRecipe, again) == CompressRecipe(encoder="random:dim=5", tissue_share=0.6)


def test_results_for_machines(slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compress", str(slide), "-o", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["compressed"] == 1
    assert run(["inspect", str(slide), str(tmp_path / "out"), "--json"]) == 0
    reports = json.loads(capsys.readouterr().out)
    assert [r["problems"] for r in reports] == [[], []]
    assert run(["encoders", "--json"]) == 0
    assert {"mean-rgb", "nic"} <= {e["name"].split(":")[0] for e in json.loads(capsys.readouterr().out)}


def test_a_failed_slide_makes_the_exit_code_1(slide: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.svs").write_bytes(b"nothing")
    paths = [str(slide), str(tmp_path / "bad.svs")]
    assert run(["compress", *paths, "-o", str(tmp_path / "out")]) == 1
    assert (tmp_path / "out" / "a.grid.zarr.zip").exists()
    assert run(["mask", *paths, "-o", str(tmp_path / "masks")]) == 1
    with Image.open(tmp_path / "masks" / "a.mask.png") as mask:
        assert mask.size[0] > mask.size[1] > 10


def test_the_path_from_slides_to_predictions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from histopress.studies.phantom import PhantomRecipe, make_cohort

    small = PhantomRecipe(slides=16, lesion_share=0.5, width=(1280, 1536), height=(1024, 1152))
    cohort = make_cohort(small, tmp_path / "cohort", workers=1)
    grids, out, table = tmp_path / "grids", tmp_path / "run", tmp_path / "p.csv"
    assert run(["compress", str(cohort), "-o", str(grids), "--encoder", "stain-texture"]) == 0
    quick = ["--head", "mean", "--folds", "2", "--epochs", "3"]
    assert (
        run(["train", str(cohort), "--grids", str(grids), "--target", "label", "-o", str(out), *quick]) == 0
    )
    told = capsys.readouterr().out.splitlines()
    assert any(line.startswith("AUROC 0.") or line.startswith("AUROC 1.") for line in told)
    assert (out / "report" / "report.html").exists()
    assert run(["predict", str(out), str(grids), "-o", str(table)]) == 0
    assert len(table.read_text().splitlines()) > 16
    assert run(["predict", str(out), str(tmp_path / "gone.svs"), "-o", str(tmp_path / "q.csv")]) == 1
    assert "no predictions; 1 failed" in capsys.readouterr().out


def test_inspect_explains_every_bad_file(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = sorted((shared_data / "wsi" / "bad").iterdir())
    assert run(["inspect", *map(str, bad), "--json"]) == 1
    reports = json.loads(capsys.readouterr().out)
    problems = [r["problems"][0] for r in reports]
    assert len(set(problems)) == len(bad) == 6
    assert run(["inspect", str(shared_data / "wsi" / "cmu-1-small-region.svs")]) == 0


def test_the_published_encoder_presses_a_real_slide(shared_data: Path, tmp_path: Path) -> None:
    weights = shared_data / "nic_encoder_weights" / "encoder_multitask-4.h5"
    slide = shared_data / "wsi" / "cmu-1-small-region.svs"
    output = tmp_path / "out"
    assert run(["compress", str(slide), "--encoder", f"nic:{weights}", "-o", str(output)]) == 0
    assert [p.name for p in output.glob("*.grid.zarr.zip")] == ["cmu-1-small-region.grid.zarr.zip"]
    assert run(["inspect", str(output), "-o", str(tmp_path / "pictures")]) == 0
    with Image.open(tmp_path / "pictures" / "cmu-1-small-region.png") as picture:
        assert picture.size == (18 * 26, 24 * 26)


def command(*words: object) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "histopress", *map(str, words)], capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip


def test_the_process_ends_with_its_code_and_all_it_printed(tmp_path: Path) -> None:
    done = command("encoders", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)[0]["name"] == "histopress-small"
    failed = command("compress", tmp_path / "gone.svs", "-o", tmp_path / "out")
    assert failed.returncode == 1
    assert "there is no such file" in failed.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_what_cannot_be_printed_is_no_success() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "histopress", "encoders"], stdout=full, timeout=120, check=False
        )
    assert done.returncode == 1


def test_a_reader_that_has_heard_enough_is_no_error() -> None:
    shell = f"{sys.executable} -m histopress encoders | head -n 1"
    done = subprocess.run(shell, shell=True, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.startswith("encoder") and done.stderr == ""
