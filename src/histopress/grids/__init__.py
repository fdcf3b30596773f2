"""Slide -> a small picture of codes.

Comes in: slides and an encoder. Goes out: stored feature grids, and batches of them.
Read in this order: grid, store, jobs, compress, compressor, workers, cluster, inspect; cells, views,
augment, joint, places, draws, batches, survey; then
exchange, exchange_bag, exchange_scale, exchange_lattice, exchange_grid, exchange_sources, exchange_tools, and
a file for each tool.
"""
