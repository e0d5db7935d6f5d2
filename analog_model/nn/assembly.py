"""Assembly of analog layers in the place of digital ones."""

from __future__ import annotations

from torch import nn

from analog_model.chip import Chip
from analog_model.errors import ConfigurationError
from analog_model.nn.configuration import LayerConfiguration
from analog_model.nn.convolution import AnalogConv1d, AnalogConv2d, geometry_of
from analog_model.nn.ideal_product import ArrayProduct, ConvolutionGeometry, IdealProduct
from analog_model.nn.layer import AnalogLayer
from analog_model.nn.linear import AnalogLinear
from analog_model.nn.placement import ARRAY_EFFECTS, Placement, place
from analog_model.nn.ranges import Encoding


def analog_layer(
    digital: nn.Module,
    *,
    name: str,
    array: Chip,
    configuration: LayerConfiguration,
    encoding: Encoding,
    full_scale_current: float,
) -> AnalogLayer:
    """The layer `name` on arrays like `array`, with the digital one's parameters."""
    assert isinstance(digital, nn.Linear | nn.Conv1d | nn.Conv2d)
    geometry = None if isinstance(digital, nn.Linear) else geometry_of(digital)
    try:
        placement = place(
            tuple(digital.weight.shape),
            chip=array,
            configuration=configuration,
            full_scale_current=full_scale_current,
            n_groups=1 if geometry is None else geometry.groups,
        )
        product = _product(placement, configuration, geometry)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"layer {name!r}: {error.where}",
            expected=error.expected,
            got=error.got,
            advice=error.advice,
        ) from None
    kind: type[AnalogLinear] | type[AnalogConv1d] | type[AnalogConv2d]
    if isinstance(digital, nn.Linear):
        return AnalogLinear(
            digital,
            name=name,
            configuration=configuration,
            encoding=encoding,
            placement=placement,
            product=product,
        )
    kind = AnalogConv1d if isinstance(digital, nn.Conv1d) else AnalogConv2d
    return kind(
        digital,
        name=name,
        configuration=configuration,
        encoding=encoding,
        placement=placement,
        product=product,
    )


def _product(
    placement: Placement,
    configuration: LayerConfiguration,  # noqa: ARG001, its tolerance is the product's
    geometry: ConvolutionGeometry | None,
) -> ArrayProduct:
    on = [name for name in placement.chip.effects if name in ARRAY_EFFECTS]
    if on:
        raise ConfigurationError(
            "Chip.effects",
            expected="a chip whose arrays are ideal",
            got=", ".join(on),
            advice="Pass chip.with_effects(()).",
        )
    return IdealProduct(geometry)


def put_in_place(network: nn.Module, names: tuple[str, ...], layer: nn.Module) -> nn.Module:
    """The network with `layer` under all the names; the empty name is the network itself."""
    for name in names:
        if not name:
            return layer
        parent, _, place_in_parent = name.rpartition(".")
        setattr(network.get_submodule(parent), place_in_parent, layer)
    return network


def call_layers_as_modules(network: nn.Module) -> None:
    """Keep torch's transformer encoders from computing past their converted layers.

    In evaluation they have a fast path that reads the weights of their linear layers and
    calls none of them.
    """
    for module in network.modules():
        if isinstance(module, nn.TransformerEncoder):
            module.use_nested_tensor = False
        if isinstance(module, nn.TransformerEncoderLayer) and any(
            isinstance(child, AnalogLayer) for child in module.modules()
        ):
            module.activation_relu_or_gelu = 0
