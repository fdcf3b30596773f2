"""Verbs about encoders and the labelled patches that they learn from."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from histopress.core.errors import RecipeError
from histopress.verbs_shared import Common, Flat, Given, Output, Tasks, some

EncoderAction = Literal["list", "fetch", "convert", "pack"]


def encoders(given: Given) -> Callable[..., int]:
    """What encoders there are, and their weights."""

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


def patches(given: Given) -> Callable[..., int]:
    """What labelled patch sets hold."""
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
        report = inspect_patches([find_task(t) for t in some(tasks, "TASK")], root, output, recipe)
        common.tell(report.text, report.facts)
        return int(len(report.failures) > 0)

    return verb


def train_encoder(given: Given) -> Callable[..., int]:
    """Patches -> encoder."""
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
        trained = train_encoder(some(inputs, "TASK"), output, recipe, root=root, resources=resources)
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
