"""The side of a worker: questions come in as JSON lines, answers go out as JSON lines."""

import json
import os
import sys
import time

import numpy as np


def answer_all(prepare):
    """Answer until there are no more questions.

    Args:
        prepare: takes a question, opens what it needs, and gives a function that yields arrays of tiles; only
            what that function does is timed. A question with `sample` has its tiles written to that file.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not get between the answers
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = _answer(prepare(question), question.get("sample"))
        except Exception as error:  # noqa: BLE001 - reported to the other side, which decides
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _answer(read, sample):
    if sample:
        np.save(sample, np.concatenate(list(read())))
        return {}
    start, used = time.perf_counter(), time.process_time()
    tiles = sum(len(part) for part in read())
    return {"wall": time.perf_counter() - start, "cpu": time.process_time() - used, "tiles": tiles}
