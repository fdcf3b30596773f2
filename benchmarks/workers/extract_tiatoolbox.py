"""Tissue, tiles and features with TIAToolbox's DeepFeatureExtractor."""

import asked
import bare_encoders
import torch
import zarr
from tiatoolbox.models.engine.deep_feature_extractor import DeepFeatureExtractor
from tiatoolbox.models.engine.io_config import IOPatchPredictorConfig
from tiatoolbox.models.models_abc import ModelABC

AT = [{"units": "mpp", "resolution": 0.5}]


class Benchmark(ModelABC):
    """The module that was asked for, with its normalisation."""

    def __init__(self, name):
        super().__init__()
        self.bare, (mean, deviation), self.dim = bare_encoders.load(name)
        self.mean, self.deviation = (torch.tensor(v).view(3, 1, 1) for v in (mean, deviation))

    def forward(self, images):
        """Normalised images -> codes."""
        return self.bare(images)

    @staticmethod
    def infer_batch(model, batch, *, device="cpu"):
        """Batch of uint8 tiles -> list of one array of codes."""
        with torch.inference_mode():
            images = batch.to(device).permute(0, 3, 1, 2).contiguous().float() / 255
            return [model((images - model.mean) / model.deviation).cpu().numpy()]


if __name__ == "__main__":
    ask = asked.arguments()
    model = Benchmark(ask.encoder)
    settings = IOPatchPredictorConfig(
        input_resolutions=AT, output_resolutions=AT, patch_input_shape=[256, 256], stride_shape=[256, 256]
    )
    engine = DeepFeatureExtractor(model, **asked.given(num_workers=ask.workers, batch_size=ask.batch))
    written = engine.run(
        images=[ask.slide],
        ioconfig=settings,
        patch_mode=False,
        save_dir=ask.output / "features",
        output_type="zarr",
        device="cpu",
        auto_get_mask=True,
    )
    store = written[next(iter(written))] if isinstance(written, dict) else written
    group = zarr.open(str(store), mode="r")
    bare_encoders.tell(max(group[name].shape[0] for name in group), dim=model.dim)
