"""Assembly of analog layers in the place of digital ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from analog_model.chip import Chip
from analog_model.errors import ConfigurationError
from analog_model.nn.configuration import LayerConfiguration
from analog_model.nn.convolution import AnalogConv1d, AnalogConv2d, geometry_of
from analog_model.nn.ideal_product import ArrayProduct, ConvolutionGeometry, IdealProduct
from analog_model.nn.layer import AnalogLayer
from analog_model.nn.linear import AnalogLinear
from analog_model.nn.placement import ARRAY_EFFECTS, Placement, place
from analog_model.nn.product import closed_form_product, slot_product
from analog_model.nn.programmed import ProgrammedChip
from analog_model.nn.ranges import Encoding, InputStatistics, settled_encoding

_N_PROBES = 16


def analog_layer(
    digital: nn.Module,
    *,
    name: str,
    array: Chip,
    configuration: LayerConfiguration,
    statistics: InputStatistics | None,
    full_scale_current: float,
    programmed: ProgrammedChip | None,
) -> AnalogLayer:
    """The layer `name` on arrays like `array`, with the digital one's parameters."""
    assert isinstance(digital, nn.Linear | nn.Conv1d | nn.Conv2d)
    geometry = ConvolutionGeometry()
    if not isinstance(digital, nn.Linear):
        geometry = geometry_of(digital)
    try:
        placement = place(
            tuple(digital.weight.shape),
            chip=array,
            configuration=configuration,
            full_scale_current=full_scale_current,
            n_groups=geometry.groups,
        )
        chip_bits = array.pulse.bits
        encoding = settled_encoding(configuration, statistics, chip_bits=chip_bits)
        layer = _without_physics(digital, name, configuration, encoding, placement)
        layer.program(programmed)
        examples = None if statistics is None else statistics.examples
        layer.product, layer.product_error = _product(layer, placement, geometry, examples)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"layer {name!r}: {error.where}",
            expected=error.expected,
            got=error.got,
            advice=error.advice,
        ) from None
    return layer


def _without_physics(
    digital: nn.Linear | nn.Conv1d | nn.Conv2d,
    name: str,
    configuration: LayerConfiguration,
    encoding: Encoding,
    placement: Placement,
) -> AnalogLayer:
    product = IdealProduct()
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
    layer: AnalogLayer,
    placement: Placement,
    geometry: ConvolutionGeometry,
    examples: Tensor | None,
) -> tuple[ArrayProduct, float]:
    """The layer's product, with its relative rms error on a probe."""
    if not ARRAY_EFFECTS & set(placement.chip.effects):
        return IdealProduct(geometry), 0.0
    weight = layer.weight
    if layer.configuration.method == "slots":
        return slot_product(placement, geometry).to(weight.device, weight.dtype), 0.0
    if weight.device.type == "meta":
        raise ConfigurationError(
            "weight",
            expected="numbers, on which the closed form is tried",
            got="a tensor on the device 'meta'",
            advice="Convert the model where it has its weights.",
        )
    precision = torch.get_default_dtype()
    with torch.no_grad():
        width = _probe_widths(layer, geometry) if examples is None else layer.pulse_widths(examples)
        current = layer.cell_currents()
        deviation = layer.kappa_deviation
        if deviation is not None:
            deviation = deviation.to(device="cpu", dtype=precision)
        if isinstance(layer, AnalogConv1d):
            current = current.unsqueeze(-2)
            deviation = None if deviation is None else deviation.unsqueeze(-2)
        chosen = closed_form_product(
            placement,
            geometry,
            current=current.to(device="cpu", dtype=precision),
            width=width.to(device="cpu", dtype=precision),
            tolerance=layer.configuration.tolerance,
            kappa_deviation=deviation,
        )
    product = chosen.product
    assert isinstance(product, nn.Module)
    return product.to(weight.device, weight.dtype), chosen.error


def _probe_widths(layer: AnalogLayer, geometry: ConvolutionGeometry) -> Tensor:
    """Widths where there are no data to show any: half of them uniform, half without pulse."""
    shape: tuple[int, ...] = (_N_PROBES, layer.weight.shape[1] * geometry.groups)
    if not isinstance(layer, AnalogLinear):
        kernel = (1, *layer.weight.shape[2:])[-2:]
        reach = zip(kernel, geometry.dilation, geometry.stride, strict=True)
        shape += tuple((k - 1) * dilation + 1 + 2 * stride for k, dilation, stride in reach)
    generator = torch.Generator().manual_seed(0)
    width = torch.rand(shape, generator=generator, dtype=torch.float64)
    width *= torch.rand(shape, generator=generator) < 0.5
    return width.to(layer.weight.device)


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
