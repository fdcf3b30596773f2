"""Controlled experiments with a signal that was planted.

Comes in: recipes. Goes out: slides, pictures and grids with a known signal; tables of how faint it may be.
Read in this order: phantom, demo; pictures, nmnist, end_to_end, chain, sweep, picture_study; planting, power.
"""
