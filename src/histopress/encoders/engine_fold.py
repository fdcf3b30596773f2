"""The same network with less to do: scaling of pixels and batch norms move into the layers beside them.

A layer before a norm takes it over (backward), or else a layer behind it without padding (forward); both are
exact but for rounding. What cannot move stays where it is.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, fx, nn

from histopress.encoders.network import ImageNetwork, PixelScale

Layer = nn.Conv2d | nn.Linear


class Pixels(nn.Module):
    """uint8 tiles (batch, tile, tile, 3) -> images (batch, 3, side, side), channels last, of one type.

    Args:
        scale: of the network; None where a layer has taken it over, so that blocks are only summed.
        shrink: side of the blocks that are summed, in px.
        dtype: of the images.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, scale: PixelScale | None, shrink: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.shrink, self.dtype, self.scaled = shrink, dtype, scale is not None
        if scale is not None:
            factors = torch.tensor(scale.scale, dtype=torch.float64) / shrink**2
            self.register_buffer("scale", factors.to(dtype))
            self.register_buffer("shift", torch.tensor(scale.shift).to(dtype))

    def forward(self, tiles: Tensor) -> Tensor:
        """Blocks are summed in whole numbers: exact for sides up to 8 px."""
        step = self.shrink
        if step > 1:
            pixels = tiles.to(torch.int16)
            rows = sum((pixels[:, i::step] for i in range(1, step)), pixels[:, ::step])
            tiles = sum((rows[:, :, i::step] for i in range(1, step)), rows[:, :, ::step])
        images = tiles.to(self.dtype)
        if self.scaled:
            images = torch.addcmul(self.shift, images, self.scale)
        return images.permute(0, 3, 1, 2)


class Codes(nn.Module):
    """The part of a network behind its pixels."""

    def __init__(self, network: ImageNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Images -> codes."""
        return self.network.codes(images)


class TileNetwork(nn.Module):
    """Pixels and layers of one type; codes are always float32."""

    def __init__(self, pixels: Pixels, codes: nn.Module) -> None:
        super().__init__()
        self.pixels, self.codes = pixels, codes

    def forward(self, tiles: Tensor) -> Tensor:
        """uint8 tiles (batch, tile, tile, 3) -> codes (batch, dim) float32."""
        codes: Tensor = self.codes(self.pixels(tiles))
        return codes.float()


def cast(network: ImageNetwork, dtype: torch.dtype) -> TileNetwork:
    """A copy of a network in channels-last layout and another type, its layers as they were."""
    codes = Codes(copy.deepcopy(network)).to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return TileNetwork(Pixels(network.pixels, network.pixels.shrink, dtype), codes).eval()


def fold(network: ImageNetwork, dtype: torch.dtype, whole_kernel: bool = False) -> TileNetwork:
    """A copy of a network with norms and pixel scaling folded, in channels-last layout and another type.

    Args:
        network: is left as it is.
        dtype: of the layers; a dense layer that ends the network stays float32.
        whole_kernel: shrinking becomes part of the first layer as well, by a larger kernel: for libraries
            that are fast at convolutions but not at sums of whole numbers.

    Raises:
        TraceError, TypeError: the network branches on its data, so that it cannot be followed.
    """
    parts = Codes(copy.deepcopy(network).float())
    _split_norms(parts)
    codes = fx.symbolic_trace(parts)
    with torch.no_grad():
        _drop_idle(codes)
        _fold_norms(codes)
        scale, shrink = network.pixels, network.pixels.shrink
        first = _first_layer(codes)
        if first is not None:
            _scale_input(first, scale)
            if whole_kernel:
                _widen(first, shrink)
            shrink = 1 if whole_kernel else shrink
    codes.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    _end_in_float32(codes)
    codes.delete_all_unused_submodules()
    codes.graph.lint()
    codes.recompile()
    return TileNetwork(Pixels(None if first is not None else scale, shrink, dtype), codes).eval()


def _split_norms(module: nn.Module) -> None:
    """Norms that hold their activation, as timm has them, become a norm and an activation."""
    for name, layer in list(module.named_children()):
        _split_norms(layer)
        activation = getattr(layer, "act", None)
        if isinstance(layer, nn.BatchNorm2d) and isinstance(activation, nn.Module):
            norm = nn.BatchNorm2d(layer.num_features, layer.eps, affine=layer.affine)
            norm.load_state_dict(layer.state_dict())
            setattr(module, name, nn.Sequential(norm.eval(), activation))


def _drop_idle(codes: fx.GraphModule) -> None:
    """Leave out layers that do nothing in evaluation."""
    for node in list(codes.graph.nodes):
        if isinstance(module_of(codes, node), nn.Identity | nn.Dropout):
            node.replace_all_uses_with(node.args[0])
            codes.graph.erase_node(node)


def _fold_norms(codes: fx.GraphModule) -> None:
    for node in list(codes.graph.nodes):
        norm = module_of(codes, node)
        if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d) or norm.running_var is None:
            continue
        scale, shift = _affine(norm)
        before = node.args[0]
        layer = module_of(codes, before)
        if isinstance(layer, Layer) and len(before.users) == 1:
            _scale_output(layer, scale, shift)
        elif not _fold_forward(codes, node, scale, shift):
            continue
        node.replace_all_uses_with(before)
        codes.graph.erase_node(node)


def _affine(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """A norm in evaluation mode as scale and shift, float64."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None
    scale = (variance.double() + norm.eps).rsqrt()
    if norm.affine:
        scale = scale * norm.weight.double()
        return scale, norm.bias.double() - mean.double() * scale
    return scale, -mean.double() * scale


def _fold_forward(codes: fx.GraphModule, norm: fx.Node, scale: Tensor, shift: Tensor) -> bool:
    """Give a norm to the one layer behind it, if that layer sees nothing but it."""
    user, channels = _only_user(norm), len(scale)
    if user is not None and _is(user, "permute") and user.args[1:] == (0, 2, 3, 1):
        user = _only_user(user)
        if user is None or not _is(user, "flatten") or user.args[1:] != (1,):
            return False
        user = _only_user(user)
        dense = module_of(codes, user)
        if not isinstance(dense, nn.Linear) or dense.in_features % channels:
            return False
        repeats = dense.in_features // channels
        scale, shift = scale.repeat(repeats), shift.repeat(repeats)
    layer = module_of(codes, user)
    if isinstance(layer, nn.Linear) and layer.in_features == len(scale):
        _scale_input_by(layer, scale, shift)
        return True
    if isinstance(layer, nn.Conv2d) and _takes_shifts(layer):
        _scale_input_by(layer, scale, shift)
        return True
    return False


def _takes_shifts(layer: nn.Conv2d) -> bool:
    """Whether a convolution sees no zeros around its image."""
    return layer.groups == 1 and layer.padding in ((0, 0), "valid")


def _first_layer(codes: fx.GraphModule) -> nn.Conv2d | None:
    """The layer that could take over the scaling of pixels."""
    image = next(iter(codes.graph.nodes))
    layer = module_of(codes, _only_user(image))
    return layer if isinstance(layer, nn.Conv2d) and _takes_shifts(layer) else None


def _scale_output(layer: Layer, scale: Tensor, shift: Tensor) -> None:
    weight = layer.weight.double()
    bias = layer.bias.double() if layer.bias is not None else torch.zeros_like(shift)
    _set(layer, weight * scale.view(-1, *[1] * (weight.ndim - 1)), bias * scale + shift)


def _scale_input_by(layer: Layer, scale: Tensor, shift: Tensor) -> None:
    weight = layer.weight.double()
    spread = [1] * (weight.ndim - 2)
    bias = (weight * shift.view(1, -1, *spread)).flatten(1).sum(1)
    if layer.bias is not None:
        bias = bias + layer.bias.double()
    _set(layer, weight * scale.view(1, -1, *spread), bias)


def _scale_input(layer: nn.Conv2d, pixels: PixelScale) -> None:
    scale = torch.tensor(pixels.scale, dtype=torch.float64) / pixels.shrink**2
    _scale_input_by(layer, scale, torch.tensor(pixels.shift, dtype=torch.float64))


def _widen(layer: nn.Conv2d, shrink: int) -> None:
    """Let a convolution of sums over blocks look at the pixels themselves."""
    layer.weight = nn.Parameter(
        layer.weight.repeat_interleave(shrink, 2).repeat_interleave(shrink, 3), requires_grad=False
    )
    layer.kernel_size = (layer.kernel_size[0] * shrink, layer.kernel_size[1] * shrink)
    layer.stride = (layer.stride[0] * shrink, layer.stride[1] * shrink)


def _set(layer: Layer, weight: Tensor, bias: Tensor) -> None:
    layer.weight = nn.Parameter(weight.float(), requires_grad=False)
    layer.bias = nn.Parameter(bias.float(), requires_grad=False)


def _end_in_float32(codes: fx.GraphModule) -> None:
    """A dense layer at the end costs nothing, and codes keep all their digits."""
    output = next(node for node in codes.graph.nodes if node.op == "output")
    last = output.args[0]
    layer = module_of(codes, last)
    if isinstance(layer, nn.Linear):
        layer.float()
        with codes.graph.inserting_before(last):
            last.replace_input_with(last.args[0], codes.graph.call_method("float", (last.args[0],)))


def module_of(codes: fx.GraphModule, node: Any) -> nn.Module | None:
    """The layer that a node of a traced network calls, if it calls one."""
    if isinstance(node, fx.Node) and node.op == "call_module":
        return codes.get_submodule(str(node.target))
    return None


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _is(node: fx.Node, method: str) -> bool:
    return node.op == "call_method" and node.target == method
