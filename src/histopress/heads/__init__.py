"""Grid -> an answer for a slide.

Comes in: feature grids and labels. Goes out: runs, and tables of predictions.
Read in this order: head, pooling, cnn, objectives, train, predict.
"""
