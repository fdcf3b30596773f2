"""The curve for other programs: TensorBoard events."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from histopress.core.curve import Epoch, numbers
from histopress.core.errors import MissingExtraError
from histopress.core.fit_recipe import Log

TENSORBOARD_FOLDER = "tensorboard"


def check_logs(logs: Sequence[Log]) -> None:
    """Find out before the training whether the logs can be written.

    Raises:
        MissingExtraError: tensorboard is not installed.
    """
    if "tensorboard" in logs and find_spec("tensorboard") is None:
        raise MissingExtraError(
            "the log for TensorBoard needs the package tensorboard, which is not installed; "
            "run: pip install 'histopress[tensorboard]'"
        )


class Events:
    """A curve as TensorBoard events, one scalar for each number of an epoch.

    Args:
        folder: of the training.
        first: epoch that is written first; what stands there of it and later ones is void.
    """

    def __init__(self, folder: Path, first: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer: Any = SummaryWriter(str(folder / TENSORBOARD_FOLDER), purge_step=first or None)

    def add(self, epoch: Epoch) -> None:
        """Write an epoch down."""
        for name, value in numbers(epoch).items():
            self.writer.add_scalar(name, value, epoch.epoch)
        self.writer.flush()

    def close(self) -> None:
        """All is written."""
        self.writer.close()
