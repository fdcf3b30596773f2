"""Draw every strength of augmentation on real tiles: one row a strength, one column a tile.

    python docs/make_augment_sheet.py --data FOLDER -o augment.png

FOLDER holds pictures, or zip files of pictures, at any depth; tiles are cut from their middles. Equal seeds
give equal orientations in all rows, so a column can be compared from row to row.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from histopress.encoders.augment import LADDER, augment

TILE, GAP, MARGIN = 128, 6, 150
PICTURES = {".png", ".jpg", ".jpeg", ".tif"}


def pictures(folder: Path) -> Iterator[Image.Image]:
    """Every picture below a folder, by name, in zip files too."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in PICTURES:
            yield Image.open(path)
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for name in sorted(archive.namelist()):
                    if Path(name).suffix in PICTURES:
                        yield Image.open(io.BytesIO(archive.read(name)))


def middles(folder: Path, count: int) -> NDArray[np.uint8]:
    """(count, TILE, TILE, 3): middles of pictures that are evenly spread over all of them."""
    found = [_middle(picture) for picture in pictures(folder)]
    if len(found) < count:
        raise SystemExit(f"{folder} holds {len(found)} pictures, expected at least {count}")
    return np.stack([found[index] for index in np.linspace(0, len(found) - 1, count).astype(int)])


def _middle(picture: Image.Image) -> NDArray[np.uint8]:
    left, top = (picture.width - TILE) // 2, (picture.height - TILE) // 2
    return np.asarray(picture.convert("RGB").crop((left, top, left + TILE, top + TILE)))


def sheet(tiles: NDArray[np.uint8], seed: int) -> Image.Image:
    """One row a strength."""
    images = torch.from_numpy(tiles).permute(0, 3, 1, 2).float() / 255
    step = TILE + GAP
    page = Image.new("RGB", (MARGIN + len(tiles) * step, len(LADDER) * step + GAP), "white")
    pen = ImageDraw.Draw(page)
    for row, (name, recipe) in enumerate(LADDER.items()):
        pen.text((GAP, row * step + TILE // 2), name, fill="black", font_size=13)
        changed = augment(images, recipe, torch.Generator().manual_seed(seed))
        pixels = changed.mul(255).round().byte().permute(0, 2, 3, 1).numpy()
        for col, tile in enumerate(pixels):
            page.paste(Image.fromarray(tile), (MARGIN + col * step, GAP + row * step))
    return page


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--tiles", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "augment.png")
    given = parser.parse_args()
    sheet(middles(given.data, given.tiles), given.seed).save(given.output)
    print(f"wrote {given.output}")


if __name__ == "__main__":
    main()
