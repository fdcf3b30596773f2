"""The studies, by the second word of `histopress study`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from histopress.verbs_shared import Common, Flat, Given, Output, Paths, Tasks, some

READY = "studies"
"""Folder of the settings that come with the package, for `--recipe NAME`."""


def study_transfer(given: Given) -> Callable[..., int]:
    """How good encoders are."""
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
        files = [find_task(t) for t in some(tasks, "TASK")]
        summary = transfer(files, split_names(encoders), root, output, recipe, device=device)
        common.tell(summary.headline, summary.facts)
        return int(len(summary.failures) > 0)

    return verb


def study_nmnist(given: Given) -> Callable[..., int]:
    """How small a digit may be."""
    from histopress.studies.nmnist_study_recipe import NmnistStudyRecipe

    def verb(
        *,
        mnist: Path,
        output: Output,
        fetch: bool = False,
        recipe: Annotated[NmnistStudyRecipe, Flat] = given.of(NmnistStudyRecipe, ready=READY),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Find out how small an object networks and chains still see: is there a 3 among the clutter?

        Args:
            mnist: folder of the digits, four IDX files, plain or gzip.
            output: folder for runs, tables and figures; running again, or beside, takes up what is there.
            fetch: get the digits into that folder first (11 MB), checked; a broken download is taken up.
        """
        from histopress.studies.mnist_files import fetch_mnist
        from histopress.studies.nmnist_study import study_nmnist

        common.begin(recipe)
        if fetch:
            fetch_mnist(mnist)
        summary = study_nmnist(mnist, output, recipe)
        common.tell(summary.headline, summary.facts)
        return int(len(summary.failures) > 0)

    return verb


def study_ncamelyon(given: Given) -> Callable[..., int]:
    """How small a lesion may be."""
    from histopress.studies.ncamelyon_study_recipe import NcamelyonStudyRecipe

    def verb(
        cohort: Annotated[Positional[Path], arg(metavar="COHORT")],
        /,
        *,
        output: Output,
        recipe: Annotated[NcamelyonStudyRecipe, Flat] = given.of(NcamelyonStudyRecipe, ready=READY),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Find out how small a lesion networks and chains still see, in crops of annotated slides.

        Args:
            cohort: table with patient, slide, path, site and annotation (XML of ASAP, GeoJSON, mask; none
                for slides without lesion).
            output: folder for plans, crops, runs, tables and figures; running again takes up what is there.
        """
        from histopress.studies.ncamelyon_study import study_ncamelyon

        common.begin(recipe)
        summary = study_ncamelyon(cohort, output, recipe)
        common.tell(summary.headline, summary.facts)
        return int(len(summary.failures) > 0)

    return verb


def study_rectangles(given: Given) -> Callable[..., int]:
    """How small a shape may be, pressed by several encoders."""
    from histopress.studies.rectangles_recipe import RectanglesStudyRecipe

    def verb(
        *,
        mnist: Path,
        output: Output,
        recipe: Annotated[RectanglesStudyRecipe, Flat] = given.of(RectanglesStudyRecipe, ready=READY),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Find out how small a rectangle of digits may be, as mean colour, VAE, contrastive and other codes.

        Args:
            mnist: folder of the digits, four IDX files, plain or gzip; see `study nmnist --fetch`.
            output: folder for encoders, runs, tables and figures; running again takes up what is there.
        """
        from histopress.studies.rectangles_study import study_rectangles

        common.begin(recipe)
        summary = study_rectangles(mnist, output, recipe)
        common.tell(summary.headline, summary.facts)
        return int(len(summary.failures) > 0)

    return verb


def study_phantom(given: Given) -> Callable[..., int]:
    """How faint a planted signal may be."""
    from histopress.studies.phantom_study_recipe import PhantomStudyRecipe

    def verb(
        *,
        output: Output,
        recipe: Annotated[PhantomStudyRecipe, Flat] = given.of(PhantomStudyRecipe, ready=READY),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Plant a signal into grids, and find out how faint, how hidden, how confounded it may be for heads.

        Args:
            output: folder for runs, tables and figures; running again takes up what is there.
        """
        from histopress.studies.phantom_study import study_phantom

        common.begin(recipe)
        summary = study_phantom(output, recipe)
        common.tell(summary.headline, summary.facts)
        return int(len(summary.failures) > 0)

    return verb


def study_plant(given: Given) -> Callable[..., int]:
    """Own tiles into own slides."""
    from histopress.studies.planted_slides_recipe import PlantSlidesRecipe

    def verb(
        paths: Paths = (),
        /,
        *,
        tiles: Path,
        output: Output,
        decoys: Path | None = None,
        spacing: float | None = None,
        recipe: Annotated[PlantSlidesRecipe, Flat] = given.of(PlantSlidesRecipe, ready=READY),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Plant tiles of your own into slides of your own: new slides, a cohort table, and the truth.

        Args:
            paths: slides without the signal, folders of slides, or cohort tables.
            tiles: folder of pictures of tiles with the signal.
            output: folder for slides, table and truth; running again takes up what is there.
            decoys: folder of pictures of tiles without it, to be planted into negative slides.
            spacing: um/px of slides that state none.
        """
        from histopress.studies.planted_slides import plant_slides

        common.begin(recipe)
        summary = plant_slides(some(paths), tiles, decoys, output, recipe, spacing=spacing)
        common.tell(summary.headline, summary.facts)
        return int(len(summary.failures) > 0)

    return verb


def study_draw(given: Given) -> Callable[..., int]:
    """Drawn slides."""
    from histopress.studies.phantom_recipe import PhantomRecipe

    def verb(
        *,
        output: Output,
        workers: int = 2,
        recipe: Annotated[PhantomRecipe, Flat] = given.of(PhantomRecipe, ready=READY),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Draw a cohort of slides like H&E with a tumour of known size, place and contrast.

        Args:
            output: folder for slides, `cohort.csv` and truth; running again takes up what is there.
            workers: slides that are drawn side by side; about 0.25 GB each.
        """
        from histopress.studies.phantom import make_cohort

        common.begin(recipe)
        table = make_cohort(recipe, output, workers)
        common.tell(f"{recipe.slides} slides: {table}", {"slides": recipe.slides, "cohort": str(table)})
        return 0

    return verb


def study_power(given: Given) -> Callable[..., int]:
    """How many slides it takes."""
    from histopress.studies.power_recipe import PowerRecipe

    def verb(
        *,
        signal: str,
        output: Output,
        grids: Path | None = None,
        cohort: Path | None = None,
        recipe: Annotated[PowerRecipe, Flat] = given.of(PowerRecipe, ready=READY),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """How many slides do I need? Plant a signal into negative grids, train, and read learning curves.

        Args:
            signal: effect:D or effect:D:SHARE (D standard deviations in that share of the numbers of a
                code), a .npy or .npz file of codes, a stored grid, or a folder of pictures of tiles.
            output: folder for report, tables and trainings; running again takes up what is there.
            grids: folder that `compress` wrote, of slides without the signal; without, noise is drawn.
            cohort: table of patients and slides; without, each grid is taken as a patient.
        """
        from histopress.studies.power import study_power

        common.begin(recipe)
        summary = study_power(grids, cohort, signal, output, recipe)
        common.tell(summary.headline, summary.facts)
        return int(len(summary.failures) > 0)

    return verb


def study_tasks(given: Given) -> Callable[..., int]:
    """How many tasks an encoder should learn."""
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
