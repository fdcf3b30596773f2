"""Settings of `histopress study tasks`; quick to import, so that help comes at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TasksRecipe:
    """Settings of `histopress study tasks`; the defaults suit two cores, wider trunks and more updates a GPU.

    Attributes:
        pool: tasks of which every subset trains an encoder.
        judges: tasks that judge and never train.
        seeds: trainings of each encoder.
        methods: without labels, trained on the tiles of the whole pool.
        references: further encoders by name, such as nic:PATH.
        trunk: of the encoders, and of simclr.
        updates: of every training.
        batch: tiles in an update.
        width: of the networks of vae, contrastive and bigan; 1 is as published.
        mosaics: task whose tiles also make slides, on which a head is trained; empty for none.
        share: of cells of the wanted class in a mosaic.
        drawings: of mosaics and head together, over which the score is averaged: one alone scatters widely.
        resamples: of the bootstrap over groups.
        processes: that train side by side; 1 leaves all threads to one.
        device: auto (a GPU where there is one), cpu or gpu.
    """

    pool: tuple[str, ...] = ("mitosis-crops", "prostate-epithelium", "crc-tissue7", "lung-colon5")
    judges: tuple[str, ...] = ("oral-oscc", "mitosis-atypical", "breakhis400")
    seeds: int = 3
    methods: tuple[str, ...] = ("vae", "contrastive", "bigan", "simclr")
    references: tuple[str, ...] = ("mean-rgb", "stain-texture", "random")
    trunk: str = "turned-small"
    updates: int = 300
    batch: int = 64
    width: float = 0.25
    mosaics: str = "oral-oscc"
    share: float = 0.4
    drawings: int = 3
    resamples: int = 1000
    processes: int = 1
    device: Literal["auto", "cpu", "gpu"] = "auto"
