"""The plan of one phantom slide: everything that is left to chance, recorded before a pixel is painted."""

from __future__ import annotations

from dataclasses import dataclass

from histopress.core.geometry import Point, Size, Spacing

LABELS = ("normal", "tumour")
SITES = ("east", "west")
MASK_STEP = 8
"""Level-0 px along one side of a px of the truth masks; the sides of a slide are multiples of it."""


@dataclass(frozen=True)
class Stain:
    """How one slide was stained and scanned.

    Attributes:
        haematoxylin: optical density (natural logarithm) of a saturated nucleus in red, green, blue.
        eosin: the same of the densest stroma.
        glass: red, green, blue of empty glass, 0 to 255.
        shade: how many grey levels the illumination falls off towards one side.
        shade_angle: towards which side, radians.
        noise: standard deviation of the sensor's noise in grey levels.
        blur: passes of a 3 x 3 binomial filter.
    """

    haematoxylin: tuple[float, float, float]
    eosin: tuple[float, float, float]
    glass: tuple[float, float, float]
    shade: float
    shade_angle: float
    noise: float
    blur: int


@dataclass(frozen=True)
class Blob:
    """A round something: a piece of tissue, a lymphoid aggregate or a focus of tumour.

    Attributes:
        centre: level-0 px.
        radius_x: px along its own first axis.
        radius_y: px across it.
        angle: radians by which the axes are turned.
    """

    centre: Point
    radius_x: float
    radius_y: float
    angle: float


@dataclass(frozen=True)
class Anatomy:
    """What the tissue is made of, whatever the label; lengths in um, shares of the tissue area.

    Attributes:
        pieces: of tissue on the glass.
        aggregates: of lymphocytes: small dark crowded nuclei that are no tumour.
        fat: share.
        glandular: share of the tissue in which glands lie.
        gland_pitch: between neighbouring glands.
        gland_lumen: share of glands with a lumen; the others are solid nests.
        gland_nucleus: length of the nuclei of glands.
        stratified: share of gland nuclei that stand in a second row.
        stroma_density: mean of collagen between its clefts, 0 to 1.
        stroma_nuclei: spindle nuclei in a square of 100 um.
        lymphocytes: the same, strewn over the stroma.
        bleeding: red cells strewn over the stroma, in a square of 100 um.
        vessel_pitch: between neighbouring vessels.
    """

    pieces: tuple[Blob, ...]
    aggregates: tuple[Blob, ...]
    fat: float
    glandular: float
    gland_pitch: float
    gland_lumen: float
    gland_nucleus: float
    stratified: float
    stroma_density: float
    stroma_nuclei: float
    lymphocytes: float
    bleeding: float
    vessel_pitch: float


@dataclass(frozen=True)
class Tumour:
    """The planted lesion; lengths in um.

    Attributes:
        share: of the tissue area.
        foci: where it starts; it grows from all of them until it has its share.
        nucleus: mean length of the nuclei.
        pleomorphism: standard deviation of the logarithm of that length.
        irregularity: of the outline of the nuclei, 0 is an ellipse.
        darkness: of the nuclei, 1 is saturated.
        crowding: share of cell places that hold a nucleus.
        stroma: share of strands between the nests.
        mitoses: share of nuclei that divide.
        diameter: of each focus in um, whatever share of the tissue that makes; 0 where the share decides.
        decisive: whether the slide is a tumour slide for it; one out of place is not.
    """

    share: float
    foci: tuple[Blob, ...]
    nucleus: float
    pleomorphism: float
    irregularity: float
    darkness: float
    crowding: float
    stroma: float
    mitoses: float
    diameter: float = 0.0
    decisive: bool = True


@dataclass(frozen=True)
class PhantomSlide:
    """The plan of one slide. Painting adds no chance: what is too small to list follows from `seed`.

    Attributes:
        slide: its name.
        patient: whose it is.
        site: where it was stained.
        size: px.
        spacing: um/px.
        stain: colours and camera.
        anatomy: everything benign.
        tumour: the lesion, or none.
        seed: of outlines and cells.
        texture_seed: of the textures, which all slides of a cohort share.
        mislabelled: the cohort table names the other label.
    """

    slide: str
    patient: str
    site: str
    size: Size
    spacing: Spacing
    stain: Stain
    anatomy: Anatomy
    tumour: Tumour | None
    seed: int
    texture_seed: int
    mislabelled: bool = False

    @property
    def um(self) -> float:
        """How many px make one um."""
        return 1 / self.spacing.mean

    @property
    def label(self) -> str:
        """Either of `LABELS`: the truth."""
        return LABELS[self.tumour is not None and self.tumour.decisive]

    @property
    def told(self) -> str:
        """Either of `LABELS`: what the cohort table says."""
        return LABELS[(self.label == LABELS[1]) != self.mislabelled]
