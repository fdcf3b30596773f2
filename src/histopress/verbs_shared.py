"""What verbs share: options of all of them, where their settings come from, and the types of their words.

Heavy imports stay inside the functions, so that help comes at once. Annotations here must hold at run time,
since flags are made of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from tyro.conf import Positional, arg

from histopress.core.errors import RecipeError

R = TypeVar("R")
Verb = tuple[Callable[["Given"], Callable[..., int]], str]
"""What makes the function of a verb, and what the verb is for."""

Tasks = Annotated[Positional[tuple[str, ...]], arg(metavar="TASK...", help_behavior_hint="(at least one)")]
Paths = Annotated[Positional[tuple[Path, ...]], arg(metavar="PATH...", help_behavior_hint="(at least one)")]
Output = Annotated[Path, arg(aliases=["-o"], metavar="PATH")]
Addresses = Annotated[
    Positional[tuple[str, ...]], arg(metavar="PATH...", help_behavior_hint="(at least one)")
]
"""Paths, and addresses in object stores, which a Path would spoil."""
Flat = arg(name="")
"""Marks dataclasses whose fields are flags of the verb itself."""


@dataclass(frozen=True)
class Common:
    """Options of every verb.

    Attributes:
        recipe: take settings from this TOML or JSON file; flags go first.
        save_recipe: store the settings in this TOML or JSON file before starting.
        json: print the result for machines.
        verbose: tell more of what happens.
    """

    recipe: Path | None = None
    save_recipe: Path | None = None
    json: bool = False
    verbose: Annotated[bool, arg(aliases=["-v"])] = False

    def begin(self, recipe: Any = None) -> None:
        """Set up the log, and store the recipe where that is asked for."""
        from histopress.core.progress import set_up_logging
        from histopress.core.recipe import save

        set_up_logging(self.verbose)
        if self.save_recipe is not None and recipe is not None:
            save(recipe, self.save_recipe)

    def tell(self, text: str, facts: Any) -> None:
        """Print a result, for people or for machines."""
        if self.json:
            import json

            from histopress.core.recipe import plain

            print(json.dumps(plain(facts), indent=2))
        else:
            print(text)


class Given:
    """Default recipes of a verb, as the file named by --recipe changes them."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.file = _value_of("--recipe", arguments)

    def of(self, kind: type[R], ready: str = "", part: str = "") -> R:
        """The recipe that flags start from.

        Args:
            kind: of recipe.
            ready: the recipes of this name that come with the package can be named without their path.
            part: table of the file that holds the settings, where it has one.
        """
        from histopress.core.recipe import build, read_settings
        from histopress.data.ready_files import find_ready, ready_names

        if self.file is None:
            return kind()
        named = ready and self.file in ready_names(ready)
        file = find_ready(self.file, ready, RecipeError) if named else Path(self.file)
        settings = read_settings(file)
        return build(kind, settings.get(part, settings), where=str(file))


def _value_of(flag: str, arguments: Sequence[str]) -> str | None:
    for at, word in enumerate(arguments):
        if word == flag and at + 1 < len(arguments):
            return arguments[at + 1]
        if word.startswith(f"{flag}="):
            return word.removeprefix(f"{flag}=")
    return None


def some(given: tuple[R, ...], what: str = "PATH") -> tuple[R, ...]:
    """What is given, or an error that asks for it."""
    if not given:
        raise RecipeError(f"no {what} given; name at least one")
    return given
