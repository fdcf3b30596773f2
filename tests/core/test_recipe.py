from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from histopress.core.errors import RecipeError
from histopress.core.recipe import build, digest, load, plain, save


@dataclass(frozen=True)
class Inner:
    share: float = 0.25
    names: tuple[str, ...] = ("a", "b")


@dataclass(frozen=True)
class Outer:
    epochs: int = 40
    rate: float | None = None
    folder: Path | None = None
    inner: Inner = field(default_factory=Inner)
    quick: bool = False


@pytest.mark.parametrize("suffix", [".toml", ".json"])
@pytest.mark.parametrize("recipe", [Outer(), Outer(7, 1e-3, Path("x/y"), Inner(0.5, ()), True)])
def test_a_stored_recipe_comes_back_equal(tmp_path: Path, suffix: str, recipe: Outer) -> None:
    path = tmp_path / f"recipe{suffix}"
    save(recipe, path)
    assert load(Outer, path) == recipe


def test_settings_that_are_not_given_keep_their_default() -> None:
    assert build(Outer, {"inner": {"share": 0.5}}) == Outer(inner=Inner(share=0.5))


@pytest.mark.parametrize(
    ("settings", "word"),
    [({"epoch": 3}, "epoch"), ({"epochs": "many"}, "epochs"), ({"inner": {"shore": 1}}, "shore")],
)
def test_wrong_settings_are_named(settings: dict[str, object], word: str) -> None:
    with pytest.raises(RecipeError, match=word):
        build(Outer, settings)


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [("a.toml", "epochs = = 3", "TOML"), ("a.json", "[1, 2]", "list"), ("a.json", "{", "JSON")],
)
def test_broken_files_say_what_they_are(tmp_path: Path, name: str, text: str, word: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(RecipeError, match=word):
        load(Outer, tmp_path / name)


def test_a_missing_file_is_an_error() -> None:
    with pytest.raises(RecipeError, match="nowhere"):
        load(Outer, Path("nowhere.toml"))


def test_every_field_changes_the_digest() -> None:
    base = Outer()
    changed = [
        replace(base, epochs=41),
        replace(base, rate=0.1),
        replace(base, folder=Path("z")),
        replace(base, inner=Inner(share=0.26)),
        replace(base, quick=True),
    ]
    assert len({digest(r) for r in [base, *changed]}) == 6
    assert digest(base) == digest(Outer())


def test_the_digest_is_the_same_on_any_machine() -> None:
    assert (
        digest({"b": 1, "a": [0.1, None, True]})
        == digest({"a": (0.1, None, True), "b": 1})
        == "b578654ee1ad396f"
    )


def test_a_recipe_holds_plain_settings_only() -> None:
    with pytest.raises(RecipeError, match="object"):
        plain({"a": object()})
