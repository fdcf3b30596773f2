"""The law of the house: folders import only from folders before them; libraries stay in their files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "src" / "histopress"
FILES = sorted(ROOT.rglob("*.py"))
DOORS = {"__init__.py", "__main__.py", "cli.py"} | {p.name for p in ROOT.glob("verbs*.py")}

# library -> where it may be imported; patterns over paths below the package
HOMES = {
    "openslide": ["data/*_slide.py"],
    "tifffile": ["data/*_slide.py", "data/tiff_layout.py"],
    "simplejpeg": ["data/*_slide.py", "data/tile_codec.py", "data/write_slide.py"],
    "zarr": ["grids/store.py", "grids/exchange*.py"],
    "h5py": ["data/patch_hdf5.py", "encoders/published.py", "grids/exchange*.py"],
    "lightning": ["core/fit*.py", "core/manners.py"],
    "sklearn": ["metrics/*"],
    "optuna": ["heads/search.py"],
    "tyro": ["cli.py", "verbs*.py"],
    "rich": ["core/progress.py"],
    "matplotlib": ["maps/*", "metrics/*", "studies/*"],
    "cattrs": ["core/recipe.py"],
    "tomli_w": ["core/recipe.py"],
    "filelock": ["encoders/engine_cache.py", "grids/compressor.py", "grids/compress.py", "studies/sweep*.py"],
    "safetensors": ["encoders/*", "heads/*", "studies/end_to_end.py"],
    "torchmil": ["heads/mil*.py"],
    "torchsurv": [],  # its losses are what ours are checked against
    "lifelines": ["metrics/survival*.py"],
    "captum": ["maps/attribution.py"],
    "timm": ["encoders/timm_encoder.py"],
    "pytorch_metric_learning": ["encoders/simclr.py"],
    "huggingface_hub": ["encoders/hub.py"],
    "onnxruntime": ["encoders/engine_onnx.py", "encoders/onnx_encoder.py"],
    "openvino": ["encoders/engine_openvino.py"],
    "nncf": ["encoders/engine_openvino.py"],
    "ray": ["grids/cluster*.py"],
    "fsspec": ["core/location.py"],
    "starlette": ["viewer/*"],
    "uvicorn": ["viewer/*"],
    "shapely": [],
    "skimage": [],
    "cv2": [],
    "torchvision": ["data/tile_codec_gpu.py"],
}
DRAWERS = {"utils", "util", "misc", "helpers", "helper", "common", "manager", "tools", "stuff"}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every import in a file, hidden in functions and type-only ones too, as (line, absolute module)."""
    package = ["histopress", *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, node.module] if node.module else base)
            yield node.lineno, module
            if module == "histopress":
                yield from ((node.lineno, f"histopress.{alias.name}") for alias in node.names)


def folder_of(path: Path) -> str | None:
    parts = path.relative_to(ROOT).parts
    return parts[0] if len(parts) > 1 else None


def violations(path: Path) -> list[str]:
    """Imports in one file that stand against the order of the alphabet."""
    mine = folder_of(path)
    found = []
    for line, module in imports(path):
        parts = module.split(".")
        if parts[0] != "histopress" or len(parts) < 2:
            continue
        target = parts[1]
        is_folder = (ROOT / target).is_dir()
        if target in ("cli", "__main__") or (mine is not None and is_folder and target > mine):
            found.append(f"{path.relative_to(ROOT)}:{line} imports {module}")
    return found


def test_folders_import_only_from_folders_before_them() -> None:
    inner = [p for p in FILES if p.relative_to(ROOT).as_posix() not in DOORS]
    assert [v for path in inner for v in violations(path)] == []


def test_the_law_catches_hidden_and_type_only_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    for folder in ("data", "heads"):
        (tmp_path / folder).mkdir()
    guilty = tmp_path / "data" / "guilty.py"
    guilty.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from histopress.heads.train import train\n"
        "def f():\n    import histopress.heads\n    from ..heads import cnn\n"
    )
    assert len(violations(guilty)) == 3


def test_libraries_stay_in_their_files() -> None:
    strays = [
        f"{name}:{line} imports {module}"
        for path in FILES
        for name in [path.relative_to(ROOT).as_posix()]
        for line, module in imports(path)
        for library in [module.split(".")[0]]
        if library in HOMES and not any(fnmatch(name, home) for home in HOMES[library])
    ]
    assert strays == []


def test_no_drawers() -> None:
    assert [str(p) for p in ROOT.rglob("*") if p.stem.strip("_") in DRAWERS] == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [str(p.relative_to(ROOT)) for p in FILES if not ast.get_docstring(ast.parse(p.read_text()))]
    assert silent == []


def test_tests_mirror_the_package() -> None:
    """`test_a.py` tests `a.py`; so do `test_a_b.py` and others, where there is no `a_b.py`."""
    tests = ROOT.parents[1] / "tests"
    orphans = []
    for test in tests.rglob("*/test_*.py"):
        words = test.stem.removeprefix("test_").split("_")
        names = ["_".join(words[:count]) for count in range(1, len(words) + 1)]
        folder = ROOT / test.relative_to(tests).parent
        if not any((folder / f"{name}.py").exists() for name in names):
            orphans.append(str(test.relative_to(tests)))
    assert orphans == []
