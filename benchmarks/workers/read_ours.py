"""Reads tiles through histopress, or, as the floor, only decodes the stored tiles that lie below them."""

import sys

import numpy as np
from answering import answer_all

from histopress import Lattice


def ours(question):
    """The lattice that is asked for, or, with a tolerance, the one that `histopress compress` would lay."""
    from histopress import open_slide
    from histopress.data.tiles import lay_lattice, read_tiles

    options = dict(question["options"])
    tolerance = options.pop("tolerance", 0.0)
    slide, lattice = open_slide(question["slide"], **options), Lattice(**question["lattice"])
    if tolerance:
        lattice = lay_lattice(slide, lattice.spacing, lattice.tile, tolerance)
    cells = np.array(question["cells"], np.int32)
    return lambda: read_tiles(slide, lattice, cells, threads=1)


def floor(question):
    """libjpeg-turbo, each stored tile once, at the coarsest scale that is fine enough, from memory."""
    import simplejpeg

    streams, side, factor = _stored(question)
    small = side // factor

    def decode():
        for stream in streams:
            yield simplejpeg.decode_jpeg(stream, min_height=small, min_width=small, min_factor=factor)[None]

    return decode


def _stored(question):
    """The streams below the boxes, their px a side, and by how much they are to be shrunk."""
    import tifffile

    with tifffile.TiffFile(question["slide"]) as file:
        page = file.pages[0]
        side, across = page.tilewidth, -(-page.imagewidth // page.tilewidth)
        tables = page.jpegtables[:-2]
        needed = sorted({i for box in question["boxes"] for i in _below(box, side, across)})
        file.filehandle.seek(0)
        streams = []
        for index in needed:
            file.filehandle.seek(page.dataoffsets[index])
            streams.append(tables + file.filehandle.read(page.databytecounts[index])[2:])
    fits = [f for f in (1, 2, 4, 8) if question["boxes"][0][2] / question["tile"] >= f]
    return streams, side, fits[-1]


def _below(box, side, across):
    x, y, length = box
    for row in range(int(y // side), int(-(-(y + length) // side))):
        for col in range(int(x // side), min(across, int(-(-(x + length) // side)))):
            yield row * across + col


if __name__ == "__main__":
    answer_all({"ours": ours, "floor": floor}[sys.argv[1]])
