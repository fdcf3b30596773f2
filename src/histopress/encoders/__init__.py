"""Tile -> vector.

Comes in: uint8 tiles (batch, height, width, 3). Goes out: codes (batch, dim).
Read in this order: encoder, network, networks, published, catalogue; engine makes them fast.
"""
