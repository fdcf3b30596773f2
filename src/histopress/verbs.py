"""The verbs of the command line: each a function of positional words and of recipes, whose fields are flags.

Heavy imports stay inside the functions, so that help comes at once. Annotations here must hold at run time,
since flags are made of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from tyro.conf import Positional, arg

from histopress.core.errors import RecipeError

R = TypeVar("R")
EncoderAction = Literal["list", "fetch", "convert", "pack"]
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


def _some(given: tuple[R, ...], what: str = "PATH") -> tuple[R, ...]:
    if not given:
        raise RecipeError(f"no {what} given; name at least one")
    return given


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
    def verb(
        action: Annotated[Positional[EncoderAction], arg(metavar="list|fetch|convert|pack")] = "list",
        what: Annotated[Positional[str], arg(metavar="NAME|FILE")] = "",
        /,
        output: Annotated[Path | None, arg(aliases=["-o"], metavar="FILE")] = None,
        inside: str = "",
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """List the encoders that can be named; fetch published weights; convert pickled ones.

        Args:
            action: list; fetch NAME downloads weights of a foundation encoder; convert FILE makes safetensors
                of pickled weights (.pt, .pth, .bin, .ckpt) without running what else they hold; pack RUN
                writes a trained encoder at half its size.
            what: name of a foundation encoder to fetch, file to convert, or folder to pack.
            output: safetensors file that convert writes, beside FILE if not given; folder that pack writes.
            inside: name below which the weights lie in FILE, such as teacher, where convert cannot tell.
        """
        common.begin()
        if action == "list":
            from histopress.encoders.catalogue import listing, table

            entries = listing()
            common.tell(table(entries), entries)
            return 0
        if not what:
            wanted = {"fetch": "NAME", "convert": "FILE", "pack": "RUN -o FOLDER"}[action]
            raise RecipeError(f"{action} what? write histopress encoders {action} {wanted}")
        if action == "fetch":
            from histopress.encoders.hub import fetch

            fetched = fetch(what)
            common.tell(fetched.text, fetched)
        elif action == "pack":
            common.tell(*_packed(what, output))
        else:
            from histopress.encoders.pickled import convert

            converted = convert(Path(what), output, inside=inside)
            common.tell(converted.text, converted)
        return 0

    return verb


def _packed(what: str, output: Path | None) -> tuple[str, dict[str, Any]]:
    from histopress.encoders.catalogue import load_encoder
    from histopress.encoders.shipped import pack

    if output is None:
        raise RecipeError("pack writes a folder; name it with -o FOLDER")
    card = pack(load_encoder(what), output, name=output.name).card
    return f"{card.name}, {card.identity}, in {output}", {"identity": card.identity, "folder": output}


def _patches(given: Given) -> Callable[..., int]:
    from histopress.data.patch_report import PatchesRecipe

    def verb(
        tasks: Tasks = (),
        /,
        *,
        root: Path | None = None,
        output: Annotated[Path | None, arg(aliases=["-o"], metavar="PATH")] = None,
        recipe: Annotated[PatchesRecipe, Flat] = given.of(PatchesRecipe),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Say what labelled patch sets hold, check their files, and look for copies across parts and sets.

        Args:
            tasks: descriptions of the sets (TOML), or names of ready ones such as crc-tissue7.
            root: folder below which the folders of the data lie; by default where each description lies.
            output: folder for patches.json, copies.csv, failures.csv and a contact sheet of each set.
        """
        from histopress.data.patch_recipes import find_task
        from histopress.data.patch_report import inspect_patches

        common.begin(recipe)
        report = inspect_patches([find_task(t) for t in _some(tasks, "TASK")], root, output, recipe)
        common.tell(report.text, report.facts)
        return int(len(report.failures) > 0)

    return verb


def _train_encoder(given: Given) -> Callable[..., int]:
    from histopress.core.fit_recipe import FitResources
    from histopress.encoders.train_encoder_recipe import TrainEncoderRecipe

    def verb(
        inputs: Annotated[
            Positional[tuple[str, ...]], arg(metavar="TASK...", help_behavior_hint="(at least one)")
        ] = (),
        /,
        *,
        output: Output,
        root: Path | None = None,
        evaluate: str = "",
        recipe: Annotated[TrainEncoderRecipe, Flat] = given.of(TrainEncoderRecipe),
        resources: Annotated[FitResources, Flat] = FitResources(),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Train an encoder on several labelled patch tasks at once, or on tiles without labels.

        Args:
            inputs: descriptions of patch sets (TOML), names of ready ones, and slides or folders of slides.
            output: folder for the run; compress --encoder takes it.
            root: folder below which the folders of the patch sets lie; by default where each TOML lies.
            evaluate: an encoder to compare with afterwards, on the same tasks; write mean-rgb or nic:PATH.
        """
        from histopress.encoders.train_encoder import train_encoder
        from histopress.studies.encoder_curves import draw_curves

        common.begin(recipe)
        trained = train_encoder(_some(inputs, "TASK"), output, recipe, root=root, resources=resources)
        text = trained.headline
        if "csv" in resources.logs:
            text = f"{text}\ncurves: {draw_curves(output)}"
        if evaluate:
            text = f"{text}\n{_compared(trained.tasks, [evaluate, str(output)], root, output / 'transfer')}"
        common.tell(text, {"identity": trained.encoder.card.identity, "scores": trained.scores})
        return 0

    return verb


def _compared(tasks: Sequence[str], encoders: Sequence[str], root: Path | None, output: Path) -> str:
    from histopress.data.patch_recipes import find_task
    from histopress.studies.transfer import transfer
    from histopress.studies.transfer_recipe import TransferRecipe

    return transfer([find_task(t) for t in tasks], encoders, root, output, TransferRecipe()).headline


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


def _study_transfer(given: Given) -> Callable[..., int]:
    from histopress.studies.transfer_recipe import TransferRecipe

    def verb(
        tasks: Tasks = (),
        /,
        *,
        encoders: Annotated[str, arg(metavar="NAME,NAME,...")],
        output: Output,
        root: Path | None = None,
        device: str = "auto",
        recipe: Annotated[TransferRecipe, Flat] = given.of(TransferRecipe),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Judge encoders by what can be read off their frozen codes.

        Args:
            tasks: descriptions of labelled patch sets (TOML), or names of ready ones.
            encoders: names, joined by commas; the others are compared with the first.
            output: folder for tables, picture, codes and scores; running again takes up what is there.
            root: folder below which the data lie.
            device: auto, or the name torch gives a device.
        """
        from histopress.data.patch_recipes import find_task
        from histopress.studies.transfer import split_names, transfer

        common.begin(recipe)
        files = [find_task(t) for t in _some(tasks, "TASK")]
        summary = transfer(files, split_names(encoders), root, output, recipe, device=device)
        common.tell(summary.headline, summary.facts)
        return int(len(summary.failures) > 0)

    return verb


def _study_tasks(given: Given) -> Callable[..., int]:
    from histopress.studies.tasks_recipe import TasksRecipe

    def verb(
        output: Output,
        root: Path | None = None,
        recipe: Annotated[TasksRecipe, Flat] = given.of(TasksRecipe),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Train an encoder on every subset of tasks, and judge each on tasks that it never saw.

        Args:
            output: folder for encoders, scores, tables and picture; running again takes up what is there.
            root: folder below which the data of the tasks lie.
        """
        from histopress.studies.tasks import study_tasks

        common.begin(recipe)
        summary = study_tasks(root, output, recipe)
        common.tell(summary.headline, summary.facts)
        return int(len(summary.failures) > 0)

    return verb


Verb = tuple[Callable[[Given], Callable[..., int]], str]
"""What makes the function of a verb out of default recipes, and what the verb does, in words."""

VERBS: dict[str, Verb] = {
    "demo": (_demo, "the whole path in minutes, on slides drawn for the purpose"),
    "inspect": (_inspect, "what a slide or grid is, and what is wrong with it"),
    "mask": (_mask, "slides -> tissue masks as PNG and QuPath GeoJSON"),
    "encoders": (_encoders, "the encoders that can be named; fetch and convert weights"),
    "patches": (_patches, "what labelled patch sets hold, and what is wrong with them"),
    "train-encoder": (_train_encoder, "labelled patch sets or slides -> encoder"),
    "compress": (_compress, "slides + encoder -> grids"),
    "exchange": (_exchange, "grids <-> feature files of CLAM, TRIDENT, STAMP, slide2vec, LazySlide, NIC"),
    "train": (_train, "cohort + grids + target -> cross-validated run"),
    "predict": (_predict, "run + slides or grids -> table of predictions"),
    "evaluate": (_evaluate, "predictions -> metrics with intervals, and a report"),
}
"""In the order of the path."""

STUDIES: dict[str, Verb] = {
    "tasks": (_study_tasks, "do encoders carry over better, the more tasks they learned?"),
    "transfer": (_study_transfer, "how good are encoders on labelled patches?"),
}
"""By the second word of `histopress study`."""
