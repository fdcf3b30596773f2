"""Grid -> an answer for a slide.

Comes in: feature grids and labels. Goes out: runs, and tables of predictions.
Read in this order: head, pooling, cnn, mil, catalogue; objective, targets; cases, fold, learner, train;
leakage; then predict, ensemble, model_file.
"""
