"""What a study of networks on pictures varies; quick to import, so that help comes at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from histopress.core.errors import RecipeError
from histopress.studies.chain_recipe import ChainRecipe
from histopress.studies.end_to_end_recipe import EndToEndRecipe
from histopress.studies.patchnet_recipe import PatchnetPooling


@dataclass(frozen=True, kw_only=True)
class PictureAxes:
    """Axes of a study; every combination of their values is a run, and `replicates` times so.

    Attributes:
        sizes: pictures to train with, half of them with the object; larger sets hold the smaller ones.
        networks: trained end to end, as `PatchnetRecipe.name` has them.
        fields: receptive fields in px, of patch nets.
        widths: powers of two by which patch nets are wider than published.
        poolings: over places: mean, max, lse or attention.
        chains: ENCODER/HEAD of those to press and classify with, beside the networks; see `ChainRecipe`.
        label_noise: shares of the labels of the training part that are wrong.
        replicates: trainings of every combination, with other pictures and random numbers.
        tuning: pictures by which the best epoch is chosen.
        test: pictures that the results are told of.
        controls: also train with permuted labels, so many replicates, and on noise with random ones, for what
            is memorised; 0 for no controls.
        threshold: accuracy at which a training counts as good enough, for the smallest training size.
        training: how networks are trained end to end; the network's own axes above replace what it says.
        chain: how the chains are made; encoder and head of the axes replace its own.
        processes: trainings side by side.
    """

    sizes: tuple[int, ...] = (1400, 2819, 5638, 7500, 11276)
    networks: tuple[str, ...] = ("patchnet",)
    fields: tuple[int, ...] = (9,)
    widths: tuple[float, ...] = (0.0,)
    poolings: tuple[PatchnetPooling, ...] = ("mean",)
    chains: tuple[str, ...] = ()
    label_noise: tuple[float, ...] = (0.0,)
    replicates: int = 3
    tuning: int = 1972
    test: int = 4040
    controls: int = 1
    threshold: float = 0.7
    training: EndToEndRecipe = field(default_factory=EndToEndRecipe)
    chain: ChainRecipe = field(default_factory=ChainRecipe)
    processes: int = 1

    def __post_init__(self) -> None:
        if not (self.sizes and self.label_noise and self.replicates >= 1 and self.controls >= 0):
            raise RecipeError(
                f"sizes {self.sizes}, label_noise {self.label_noise}, {self.replicates} replicates: expected "
                "one or more of each; name them"
            )
        if not (self.networks or self.chains):
            raise RecipeError("neither networks nor chains are named, expected some; name one")
        for chain in self.chains:
            if not all(chain.partition("/")[::2]):
                raise RecipeError(f"chain {chain!r}, expected ENCODER/HEAD such as crops/abmil; change it")
