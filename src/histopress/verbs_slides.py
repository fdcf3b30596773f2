"""Verbs about slides and grids: what comes in, and what it is compressed to."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from histopress.verbs_shared import Addresses, Common, Flat, Given, Output, Paths, some


def demo(given: Given) -> Callable[..., int]:
    """The whole path."""
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


def inspect(given: Given) -> Callable[..., int]:
    """What slides and grids are."""

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
        reports = inspect(some(paths), spacing, output)
        common.tell("\n\n".join(r.as_text() for r in reports), [r.as_dict() for r in reports])
        return int(any(r.problems for r in reports))

    return verb


def mask(given: Given) -> Callable[..., int]:
    """Slides -> tissue masks."""
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
        failures = write_masks(some(paths), output, recipe)
        common.tell(f"masks in {output}; {len(failures)} failed", {"failures": list(failures)})
        return int(len(failures) > 0)

    return verb


def compress(given: Given) -> Callable[..., int]:
    """Slides -> grids."""
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
        summary = compress(some(paths), output, recipe, resources)
        common.tell(summary.headline, summary.facts)
        return int(len(summary.failures) > 0)

    return verb


def exchange(given: Given) -> Callable[..., int]:
    """Grids <-> files of other tools."""
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
        summary = exchange(some(paths), output, to, recipe, source=source, overwrite=overwrite)
        common.tell(summary.headline, summary.facts)
        return int(len(summary.failures) > 0)

    return verb
