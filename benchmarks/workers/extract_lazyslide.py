"""Tissue, tiles and features with LazySlide, kept in its Zarr store, as in its tutorial."""

import asked
import bare_encoders
import lazyslide as zs
import torch
import wsidata
from torchvision.transforms.v2 import Compose, Normalize, ToDtype, ToImage

if __name__ == "__main__":
    ask = asked.arguments()
    slide = wsidata.open_wsi(ask.slide, store=str(ask.output / "slide.zarr"))
    zs.pp.find_tissues(slide)
    zs.pp.tile_tissues(slide, 256, mpp=0.5)
    model, (mean, deviation), dim = bare_encoders.load(ask.encoder)
    zs.tl.feature_extraction(
        slide,
        model=model,
        model_name="benchmark",
        transform=Compose(
            [ToImage(), ToDtype(torch.float32, scale=True), Normalize(mean=mean, std=deviation)]
        ),
        device="cpu",
        pbar=False,
        **asked.given(num_workers=ask.workers, batch_size=ask.batch),
    )
    slide.write()
    bare_encoders.tell(len(slide.shapes["tiles"]), dim=dim, reader=type(slide.reader).__name__)
