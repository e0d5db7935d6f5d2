"""Folding of batch normalisation into the layer before it.

With the statistics of evaluation, normalisation is affine per output:
gamma (W x + b - mean)/sqrt(variance + eps) + beta = (a W) x + a (b - mean) + beta with
a = gamma/sqrt(variance + eps). Only pairs that surely follow each other are folded: by a
symbolic trace of the model where it has one, in training and in evaluation, else by their
places in a Sequential. Any other normalisation stays, digital and exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, MutableMapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, fx, nn

Layer = nn.Linear | nn.Conv1d | nn.Conv2d
Norm = nn.BatchNorm1d | nn.BatchNorm2d
NORM_OF_LAYER: dict[type[nn.Module], type[nn.Module]] = {
    nn.Linear: nn.BatchNorm1d,
    nn.Conv1d: nn.BatchNorm1d,
    nn.Conv2d: nn.BatchNorm2d,
}


@dataclass(frozen=True)
class FoldedPair:
    """Names of a layer and the normalisation folded into it, with the latter's eps."""

    layer: str
    norm: str
    eps: float


def fold_batch_norm(model: nn.Module, layers: Collection[str]) -> tuple[FoldedPair, ...]:
    """Fold, in place, what follows the named layers; identities take the places.

    Layers, normalisations with several names or shared parameters are left as they are.
    """
    pairs = []
    for layer_name, norm_name in _successions(model):
        layer, norm = model.get_submodule(layer_name), model.get_submodule(norm_name)
        if layer_name not in layers or not _fit(layer, norm) or not _alone(model, layer, norm):
            continue
        assert isinstance(layer, Layer)
        assert isinstance(norm, Norm)
        state = {f"layer.{key}": value for key, value in layer.state_dict().items()}
        state |= {f"norm.{key}": value for key, value in norm.state_dict().items()}
        pair = FoldedPair(layer=layer_name, norm=norm_name, eps=float(norm.eps))
        fold_state(state, FoldedPair(layer="layer", norm="norm", eps=pair.eps))
        if layer.bias is None:
            bias = state["layer.bias"].to(layer.weight.dtype)
            layer.bias = nn.Parameter(bias, requires_grad=layer.weight.requires_grad)
        layer.load_state_dict({key: state[f"layer.{key}"] for key in ("weight", "bias")})
        parent, _, place = norm_name.rpartition(".")
        setattr(model.get_submodule(parent), place, nn.Identity())
        pairs.append(pair)
    return tuple(pairs)


def fold_state(state: MutableMapping[str, Tensor], pair: FoldedPair) -> None:
    """Fold the normalisation's entries of a state into the layer's; none remain.

    A state without them, that of a folded network, stays as it is.
    """
    prefix = f"{pair.norm}."
    if f"{prefix}running_var" not in state:
        return
    norm = {key.removeprefix(prefix): state[key] for key in state if key.startswith(prefix)}
    weight = state[f"{pair.layer}.weight"]
    variance, mean = norm["running_var"].double(), norm["running_mean"].double()
    factor = (variance + pair.eps).rsqrt() * norm.get("weight", torch.ones_like(variance))
    bias = state.get(f"{pair.layer}.bias", torch.zeros_like(mean))
    shape = (-1, *[1] * (weight.ndim - 1))
    state[f"{pair.layer}.weight"] = (weight * factor.reshape(shape)).to(weight.dtype)
    shift = factor * (bias - mean) + norm.get("bias", torch.zeros_like(mean))
    state[f"{pair.layer}.bias"] = shift.to(weight.dtype)
    for key in norm:
        del state[prefix + key]


@dataclass(frozen=True)
class CheckpointFolding:
    """Hook that folds a checkpoint of the original model while it is loaded."""

    pairs: tuple[FoldedPair, ...]

    def __call__(
        self, _module: nn.Module, state: MutableMapping[str, Tensor], prefix: str, *_: Any
    ) -> None:
        for pair in self.pairs:
            inside = FoldedPair(layer=prefix + pair.layer, norm=prefix + pair.norm, eps=pair.eps)
            fold_state(state, inside)


def _successions(model: nn.Module) -> list[tuple[str, str]]:
    """Names of modules of which the second takes the first's output, which nobody else does."""
    modes = {module: module.training for module in model.modules()}
    try:
        found = [set(_traced(model.train(mode))) for mode in (True, False)]
        return sorted(found[0] & found[1])
    # A proxy sent through somebody's forward may raise anything.
    except Exception:  # noqa: BLE001
        return _in_sequentials(model)
    finally:
        for module, training in modes.items():
            module.training = training


def _traced(model: nn.Module) -> list[tuple[str, str]]:
    graph = fx.Tracer().trace(model)
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    touched = {str(node.target).rpartition(".")[0] for node in graph.nodes if node.op == "get_attr"}
    found = []
    for node in graph.nodes:
        if node.op != "call_module" or len(node.args) != 1 or node.kwargs:
            continue
        before = node.args[0]
        if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) > 1:
            continue
        names = (str(before.target), str(node.target))
        if all(calls[name] == 1 and name not in touched for name in names):
            found.append(names)
    return found


def _in_sequentials(model: nn.Module) -> list[tuple[str, str]]:
    found = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
            places = [f"{name}.{place}".removeprefix(".") for place, _ in module.named_children()]
            found += list(pairwise(places))
    return found


def _fit(layer: nn.Module, norm: nn.Module) -> bool:
    if not isinstance(norm, Norm) or NORM_OF_LAYER.get(type(layer)) is not type(norm):
        return False
    assert isinstance(layer, Layer)
    # Without running statistics the normalisation depends on the batch in evaluation too.
    return norm.track_running_stats and norm.num_features == layer.weight.shape[0]


def _alone(model: nn.Module, layer: nn.Module, norm: nn.Module) -> bool:
    """Nobody else uses the two or their parameters, nor watches them."""
    names = Counter(id(module) for _, module in model.named_modules(remove_duplicate=False))
    owners = Counter(
        id(parameter)
        for module in model.modules()
        for parameter in module.parameters(recurse=False)
    )
    hooked = any(one._forward_hooks or one._forward_pre_hooks for one in (layer, norm))  # noqa: SLF001
    own = [*layer.parameters(), *norm.parameters()]
    return (
        not hooked
        and all(names[id(one)] == 1 for one in (layer, norm))
        and all(owners[id(parameter)] == 1 for parameter in own)
    )
