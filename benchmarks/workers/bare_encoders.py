"""The benchmark's encoders as plain torch modules, for tools that know nothing of histopress."""

import json
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
import torchvision_ops  # noqa: F401
from torch import nn

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
PLAIN = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class Small(nn.Module):
    """3 x 3 convolutions of stride 2, leaky ReLU, batch norm; flattened; one dense layer."""

    def __init__(self, filters, dim, side):
        super().__init__()
        blocks, before = [], 3
        for after in filters:
            parts = (
                ("conv", nn.Conv2d(before, after, 3, 2)),
                ("activation", nn.LeakyReLU(0.2, inplace=True)),
                ("norm", nn.BatchNorm2d(after, eps=1e-3)),
            )
            blocks.append(nn.Sequential(OrderedDict(parts)))
            before, side = after, (side - 3) // 2 + 1
        self.trunk = nn.Sequential(*blocks)
        self.code = nn.Linear(before * side * side, dim)

    def forward(self, images):
        """Normalised images -> codes."""
        return self.code(self.trunk(images).permute(0, 2, 3, 1).flatten(1))


def load(name):
    """A module that takes (batch, 3, 256, 256) normalised images, its mean and deviation, and its dim."""
    if name.startswith("timm:"):
        import timm

        torch.manual_seed(0)
        model = timm.create_model(name.removeprefix("timm:"), pretrained=False, num_classes=0)
        return model.eval(), IMAGENET, model.num_features
    from safetensors.torch import load_file

    settings = json.loads((Path(name) / "card.json").read_text())["architecture"]
    model = Small(settings["filters"], settings["dim"], settings["tile"])
    model.load_state_dict(load_file(Path(name) / "weights.safetensors"))
    return model.eval(), PLAIN, settings["dim"]


def codes(name, tiles):
    """Codes of uint8 tiles (tiles, height, width, 3)."""
    model, (mean, deviation), _ = load(name)
    images = torch.from_numpy(tiles).permute(0, 3, 1, 2).float() / 255
    images = (images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(deviation).view(3, 1, 1)
    with torch.inference_mode():
        return model(images).numpy()


def tell(tiles, **more):
    """The last line that the benchmark reads."""
    print(json.dumps({"tiles": int(tiles), **more}), flush=True)


if __name__ == "__main__":
    encoder, source, target = sys.argv[1:]
    np.save(target, codes(encoder, np.load(source)))
