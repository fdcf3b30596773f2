from __future__ import annotations

import pandas as pd

from histopress.studies.sweep_markdown import as_markdown, in_order


def test_means_with_controls_apart() -> None:
    rows = [(0.1914, 1400, "", 0, 0.9), (0.1914, 1400, "", 1, 0.92), (0.000748, 2819, "", 0, 0.5)]
    rows += [(0.1914, 1400, "permuted", 0, 0.51)]
    table = pd.DataFrame(rows, columns=["o2i", "train_size", "control", "replicate", "test_accuracy"])
    assert as_markdown(table, "o2i", "train_size", words={"test_accuracy": "accuracy"}) == (
        "accuracy, by object-to-image ratio (down) and training pictures (across)\n\n"
        "| | 1400 | 2819 |\n| --- | ---: | ---: |\n"
        "| 0.0748 % | - | 0.500 |\n"
        "| 19.1 % | 0.910 [0.78, 1.00] | - |\n\n"
        "accuracy, by object-to-image ratio (down) and training pictures (across); control: permuted\n\n"
        "| | 1400 |\n| --- | ---: |\n"
        "| 19.1 % | 0.510 |\n\n"
        "Mean [95 % t interval]; at most 2 replicates.\n"
    )


def test_numbers_by_size_and_words_as_they_come() -> None:
    assert in_order(pd.Series([3, 1, 2, 1])) == [1, 2, 3]
    assert in_order(pd.Series(["mean", "max", "mean", None])) == ["mean", "max"]
