"""Whole-slide images and one label per slide -> a classifier that can be trusted.

Folders stand in the order of the path: core, data, encoders, grids, heads, metrics, studies; each imports
only from those before it. The names below are loaded when they are first used.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
