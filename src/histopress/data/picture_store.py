"""Pictures that lie in a folder or in a zip, by name; zips are read without being unpacked."""

from __future__ import annotations

import io
import os
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from histopress.core.errors import PatchError
from histopress.core.geometry import Size
from histopress.data.picture_slide import LARGEST, MODES, on_white
from histopress.data.slide import RGB

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


class PictureStore:
    """Pictures by their path below a folder, or by the name of their member in a zip; safe in threads.

    Args:
        path: a folder, or a .zip file.

    Raises:
        PatchError: it is neither, or is damaged as a whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._zip = _open_zip(path) if path.is_file() else None
        if self._zip is None and not path.is_dir():
            raise PatchError(
                f"{path}: there is no such folder or zip, expected pictures; check `source.images` and where "
                "the data lie"
            )

    def close(self) -> None:
        """Let go of the zip."""
        if self._zip is not None:
            self._zip.close()

    def names(self) -> list[str]:
        """Names of all pictures, sorted; hidden files and those of other types do not count."""
        return sorted(name for name in self._all() if _is_picture(name))

    def _all(self) -> Iterator[str]:
        if self._zip is not None:
            yield from self._zip.namelist()
            return
        for folder, _, files in os.walk(self.path):
            yield from ((Path(folder) / file).relative_to(self.path).as_posix() for file in files)

    @property
    def is_zip(self) -> bool:
        """Whether the pictures lie in a zip."""
        return self._zip is not None

    def files(self, names: list[str]) -> list[Path]:
        """The files in the folder that are these pictures, as far as they are there."""
        return [path for name in names if (path := self.path / name).is_file()]

    def size(self, name: str) -> Size:
        """Width and height of a picture, mostly without decoding it.

        Raises:
            PatchError: it is missing, or no picture that can be read.
        """
        with self._opened(name, all_of_it=False) as image:
            return Size(image.width, image.height)

    def pixels(self, name: str) -> RGB:
        """(height, width, 3) uint8, as stored; transparent parts on white, an EXIF orientation not applied.

        Raises:
            PatchError: it is missing, damaged, too large, or not 8-bit RGB or grey.
        """
        with self._opened(name) as image:
            return on_white(image)

    @contextmanager
    def _opened(self, name: str, all_of_it: bool = True) -> Iterator[Image]:
        """An open picture; whatever Pillow and zipfile raise on the way becomes a PatchError."""
        from PIL import Image

        where = f"{self.path}/{name}"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with self._stream(name, all_of_it) as file, Image.open(file, formats=FORMATS) as image:
                    _check(where, image)
                    yield image
        except PatchError:
            raise
        except (FileNotFoundError, KeyError) as error:
            raise PatchError(f"{where}: there is no such picture; complete the data") from error
        except (zipfile.BadZipFile, zlib.error) as error:
            raise PatchError(
                f"{where}: this member of the zip is damaged ({error}), expected a whole picture; download "
                "the zip again"
            ) from error
        except Exception as error:
            raise PatchError(
                f"{where}: the picture cannot be decoded ({error}), expected a whole "
                f"{', '.join(FORMATS)} file; copy it again from its source"
            ) from error

    @contextmanager
    def _stream(self, name: str, all_of_it: bool) -> Iterator[IO[bytes]]:
        if self._zip is not None and all_of_it:  # compares its checksum
            yield io.BytesIO(self._zip.read(name))
            return
        with (self.path / name).open("rb") if self._zip is None else self._zip.open(name) as file:
            yield file


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise PatchError(
            f"{path}: no readable zip file ({error}), expected a zip of pictures; download it again"
        ) from error


def _is_picture(name: str) -> bool:
    hidden = any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
    return not hidden and name.lower().endswith(SUFFIXES)


def _check(where: str, image: Image) -> None:
    if image.width * image.height > LARGEST:
        raise PatchError(
            f"{where}: {image.width} x {image.height} px, expected {LARGEST:,} px at most; cut it into pieces"
        )
    if image.mode not in MODES:
        raise PatchError(
            f"{where}: pixels of Pillow mode {image.mode}, expected 8-bit RGB or grey; convert it"
        )
