"""Can a power study be believed: what half a phantom cohort predicts, and what all of it gives.

    python benchmarks/power_calibration.py              # 6 cohorts, about half an hour on two cores
    python benchmarks/power_calibration.py --quick      # does it run?

Slides are drawn noise with a planted effect. The half is a study of its own, with other test patients; its
curve is read at as many patients as the whole cohort learns from, twice what it has tried. Trainings that are
there already are kept, so more cohorts can be added later.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

from measure import HERE, Report

from histopress.studies.power_calibration import calibrate
from histopress.studies.power_recipe import PowerRecipe

RECIPE = PowerRecipe(patients=200, o2i=(0.02, 0.03, 0.05, 0.1))
QUICK = PowerRecipe(patients=60, cells=60, dim=8, o2i=(0.1,), replicates=2, visits=200)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--signal", default="effect:2")
    parser.add_argument("--cohorts", type=int, default=6)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="one small cohort: does it run?")
    parser.add_argument("--work", type=Path, default=Path("build/bench/power"), help="trainings")
    parser.add_argument("--results", type=Path, help="folder for JSON; benchmarks/results, if not quick")
    given = parser.parse_args()
    recipe = replace(QUICK if given.quick else RECIPE, processes=given.processes)
    folder = given.work / ("quick" if given.quick else "full")
    start = time.monotonic()
    found = calibrate(given.signal, folder, recipe, 1 if given.quick else given.cohorts)
    report = Report(
        "power_calibration",
        [prediction.row for prediction in found.predictions],
        facts={"recipe": str(recipe), "signal": given.signal},
        headlines={"all": found.text}
        | {f"o2i {o}": str(facts) for o, facts in found.facts["by_o2i"].items()},
    )
    report.show()
    for name, words in report.headlines.items():
        print(f"{name}: {words}")
    print(f"{time.monotonic() - start:.0f} s")
    results = given.results or (Path("build/bench/results") if given.quick else HERE / "results")
    print(f"written: {report.save(results)}")


if __name__ == "__main__":
    main()
