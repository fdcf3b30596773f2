"""All verbs of the command line: functions of positional words and of recipes, whose fields are flags."""

from histopress import verbs_encoders, verbs_heads, verbs_slides, verbs_studies
from histopress.verbs_shared import Given, Verb

__all__ = ["STUDIES", "VERBS", "Given", "Verb"]

VERBS: dict[str, Verb] = {
    "demo": (verbs_slides.demo, "the whole path in minutes, on slides drawn for the purpose"),
    "inspect": (verbs_slides.inspect, "what a slide or grid is, and what is wrong with it"),
    "mask": (verbs_slides.mask, "slides -> tissue masks as PNG and QuPath GeoJSON"),
    "encoders": (verbs_encoders.encoders, "the encoders that can be named; fetch and convert weights"),
    "patches": (verbs_encoders.patches, "what labelled patch sets hold, and what is wrong with them"),
    "train-encoder": (verbs_encoders.train_encoder, "labelled patch sets or slides -> encoder"),
    "compress": (verbs_slides.compress, "slides + encoder -> grids"),
    "exchange": (
        verbs_slides.exchange,
        "grids <-> feature files of CLAM, TRIDENT, STAMP, slide2vec, LazySlide, NIC",
    ),
    "cohort": (verbs_heads.cohort, "files of a public data set or of a clinic -> cohort table"),
    "heads": (verbs_heads.heads, "the heads that can be named"),
    "train": (verbs_heads.train, "cohort + grids + target -> cross-validated run"),
    "predict": (verbs_heads.predict, "run + slides or grids -> table of predictions"),
    "evaluate": (verbs_heads.evaluate, "predictions -> metrics with intervals, and a report"),
}
"""In the order of the path."""

STUDIES: dict[str, Verb] = {
    "draw": (verbs_studies.study_draw, "a cohort of drawn slides, with a tumour of known size and place"),
    "ncamelyon": (verbs_studies.study_ncamelyon, "how small may a lesion be, in crops of annotated slides?"),
    "nmnist": (verbs_studies.study_nmnist, "how small may a digit be, until networks no longer find it?"),
    "phantom": (verbs_studies.study_phantom, "how faint may a signal be that is planted into grids?"),
    "plant": (verbs_studies.study_plant, "tiles of your own, planted into slides of your own"),
    "power": (verbs_studies.study_power, "how many slides do I need?"),
    "rectangles": (verbs_studies.study_rectangles, "how small may a shape be, pressed by several encoders?"),
    "tasks": (verbs_studies.study_tasks, "do encoders carry over better, the more tasks they learned?"),
    "transfer": (verbs_studies.study_transfer, "how good are encoders on labelled patches?"),
}
"""By the second word of `histopress study`."""
