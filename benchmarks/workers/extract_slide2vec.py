"""Tissue, tiles and features with slide2vec and hs2p, with an encoder that is registered."""

import asked
import bare_encoders
from hs2p import TilingConfig
from slide2vec import ExecutionOptions, Model, PreprocessingConfig
from slide2vec.encoders.base import TorchTileEncoder
from slide2vec.encoders.registry import register_encoder

ASK = asked.arguments()
MODULE, (MEAN, DEVIATION), DIM = bare_encoders.load(ASK.encoder)


@register_encoder(
    "benchmark",
    encode_dim=DIM,
    input_size=256,
    supports_variable_input_size=True,
    supported_spacing_um=0.5,
    default_spacing_um=0.5,
    precision="fp32",
    source="local",
)
class Benchmark(TorchTileEncoder):
    """The module that was asked for."""

    def __init__(self, output_variant=None):
        super().__init__(
            MODULE, encode_dim=DIM, input_size=256, mean=MEAN, std=DEVIATION, output_variant=output_variant
        )


if __name__ == "__main__":
    tiling = TilingConfig(requested_spacing_um=0.5, requested_tile_size_px=256, tolerance=0.05, overlap=0.0)
    embedded = Model.from_preset("benchmark", device="cpu").embed_slide(
        ASK.slide,
        preprocessing=PreprocessingConfig(tiling=tiling),
        execution=ExecutionOptions(
            output_dir=ASK.output,
            save_tile_embeddings=True,
            **asked.given(num_workers_per_gpu=ASK.workers, batch_size=ASK.batch),
        ),
    )
    bare_encoders.tell(len(embedded.tile_embeddings), dim=DIM)
