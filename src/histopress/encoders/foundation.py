"""Foundation encoders that others published: what they are made of, what they want to see, on what terms.

Mostly facts that TRIDENT, LazySlide and the makers' own code state, checked against the sizes of what timm
builds; docs/how-to/foundation-encoders.md says what is unsure. Weights: `hub`, `timm_encoder`.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import Literal

from histopress.core.errors import EncoderError

Triple = tuple[float, float, float]
Plain = bool | int | float | str | None

IMAGENET: tuple[Triple, Triple] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALVES: tuple[Triple, Triple] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
OPTIMUS: tuple[Triple, Triple] = ((0.707223, 0.578729, 0.703617), (0.211883, 0.230117, 0.177517))
HIBOU: tuple[Triple, Triple] = ((0.7068, 0.5755, 0.722), (0.195, 0.2316, 0.1816))
LUNIT: tuple[Triple, Triple] = ((0.70322989, 0.53606487, 0.66096631), (0.21716536, 0.26081574, 0.20723464))

NO_DERIVATIVES = "CC-BY-NC-ND-4.0"
OWKIN = "Owkin non-commercial licence"


@dataclass(frozen=True)
class FoundationModel:
    """A published encoder.

    Attributes:
        name: as it is asked for, behind `hf-hub:`.
        repository: on the Hugging Face hub.
        model: name of its architecture in timm.
        dim: length of a code.
        licence: of the weights; their own page has the last word.
        gated: whether the makers must grant access first.
        source: paper.
        constructor: settings of the architecture that differ from timm's own.
        colours: mean and standard deviation of red, green and blue, for pixels of 0 to 1.
        pooling: what becomes of the tokens; see `TimmSettings`.
        prefix: tokens before the patches: the class token and registers.
        tile: width and height of its tiles in px.
        spacing: um/px of its tiles.
        layout: whose names its weights bear.
        precision: in which TRIDENT runs it; fp32 where nothing is known.
    """

    name: str
    repository: str
    model: str
    dim: int
    licence: str
    gated: bool
    source: str
    constructor: dict[str, Plain] = field(default_factory=dict)
    colours: tuple[Triple, Triple] = IMAGENET
    pooling: Literal["class", "class+mean"] = "class"
    prefix: int = 1
    tile: int = 224
    spacing: float = 0.5
    layout: Literal["timm", "transformers"] = "timm"
    precision: str = "fp32"

    @property
    def terms(self) -> str:
        """Licence and access, in words."""
        return f"{self.licence}; {'gated: its makers must grant you access' if self.gated else 'open to all'}"


LAYER_SCALE: dict[str, Plain] = {"init_values": 1e-5}
SWIGLU: dict[str, Plain] = {"mlp_layer": "SwiGLUPacked", "act_layer": "silu"}
HUGE: dict[str, Plain] = {"global_pool": "token", "mlp_ratio": 5.3375, **LAYER_SCALE, **SWIGLU}
UNI2: dict[str, Plain] = {
    "patch_size": 14, "depth": 24, "num_heads": 24, "embed_dim": 1536, "mlp_ratio": 2.66667 * 2,
    "no_embed_class": True, "reg_tokens": 8, **LAYER_SCALE, **SWIGLU,
}  # fmt: skip
GIGAPATH: dict[str, Plain] = {
    "patch_size": 16, "embed_dim": 1536, "depth": 40, "num_heads": 24, "mlp_ratio": 5.33334,
    **LAYER_SCALE,
}  # fmt: skip
KAIKO = "Aben et al., Towards Large-Scale Training of Pathology Foundation Models, arXiv 2404.15217"
KANG = "Kang et al., Benchmarking Self-Supervised Learning on Diverse Pathology Datasets, CVPR 2023"
NECHAEV = "Nechaev et al., Hibou, arXiv 2406.05074"
CHEN = "Chen et al., Towards a general-purpose foundation model for computational pathology, Nat Med 2024"


def _kaiko(size: str, patch: int, dim: int) -> FoundationModel:
    model = f"vit_{size}_patch{patch}_224"
    return FoundationModel(
        f"kaiko-vit{size[0]}{patch}", f"1aurent/{model}.kaiko_ai_towards_large_pathology_fms", model, dim,
        "not stated here: see its page", False, KAIKO, colours=HALVES,
    )  # fmt: skip


def _lunit(patch: int) -> FoundationModel:
    model = f"vit_small_patch{patch}_224"
    return FoundationModel(
        f"lunit-vits{patch}", f"1aurent/{model}.lunit_dino", model, 384,
        "Lunit non-commercial licence", False, KANG, colours=LUNIT,
    )  # fmt: skip


MODELS = (
    FoundationModel(
        "uni", "MahmoodLab/UNI", "vit_large_patch16_224", 1024, NO_DERIVATIVES, True, CHEN, LAYER_SCALE,
        precision="fp16",
    ),
    FoundationModel(
        "uni2-h", "MahmoodLab/UNI2-h", "vit_giant_patch14_224", 1536, NO_DERIVATIVES, True, CHEN, UNI2,
        prefix=9, precision="bf16",
    ),
    FoundationModel(
        "virchow", "paige-ai/Virchow", "vit_huge_patch14_224", 2560, "Apache-2.0", True,
        "Vorontsov et al., A foundation model for clinical-grade computational pathology, Nat Med 2024", HUGE,
        pooling="class+mean", precision="fp16",
    ),
    FoundationModel(
        "virchow2", "paige-ai/Virchow2", "vit_huge_patch14_224", 2560, NO_DERIVATIVES, True,
        "Zimmermann et al., Virchow2, arXiv 2408.00738", HUGE | {"reg_tokens": 4},
        pooling="class+mean", prefix=5, precision="fp16",
    ),
    FoundationModel(
        "h-optimus-0", "bioptimus/H-optimus-0", "vit_giant_patch14_reg4_dinov2", 1536, "Apache-2.0", True,
        "Saillard et al., H-optimus-0, 2024", LAYER_SCALE, OPTIMUS, prefix=5, precision="fp16",
    ),
    FoundationModel(
        "h-optimus-1", "bioptimus/H-optimus-1", "vit_giant_patch14_reg4_dinov2", 1536, NO_DERIVATIVES, True,
        "Bioptimus, H-optimus-1, 2025", LAYER_SCALE, OPTIMUS, prefix=5, precision="fp16",
    ),
    FoundationModel(
        "h0-mini", "bioptimus/H0-mini", "vit_base_patch14_reg4_dinov2", 1536, NO_DERIVATIVES, True,
        "Filiot et al., Distilling foundation models for robust and efficient models in digital pathology, "
        "arXiv 2501.16239", {"mlp_ratio": 5.33334, **LAYER_SCALE, **SWIGLU}, OPTIMUS,
        pooling="class+mean", prefix=5, precision="fp16",
    ),
    FoundationModel(
        "prov-gigapath", "prov-gigapath/prov-gigapath", "vit_giant_patch14_dinov2", 1536,
        "Apache-2.0 with further conditions", True,
        "Xu et al., A whole-slide foundation model for digital pathology from real-world data, Nature 2024",
        GIGAPATH, precision="fp16",
    ),
    FoundationModel(
        "phikon", "owkin/phikon", "vit_base_patch16_224", 768, OWKIN, False,
        "Filiot et al., Scaling self-supervised learning for histopathology with masked image modeling, "
        "medRxiv 2023.07.21.23292757", layout="transformers",
    ),
    FoundationModel(
        "phikon-v2", "owkin/phikon-v2", "vit_large_patch16_224", 1024, OWKIN, False,
        "Filiot et al., Phikon-v2, arXiv 2409.09173", LAYER_SCALE, layout="transformers",
    ),
    FoundationModel(
        "hibou-b", "histai/hibou-b", "vit_base_patch14_reg4_dinov2", 768, "Apache-2.0", True, NECHAEV,
        {"mlp_ratio": 4096 / 768, **LAYER_SCALE, **SWIGLU}, HIBOU, prefix=5,
        layout="transformers",
    ),
    FoundationModel(
        "hibou-l", "histai/hibou-L", "vit_large_patch14_reg4_dinov2", 1024, "not stated here: see its page",
        True, NECHAEV, {"mlp_ratio": 5472 / 1024, **LAYER_SCALE, **SWIGLU}, HIBOU, prefix=5,
        layout="transformers",
    ),
    _kaiko("small", 8, 384),
    _kaiko("small", 16, 384),
    _kaiko("base", 8, 768),
    _kaiko("base", 16, 768),
    _lunit(8),
    _lunit(16),
)  # fmt: skip


def find_model(name: str) -> FoundationModel:
    """The model of this name or repository, however its letters are written.

    Raises:
        EncoderError: it is not known here.
    """
    for model in MODELS:
        if name.lower() in (model.name, model.repository.lower()):
            return model
    known = [model.name for model in MODELS]
    near = difflib.get_close_matches(name.lower().rpartition("/")[2], known, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise EncoderError(
        f"no foundation encoder {name!r}; {hint}known: {', '.join(known)}; others run as "
        "timm:MODEL@FILE.safetensors, or as onnx:FILE"
    )
