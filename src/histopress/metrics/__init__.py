"""Predictions -> how good, and how sure; knows no model.

Comes in: tables of predictions. Goes out: scores with intervals, and a report.
Read in this order: scores, intervals, measures, results, evaluate, report; then compare, calibration,
thresholds, decision, subgroups, survival, each by itself.
"""
