"""What every feature extraction is asked, in the same words; what is not said stays the tool's default.

Import it first: it lets torchvision be imported beside a torch for CPUs.
"""

import argparse
from pathlib import Path

import torchvision_ops  # noqa: F401


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("encoder", help="timm:NAME, or a folder with card and weights")
    parser.add_argument("slide", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--batch", type=int)
    return parser.parse_args()


def given(**values):
    """Only those that were said."""
    return {name: value for name, value in values.items() if value is not None}
