"""The foundation, which knows no pathology.

Comes in: settings. Goes out: recipes, run folders, fitted networks.
Read in this order: errors, geometry, files, recipe, failures, run, progress, fit.
"""
