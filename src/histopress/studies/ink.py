"""Colours of the figures of all studies."""

INK = "#22303c"
"""Words, frames and whatever stands for itself."""

GREY = "#8a94a0"
"""What stands back: marks, chance, limits."""

COLOURS = ("#6a994e", "#c8553d", "#8d6a9f", "#d4a373", "#3b8ea5", "#7f7f7f", "#e07a5f", "#264653", "#b56576")
"""Of things that have no order."""
