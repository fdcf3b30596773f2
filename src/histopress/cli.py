"""The command line: one verb a stage, each a recipe dataclass turned into flags; no logic.

Heavy libraries are imported inside the verbs, so that help comes at once. Annotations here must hold at run
time, since flags are made of them.
"""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import tyro
from tyro.conf import FlagCreatePairsOff, Positional, arg

from histopress.core.errors import HistopressError, RecipeError

R = TypeVar("R")

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

    def of(self, kind: type[R]) -> R:
        """The recipe that flags start from."""
        from histopress.core.recipe import load

        return kind() if self.file is None else load(kind, Path(self.file))


def _value_of(flag: str, arguments: Sequence[str]) -> str | None:
    for at, word in enumerate(arguments):
        if word == flag and at + 1 < len(arguments):
            return arguments[at + 1]
        if word.startswith(f"{flag}="):
            return word.removeprefix(f"{flag}=")
    return None


def _demo(given: Given) -> Callable[..., int]:
    from histopress.studies.demo import DemoRecipe, demo

    def verb(
        output: Output = Path("demo"),
        recipe: Annotated[DemoRecipe, Flat] = given.of(DemoRecipe),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Run the whole path on slides that are drawn for the purpose, and show what comes out.

        Args:
            output: folder for slides, masks, grids, run, predictions and report.
        """
        common.begin(recipe)
        result = demo(output, recipe)
        common.tell(result.text, result)
        return 0

    return verb


def _inspect(given: Given) -> Callable[..., int]:
    def verb(
        paths: Paths = (),
        /,
        spacing: float | None = None,
        output: Annotated[Path | None, arg(aliases=["-o"], metavar="PATH")] = None,
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Say what slides and grids are, and what is wrong with them; exit 1 if anything is.

        Args:
            paths: slides, pictures, stored grids, or folders of them.
            spacing: um/px of level 0, for files that state none.
            output: folder for a picture of each grid: its first three principal components as RGB.
        """
        from histopress.grids.inspect import inspect

        common.begin()
        reports = inspect(_some(paths), spacing, output)
        common.tell("\n\n".join(r.as_text() for r in reports), [r.as_dict() for r in reports])
        return int(any(r.problems for r in reports))

    return verb


def _mask(given: Given) -> Callable[..., int]:
    from histopress.data.masks import MaskRecipe

    def verb(
        paths: Paths = (),
        /,
        *,
        output: Output,
        recipe: Annotated[MaskRecipe, Flat] = given.of(MaskRecipe),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Find the tissue; write it as PNG, as QuPath GeoJSON, and as an outline for the eye.

        Args:
            paths: slides or folders of slides.
            output: folder for the masks.
        """
        from histopress.data.masks import write_masks

        common.begin(recipe)
        failures = write_masks(_some(paths), output, recipe)
        common.tell(f"masks in {output}; {len(failures)} failed", {"failures": list(failures)})
        return int(len(failures) > 0)

    return verb


def _encoders(given: Given) -> Callable[..., int]:
    def verb(common: Annotated[Common, Flat] = Common()) -> int:
        """List the encoders that can be named."""
        from histopress.encoders.catalogue import listing, table

        common.begin()
        entries = listing()
        common.tell(table(entries), entries)
        return 0

    return verb


def _compress(given: Given) -> Callable[..., int]:
    from histopress.grids.compress import CompressRecipe, Resources

    def verb(
        paths: Addresses = (),
        /,
        *,
        output: Annotated[str, arg(aliases=["-o"], metavar="PATH")],
        recipe: Annotated[CompressRecipe, Flat] = given.of(CompressRecipe),
        resources: Annotated[Resources, Flat] = Resources(),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Press every slide into a small grid of code vectors.

        Args:
            paths: slides, folders of slides, cohort tables, or (with --spacing) plain pictures; slides and
                folders also by their address in an object store, such as s3://bucket/slides.
            output: folder for the grids, or its address.
        """
        from histopress.grids.compress import compress

        common.begin(recipe)
        summary = compress(_some(paths), output, recipe, resources)
        common.tell(summary.headline, summary.facts)
        return int(len(summary.failures) > 0)

    return verb


def _exchange(given: Given) -> Callable[..., int]:
    from histopress.grids.exchange import ExchangeRecipe, Layout, Tool

    def verb(
        paths: Paths = (),
        /,
        *,
        to: Layout,
        output: Output,
        recipe: Annotated[ExchangeRecipe, Flat] = given.of(ExchangeRecipe),
        source: Annotated[Tool, arg(name="from")] = "auto",
        overwrite: bool = False,
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Turn feature files of other tools into grids, and grids into theirs.

        Args:
            paths: feature files, Zarr stores, grids, or folders of them in their tool's own layout.
            to: what to write.
            output: folder for what is written.
            source: whose files they are; others fail. Auto looks into each.
            overwrite: replace files that were made from something else.
        """
        from histopress.grids.exchange import exchange

        common.begin(recipe)
        summary = exchange(_some(paths), output, to, recipe, source=source, overwrite=overwrite)
        common.tell(summary.headline, summary.facts)
        return int(len(summary.failures) > 0)

    return verb


def _train(given: Given) -> Callable[..., int]:
    from histopress.heads.train import TrainRecipe, TrainResources

    def verb(
        cohort: Annotated[Positional[Path], arg(metavar="COHORT")],
        /,
        *,
        grids: Path,
        target: str,
        output: Output,
        recipe: Annotated[TrainRecipe, Flat] = given.of(TrainRecipe),
        resources: Annotated[TrainResources, Flat] = TrainResources(),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Learn from grids and one label per slide, cross-validated by patient.

        Args:
            cohort: table of patients, slides and labels (CSV or Parquet).
            grids: folder that `compress` wrote.
            target: COLUMN or COLUMN:KIND, where KIND is binary, multiclass or regression.
            output: folder for the run.
        """
        from histopress.heads.train import train
        from histopress.metrics.evaluate import EvaluateRecipe, evaluate

        common.begin(recipe)
        summary = train(cohort, grids, target, output, recipe, resources=resources)
        result = evaluate([summary.predictions], output / "report", EvaluateRecipe())
        common.tell(f"{result.headline}\n{summary.text}\nreport: {result.report}", result.facts)
        return int(len(summary.failures) > 0)

    return verb


def _predict(given: Given) -> Callable[..., int]:
    from histopress.heads.predict import PredictRecipe

    def verb(
        run: Annotated[Positional[Path], arg(metavar="RUN")],
        paths: Paths = (),
        /,
        *,
        output: Output,
        recipe: Annotated[PredictRecipe, Flat] = given.of(PredictRecipe),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Apply a trained run to slides or grids: one row per slide and per patient.

        Args:
            run: folder that `train` wrote.
            paths: slides, grids, folders of them, or cohort tables.
            output: table to write (.csv).
        """
        from histopress.heads.predict import predict

        common.begin(recipe)
        failures = predict(run, _some(paths), output, recipe)
        told = f"predictions in {output}" if output.exists() else "no predictions"
        common.tell(f"{told}; {len(failures)} failed", {"failures": list(failures)})
        return int(len(failures) > 0)

    return verb


def _evaluate(given: Given) -> Callable[..., int]:
    from histopress.metrics.evaluate import EvaluateRecipe

    def verb(
        paths: Paths = (),
        /,
        *,
        output: Output,
        recipe: Annotated[EvaluateRecipe, Flat] = given.of(EvaluateRecipe),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Say how good predictions are and how sure that is, by patient; write a report.

        Args:
            paths: predictions tables; several are shown side by side.
            output: folder for metrics.json, metrics.csv and report.html.
        """
        from histopress.metrics.evaluate import evaluate

        common.begin(recipe)
        result = evaluate(_some(paths), output, recipe)
        common.tell(f"{result.headline}\nreport: {result.report}", result.facts)
        return 0

    return verb


VERBS: dict[str, tuple[Callable[[Given], Callable[..., int]], str]] = {
    "demo": (_demo, "the whole path in minutes, on slides drawn for the purpose"),
    "inspect": (_inspect, "what a slide or grid is, and what is wrong with it"),
    "mask": (_mask, "slides -> tissue masks as PNG and QuPath GeoJSON"),
    "encoders": (_encoders, "the encoders that can be named"),
    "compress": (_compress, "slides + encoder -> grids"),
    "exchange": (_exchange, "grids <-> feature files of CLAM, TRIDENT, STAMP, slide2vec, LazySlide, NIC"),
    "train": (_train, "cohort + grids + target -> cross-validated run"),
    "predict": (_predict, "run + slides or grids -> table of predictions"),
    "evaluate": (_evaluate, "predictions -> metrics with intervals, and a report"),
}


def overview() -> str:
    """The help text of the program itself."""
    verbs = "\n".join(f"  {name:<10} {summary}" for name, (_, summary) in VERBS.items())
    return (
        "usage: histopress VERB [OPTIONS]\n\n"
        "Whole-slide images and one label per slide -> a classifier that can be trusted.\n\n"
        f"verbs, in the order of the path:\n{verbs}\n\n"
        "histopress VERB --help tells the options of a verb; histopress --version the version."
    )


def run(arguments: Sequence[str]) -> int:
    """Run one verb; returns the exit code: 0, 1 when something failed, 2 for wrong usage."""
    first = arguments[0] if arguments else "--help"
    if first in ("-h", "--help"):
        print(overview())
    elif first == "--version":
        from histopress import __version__

        print(f"histopress {__version__}")
    elif first not in VERBS:
        return _wrong_usage(f"no verb {first!r}; there are {', '.join(VERBS)}")
    else:
        return _run_verb(first, arguments[1:])
    return 0


def _run_verb(name: str, arguments: Sequence[str]) -> int:
    try:
        verb = VERBS[name][0](Given(arguments))
        return tyro.cli(verb, args=arguments, prog=f"histopress {name}", config=(FlagCreatePairsOff,))
    except RecipeError as error:
        return _wrong_usage(str(error))
    except HistopressError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read what is printed has heard enough
        return 1
    except OSError as error:
        return _told_by_system(name, error)
    except KeyboardInterrupt:
        print("stopped; whole files were kept, run the same command to go on", file=sys.stderr)
        return 130


def _told_by_system(verb: str, error: OSError) -> int:
    """Say what to do about a full disk, a forbidden folder and the like."""
    from histopress.core.failures import Failure

    failure = Failure.of(verb, error)
    print(f"error: {failure.reason}; {failure.remedy}", file=sys.stderr)
    return 1


def _some(paths: tuple[R, ...]) -> tuple[R, ...]:
    if not paths:
        raise RecipeError("no PATH given; name at least one file or folder")
    return paths


def _wrong_usage(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


def main() -> NoReturn:
    """Entry point of the `histopress` command."""
    code = run(sys.argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # all is done: no library needs to hear of Ctrl-C now
    _leave(code)


def _leave(code: int) -> NoReturn:
    """End the process without taking its libraries apart, which would cost half a second after torch.

    Threads are waited for, what registered itself for the end is called, and all that was printed is written.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # what Python itself does first at its end
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # nobody reads any more, or the disk is full
            code = code or 1
    os._exit(code)
