"""Controlled experiments with a signal that was planted.

Comes in: recipes. Goes out: slides drawn for the purpose, and the demo.
Read in this order: phantom, demo.
"""
