"""What runs on a node of a cluster: one warm encoder that compresses slides, or strips of very large ones."""

from __future__ import annotations

import platform
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from threading import Lock
from typing import cast

import numpy as np
from numpy.typing import NDArray

import histopress
from histopress.core.errors import ClusterError
from histopress.core.location import Location
from histopress.core.recipe import read_settings
from histopress.data.damage import BadTile, Damage
from histopress.encoders.encoder import CARD_FILE, Encoder
from histopress.encoders.engine import Engine, prepare, prepare_as
from histopress.encoders.engine_cache import EngineChoice
from histopress.grids.compress import CompressRecipe, Precision, Resources
from histopress.grids.compressor import Compressor
from histopress.grids.grid import GridHeader
from histopress.grids.jobs import Job
from histopress.grids.ready import Clock, Done, Ready
from histopress.grids.workers import Silent


@dataclass(frozen=True)
class Order:
    """What is to be done, the same for all actors.

    Attributes:
        output: folder of the grids, which every node must see under this name.
        recipe: settings that shape the grids.
        resources: settings that do not.
        threads: of the CPU, for the encoder of one actor.
        strip: cells beyond which a slide is shared out, and cells of a part; a multiple of `store.CHUNK`.
        version: of histopress at the driver.
    """

    output: Location
    recipe: CompressRecipe
    resources: Resources
    threads: int
    strip: int
    version: str = histopress.__version__


@dataclass(frozen=True)
class Plan:
    """The cells of a slide that is too large for one actor.

    Attributes:
        state: of its file; see `core.location.state_of`.
        header: of its grid.
        cells: (tiles, 2) row and col.
        tissue: (tiles,) share of tissue.
    """

    state: tuple[int | str, ...]
    header: GridHeader
    cells: NDArray[np.int32]
    tissue: NDArray[np.float32]


@dataclass(frozen=True)
class Strip:
    """The codes of some cells that follow each other.

    Attributes:
        first: number of the first cell.
        codes: (cells, dim) float16.
        bad_tiles: that cannot be decoded.
        bad_cells: numbers of the cells that touch one.
        encode_seconds: that the encoder was busy.
        wait_seconds: that it waited for tiles.
    """

    first: int
    codes: NDArray[np.float16]
    bad_tiles: frozenset[BadTile]
    bad_cells: frozenset[int]
    encode_seconds: float
    wait_seconds: float


class CompressActor:
    """Compresses slides with one encoder; opens the next slide while it encodes one."""

    def __init__(self, encoder: Encoder, order: Order) -> None:
        self.encoder = encoder
        self.order = order
        self.work = Path(tempfile.gettempdir()) / f"histopress-{token_hex(8)}"
        self._turn = Lock()
        self._compressor: Compressor | None = None

    def arrive(self) -> str:
        """The name of the node, once the actor is there."""
        return platform.node()

    def choose(self, precision: str) -> EngineChoice:
        """Find the best way to run the encoder here, for all actors.

        Raises:
            EncoderError: it cannot be run as asked.
            ClusterError: the node is not set up like the driver.
        """
        how, threads = self.order.resources, self.order.threads
        engine = prepare(self.encoder, how.device, precision, how.backend, threads=threads)
        self._begin(engine)
        return engine.choice

    def start(self, choice: EngineChoice) -> None:
        """Run the encoder as was chosen elsewhere.

        Raises:
            EncoderError: this node cannot do that.
            MissingExtraError: nor has it what that takes.
            ClusterError: the node is not set up like the driver.
        """
        if self._compressor is None:
            self._begin(prepare_as(self.encoder, choice, threads=self.order.threads))

    def _begin(self, engine: Engine) -> None:
        order = self.order
        if histopress.__version__ != order.version:
            raise ClusterError(
                f"{platform.node()} has histopress {histopress.__version__}, the driver {order.version}; "
                "install the same on all nodes"
            )
        card = order.output / "encoder" / CARD_FILE
        if not card.exists() or read_settings(card).get("identity") != engine.card.identity:
            raise ClusterError(
                f"{platform.node()} does not see in {order.output} what the driver wrote there; "
                "name a folder that all nodes share, or an object store"
            )
        recipe = replace(order.recipe, precision=cast("Precision", engine.choice.precision))
        self._compressor = Compressor(engine, order.output, recipe, order.resources, work=self.work)

    @property
    def compressor(self) -> Compressor:
        """Once it has been started."""
        assert self._compressor is not None
        return self._compressor

    def compress(self, job: Job) -> Done | Plan:
        """Compress a slide; of a very large one only find the cells.

        Raises:
            HistopressError: the slide cannot be compressed.
        """
        ready = self.compressor.get_ready(job)
        with self._turn:
            if isinstance(ready, Ready) and len(ready.cells) > self.order.strip:
                ready.close()
                return Plan(ready.state, ready.header, ready.cells, ready.tissue)
            return self.compressor.compress(ready, Silent())

    def encode(self, job: Job, plan: Plan, first: int) -> Strip:
        """Encode one strip of a slide.

        Raises:
            HistopressError: its pixels cannot be decoded, or the file is another one by now.
        """
        damage, clock = Damage(self.order.recipe.on_bad_tile, first), Clock()
        cells = plan.cells[: first + self.order.strip]
        with ExitStack() as held, self._turn:
            slide = held.enter_context(self.compressor.opened(job))
            ready = Ready(job, slide, plan.state, plan.header, cells, plan.tissue, held)
            with np.errstate(over="ignore"):  # the store tells of codes that are too large
                parts = [c.astype(np.float16) for c in self.compressor.codes(ready, first, damage, clock)]
            ready.check_unchanged()
        return Strip(
            first,
            np.concatenate(parts),
            frozenset(damage.tiles),
            frozenset(damage.cells),
            clock.encoding,
            clock.waiting,
        )

    def leave(self) -> None:
        """Remove what was left unfinished."""
        shutil.rmtree(self.work, ignore_errors=True)
