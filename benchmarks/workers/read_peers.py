"""Reads tiles through a peer's library as its documentation shows: one region each, then shrunk by Pillow."""

import sys

import numpy as np
from answering import answer_all
from PIL import Image

CACHE = 256 << 20


def openslide(path):
    import openslide

    slide = openslide.OpenSlide(path)
    return lambda x, y, side: slide.read_region((x, y), 0, (side, side)).convert("RGB")


def tiffslide(path):
    import tiffslide

    slide = tiffslide.TiffSlide(path)
    return lambda x, y, side: Image.fromarray(slide.read_region((x, y), 0, (side, side), as_array=True))


def fastslide(path, cache=None):
    import fastslide

    slide = fastslide.FastSlide.from_file_path(path, cache=cache)
    return lambda x, y, side: Image.fromarray(slide.read_region((x, y), 0, (side, side)).numpy())


READERS = {
    "openslide": openslide,
    "tiffslide": tiffslide,
    "fastslide": fastslide,
    "fastslide-cache": lambda path: fastslide(path, CACHE),
}


def prepare(question):
    read, tile = READERS[sys.argv[1]](question["slide"]), question["tile"]

    def tiles():
        for x, y, length in question["boxes"]:
            region = read(round(x), round(y), round(length))
            yield np.asarray(shrunk(region, tile))[None]

    return tiles


def shrunk(region, tile):
    """By means of whole px where that is possible, else by Pillow's cheapest filter that does not alias."""
    times, rest = divmod(region.width, tile)
    if not rest:
        return region if times == 1 else region.reduce(times)
    return region.resize((tile, tile), Image.Resampling.BILINEAR)


if __name__ == "__main__":
    answer_all(prepare)
