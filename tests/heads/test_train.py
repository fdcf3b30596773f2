"""Training whole cohorts."""
from __future__ import annotations
from pathlib import Path
import pandas as pd
from histopress.heads.train import TrainRecipe, train
from histopress.heads.predict import predict

def test_smoke(make_cohort, tmp_path):
    c = make_cohort()
    s = train(c.table, c.grids, "label", tmp_path/"run", TrainRecipe(folds=3, epochs=15))
    print(s.text); t = pd.read_csv(s.predictions); print(t.head()); print(sorted(p.relative_to(tmp_path) for p in (tmp_path/"run").rglob("*")))
    t=t[(t.part=="test")&(t.level=="patient")]
    from sklearn.metrics import roc_auc_score
    print(roc_auc_score(t.truth=="yes", t.score))
    f=predict(tmp_path/"run",[c.grids, c.table],tmp_path/"o"/"p.csv")
    print(list(f)); print(pd.read_csv(tmp_path/"o"/"p.csv").head())
    assert 0
