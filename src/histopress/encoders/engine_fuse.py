"""Layers for CPUs: convolution, addition and activation in one pass of oneDNN, weights laid out before."""

from __future__ import annotations

import operator

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from histopress.encoders.engine_fold import TileNetwork, module_of


class FusedConv(nn.Module):
    """A convolution, then an optional (leaky) ReLU; or a second image added, then an optional ReLU.

    These are the operations that torch's own compiler calls on CPUs; they are not documented, so whoever
    builds this must be ready for an AttributeError or RuntimeError.

    Args:
        conv: evaluated, channels last.
        slope: of the activation below zero; None for no activation.
    """

    def __init__(self, conv: nn.Conv2d, slope: float | None) -> None:
        super().__init__()
        if isinstance(conv.padding, str) or conv.padding_mode != "zeros":
            raise RuntimeError(f"padding {conv.padding} ({conv.padding_mode}) cannot be fused")
        self.where = [list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups]
        self.name = "none" if slope is None else "leaky_relu" if slope else "relu"
        self.scalars = [slope] if slope else []
        self.bias = conv.bias
        self.weight = torch.ops.mkldnn._reorder_convolution_weight(conv.weight, *self.where)

    def forward(self, image: Tensor, other: Tensor | None = None) -> Tensor:
        """Image (batch, channels, height, width) -> image of fewer or more channels."""
        if other is None:
            single = torch.ops.mkldnn._convolution_pointwise.default
            result: Tensor = single(image, self.weight, self.bias, *self.where, self.name, self.scalars, "")
            return result
        both = torch.ops.mkldnn._convolution_pointwise.binary
        name = None if self.name == "none" else self.name
        result = both(image, other, self.weight, self.bias, *self.where, "add", 1.0, name, self.scalars, "")
        return result


def fuse(network: TileNetwork) -> TileNetwork:
    """Replace convolutions, and what follows them, in a folded network; it is changed in place.

    Raises:
        AttributeError, RuntimeError: this build of torch has no such operations for this CPU.
        TypeError: the network was not folded.
    """
    codes = network.codes
    if not isinstance(codes, fx.GraphModule):
        raise TypeError("only folded networks can be fused")
    for node in reversed(list(codes.graph.nodes)):
        conv = module_of(codes, node)
        if isinstance(conv, nn.Conv2d):
            _fuse_one(codes, node, conv)
    codes.graph.lint()
    codes.delete_all_unused_submodules()
    codes.recompile()
    return network


def _fuse_one(codes: fx.GraphModule, node: fx.Node, conv: nn.Conv2d) -> None:
    chain, inputs = [node], [node.args[0]]
    follower = _only_user(node)
    if follower is not None and _is_addition(follower):
        others = [side for side in follower.args if side is not node]
        if len(others) == 1 and isinstance(others[0], fx.Node):
            chain.append(follower)
            inputs.append(others[0])
    activation = _only_user(chain[-1])
    slope = None if activation is None else _slope(codes, activation)
    if len(chain) == 2 and slope:
        slope = None
    if activation is not None and slope is not None:
        chain.append(activation)
    name = f"fused_{node.name}"
    codes.add_submodule(name, FusedConv(conv, slope))
    with codes.graph.inserting_before(chain[-1]):
        fused = codes.graph.call_module(name, tuple(inputs))
    chain[-1].replace_all_uses_with(fused)
    for done in reversed(chain):
        codes.graph.erase_node(done)


def _slope(codes: fx.GraphModule, node: fx.Node) -> float | None:
    """Slope below zero of a (leaky) ReLU; None of any other node."""
    layer = module_of(codes, node)
    if isinstance(layer, nn.ReLU):
        return 0.0
    if isinstance(layer, nn.LeakyReLU):
        return float(layer.negative_slope)
    if node.op == "call_function" and node.target in (functional.relu, torch.relu):
        return 0.0
    return None


def _is_addition(node: fx.Node) -> bool:
    return node.op == "call_function" and node.target in (operator.add, operator.iadd, torch.add)


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None
