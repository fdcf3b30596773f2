"""Who is what: exact shares of positives, wrong labels and sites, whatever the order of the table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from histopress.core.errors import CohortError
from histopress.studies.planting_recipe import PlantRecipe
from histopress.studies.planting_roster import draw_roster, number_of

TABLE = pd.DataFrame(
    {"patient": [f"p{i:03d}" for i in range(200)], "slide": [f"s{i:03d}" for i in range(200)]}
)


@pytest.mark.parametrize(
    ("prevalence", "positive"), [(0.0, 0), (0.001, 1), (0.2, 40), (0.5, 100), (1.0, 200)]
)
def test_as_many_are_positive_as_asked_for(prevalence: float, positive: int) -> None:
    roster = draw_roster(TABLE, PlantRecipe(o2i=0.1, prevalence=prevalence))
    assert roster["positive"].sum() == positive
    assert (roster["given"] == roster["positive"]).all()
    assert (roster["holds"] == roster["positive"]).all()


@pytest.mark.parametrize("share", [0.05, 0.2, 1.0])
def test_a_share_of_the_labels_is_wrong_and_the_truth_is_kept(share: float) -> None:
    clean, noisy = (draw_roster(TABLE, PlantRecipe(o2i=0.1, label_noise=s)) for s in (0.0, share))
    assert (clean["positive"] == noisy["positive"]).all()
    assert (noisy["given"] != noisy["positive"]).sum() == round(share * 200)


@pytest.mark.parametrize("sites", [2, 3, 4])
@pytest.mark.parametrize("confounding", [0.0, 0.3, 1.0])
def test_site_goes_with_label_as_strongly_as_asked_for(sites: int, confounding: float) -> None:
    roster = draw_roster(TABLE, PlantRecipe(o2i=0.1, sites=sites, confounding=confounding))
    first = roster["site"].isin([f"site-{n}" for n in range(-(-sites // 2))])
    shares = first.groupby(roster["positive"]).mean()
    assert shares[True] - shares[False] == pytest.approx(confounding, abs=0.011)
    assert roster["site"].nunique() == sites
    counts = roster.groupby("positive")["site"].value_counts()
    if confounding == 0:
        assert counts.max() - counts.min() <= 1


def test_the_order_of_the_table_does_not_matter() -> None:
    recipe = PlantRecipe(o2i=0.1, label_noise=0.1, confounding=0.5)
    pd.testing.assert_frame_equal(draw_roster(TABLE, recipe), draw_roster(TABLE.sample(frac=1), recipe))
    other = draw_roster(TABLE, PlantRecipe(o2i=0.1, seed=1))
    assert (other["positive"] != draw_roster(TABLE, recipe)["positive"]).any()


def test_one_slide_of_a_patient_holds_the_object() -> None:
    table = pd.DataFrame({"patient": ["a", "b", "b", "b"] * 30, "slide": [f"s{i}" for i in range(120)]})
    table["patient"] += (np.arange(120) // 4).astype(str)
    roster = draw_roster(table, PlantRecipe(o2i=0.1))
    own = table.groupby("patient")["slide"].agg(list)
    assert all(row["slide"] in own[row["patient"]] for row in roster.to_dict("records"))
    places = [
        sorted(own[row["patient"]]).index(row["slide"])
        for row in roster.to_dict("records")
        if row["patient"].startswith("b")
    ]
    assert np.bincount(places, minlength=3).min() >= 3


def test_sites_of_the_table_are_kept_where_that_is_asked_for() -> None:
    sited = TABLE.assign(site=np.where(np.arange(200) < 50, "north", "south"))
    roster = draw_roster(sited, PlantRecipe(o2i=0.1, sites=0))
    assert roster["site"].tolist() == sited["site"].tolist()
    with pytest.raises(CohortError, match="no column 'site'"):
        draw_roster(TABLE, PlantRecipe(o2i=0.1, sites=0))


def test_a_table_that_cannot_be_planted_into_is_refused() -> None:
    with pytest.raises(CohortError, match="no column 'patient'"):
        draw_roster(TABLE[["slide"]], PlantRecipe(o2i=0.1))
    with pytest.raises(CohortError, match="no patient"):
        draw_roster(TABLE[:0], PlantRecipe(o2i=0.1))
    with pytest.raises(CohortError, match="stands there twice"):
        draw_roster(pd.concat([TABLE, TABLE[:1]]), PlantRecipe(o2i=0.1))


def test_names_have_their_number_on_every_machine() -> None:
    assert number_of("slide-1") == 1114048802
    assert number_of("slide-1") != number_of("slide-2") != number_of("slide-2", 1)
