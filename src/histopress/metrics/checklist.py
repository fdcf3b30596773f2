"""Checklist after TRIPOD+AI (BMJ 2024;385:e078378) and CLAIM (Radiol Artif Intell 2020;2:e200029).

Topics are told in words of our own, with the numbers of the items they stand for; where a run tells the
answer it is filled in, all else is left to the authors.
"""

from __future__ import annotations

from dataclasses import dataclass

from histopress.metrics import checklist_answers as answers
from histopress.metrics.checklist_answers import Fill, Study, section

FILLED, OPEN = "filled in automatically", "to be filled in by you"


@dataclass(frozen=True)
class Item:
    """One topic.

    Attributes:
        topic: a few words.
        where: items of the guidelines.
        asked: what a reader wants to know.
        text: the answer as far as it is known; "" for none.
    """

    topic: str
    where: str
    asked: str
    text: str

    @property
    def status(self) -> str:
        """Whether anything is left to do."""
        return FILLED if self.text else OPEN

    @property
    def plain(self) -> dict[str, str]:
        """As plain values for JSON and CSV."""
        return {
            "topic": self.topic,
            "where": self.where,
            "asked": self.asked,
            "status": self.status,
            "text": self.text,
        }


def checklist(study: Study) -> list[Item]:
    """All topics, in the order of a paper."""
    return [Item(topic, where, asked, fill(study) if fill else "") for topic, where, asked, fill in ITEMS]


ITEMS: tuple[tuple[str, str, str, Fill | None], ...] = (
    (
        "Title and abstract",
        "TRIPOD+AI 1-2, CLAIM 1-2",
        "name the kind of study, the model, the population, the result",
        None,
    ),
    (
        "Clinical need",
        "TRIPOD+AI 3, CLAIM 3",
        "who would use it, for whom, and what is done today; known inequalities",
        None,
    ),
    ("Aims", "TRIPOD+AI 4, CLAIM 4", "development, validation or both; the hypothesis", None),
    (
        "Where the data come from",
        "TRIPOD+AI 5, CLAIM 5-7",
        "centres, dates, looking back or ahead; scanners and stains",
        None,
    ),
    ("Who could take part", "TRIPOD+AI 6, CLAIM 8", "criteria, setting, treatments received", None),
    ("Preparing images", "TRIPOD+AI 7, CLAIM 9-11", "tissue masks, spacing, tiles, encoder", answers.model),
    ("De-identification", "CLAIM 12", "how names were removed from slides and tables", None),
    (
        "What was predicted",
        "TRIPOD+AI 8, CLAIM 14-15",
        "the outcome, its time, and who determined it how",
        answers.outcome,
    ),
    (
        "Quality of the labels",
        "TRIPOD+AI 8, CLAIM 16-18",
        "readers, their number and agreement, blinding",
        None,
    ),
    ("Sample size", "TRIPOD+AI 10, CLAIM 19", "how many, and how that was decided", answers.size),
    (
        "Missing data",
        "TRIPOD+AI 11, CLAIM 13",
        "what was missing, and what was done about it",
        answers.missing,
    ),
    (
        "Splits",
        "TRIPOD+AI 12 and 16, CLAIM 20-21",
        "how data were divided, and at which level they are disjoint",
        answers.split,
    ),
    (
        "Model and training",
        "TRIPOD+AI 12 and 22, CLAIM 22 and 24-26",
        "the model in full, its training and how it was chosen",
        answers.training,
    ),
    (
        "Class imbalance",
        "TRIPOD+AI 13",
        "what was done, and how probabilities were put right after",
        answers.balance,
    ),
    ("Ensembles", "TRIPOD+AI 12, CLAIM 27", "whether and how models were combined", answers.averaged),
    ("Software", "TRIPOD+AI 12, CLAIM 23", "libraries and versions", answers.software),
    ("Measures", "TRIPOD+AI 12, CLAIM 28", "what was measured, and why", answers.measures),
    (
        "Uncertainty",
        "TRIPOD+AI 12, CLAIM 29 and 36",
        "how intervals and tests were made",
        answers.uncertainty,
    ),
    ("Threshold", "TRIPOD+AI 15", "how classes follow from probabilities", section("thresholds")),
    (
        "Calibration",
        "TRIPOD+AI 12 and 24",
        "agreement of said and seen; recalibration",
        section("recalibration"),
    ),
    (
        "Fairness and subgroups",
        "TRIPOD+AI 14 and 23",
        "results for groups of patients that matter",
        section("subgroups"),
    ),
    ("Explanation", "CLAIM 31", "what was done to see what the model looks at", None),
    ("Flow of participants", "TRIPOD+AI 20, CLAIM 33", "numbers at every step", answers.flow),
    ("Who they were", "TRIPOD+AI 20, CLAIM 34", "age, sex, stage and the like, by part", answers.covariates),
    (
        "Performance",
        "TRIPOD+AI 23, CLAIM 35-36",
        "figures with intervals on unseen patients",
        answers.performance,
    ),
    (
        "Spread over folds and seeds",
        "TRIPOD+AI 23, CLAIM 30",
        "how far results differ between trainings and places",
        answers.spread,
    ),
    (
        "External validation",
        "TRIPOD+AI 5 and 16, CLAIM 32",
        "figures on patients of other centres",
        answers.external,
    ),
    ("Where it fails", "CLAIM 37", "the cases it gets wrong, and why", answers.hardest),
    (
        "Interpretation and limits",
        "TRIPOD+AI 25-26, CLAIM 38-39",
        "what follows for patients, and what does not",
        None,
    ),
    ("Use in practice", "TRIPOD+AI 27", "input quality, skills needed, next steps", None),
    ("Ethics", "TRIPOD+AI 17", "approval and consent", None),
    ("Protocol and registration", "TRIPOD+AI 18, CLAIM 40-41", "where they can be found", None),
    ("Data and code", "TRIPOD+AI 18", "what is shared, and where", answers.tables),
    ("Funding and conflicts", "TRIPOD+AI 18, CLAIM 42", "who paid, and whose interests are touched", None),
    ("Patients' part in the study", "TRIPOD+AI 19", "how patients and the public were involved", None),
)
