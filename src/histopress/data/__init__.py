"""Slides, masks, tables of cases.

Comes in: files. Goes out: pixels on a lattice, cohorts, splits, predictions.
Read in this order: slide, tissue, tiles, cohort, splits, predictions.
"""
