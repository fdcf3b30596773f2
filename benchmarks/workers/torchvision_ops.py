"""Names the operators that torchvision built for CUDA looks for at import, where torch is built for CPUs.

They are only declared: packages that import torchvision for its transforms work, and nothing here calls them.
"""

import torch

_operators = torch.library.Library("torchvision", "DEF")
_operators.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
_operators.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
