"""Names of all that a file may carry: dimensions, variables, attributes, units.

A name is spelt here once; everything else imports it. The table `VARIABLES` is the
schema `analog-model/measurement/1` in data form: `dataset.schema` checks files against
it, `tensors` labels results from it, axis labels of figures come from it.

Nomenclature: j counts word lines, i bit lines; I_ji [A] is the current of cell (j, i)
when only its own word line is high; t_j [s] the pulse width on word line j; Q_i [C] the
charge collected by bit line i.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MEASUREMENT_SCHEMA = "analog-model/measurement/1"
LAYOUT_SCHEMA = "analog-model/layout/1"
EXTRACTION_SCHEMA = "analog-model/extraction/1"
CALIBRATION_SCHEMA = "analog-model/calibration/1"

# Dimensions, in the axis order every labelled array keeps: (..., time_slot, word_line, bit_line).
PATTERN = "pattern"
TIME_SLOT = "time_slot"
WORD_LINE = "word_line"
BIT_LINE = "bit_line"
WEIGHT_SET = "weight_set"
OFFSET = "offset"
LAYOUT_CLASS_NAME = "layout_class_name"

# Variables of a measurement.
PULSE_WIDTH = "pulse_width"
CHARGE = "charge"
CELL_CURRENT = "cell_current"
TARGET_CURRENT = "target_current"
LAYOUT_CLASS = "layout_class"
SEGMENTS_TO_SENSE = "segments_to_sense"
KIND = "kind"
SPLIT = "split"
WEIGHT_SET_OF_PATTERN = "weight_set_of_pattern"

# Variables of a layout map.
COUPLING = "coupling"
COUPLING_CAPACITANCE = "coupling_capacitance"
X_POSITION = "x_position"
Y_POSITION = "y_position"

# Variable of an extraction, beside `cell_current`.
STANDARD_ERROR = "standard_error"

# Layer map: how a converted network lies on arrays.
CELL = "cell"
LAYER = "layer"
LAYER_OF_CELL = "layer_of_cell"
ARRAY = "array"
GROUP = "group"
ROW_TILE = "row_tile"
COLUMN_TILE = "column_tile"
WEIGHT_ROW = "weight_row"
OUTPUT = "output"
SIGN = "sign"
N_ARRAYS = "n_arrays"
N_GROUPS = "n_groups"
N_ROW_TILES = "n_row_tiles"
N_COLUMN_TILES = "n_column_tiles"
N_WORD_LINES = "n_word_lines"
N_BIT_LINES = "n_bit_lines"
KERNEL_HEIGHT = "kernel_height"
KERNEL_WIDTH = "kernel_width"
GUARD = "guard"
FILL = "fill"
SIGNED_WEIGHTS = "signed_weights"

# Variables of a simulation.
PULSE_START = "pulse_start"
ACTIVATION_PATTERN = "activation_pattern"
SLOT_START = "slot_start"
SLOT_DURATION = "slot_duration"
CURRENT_SHIFT = "current_shift"
DROP = "drop"

KINDS = ("single", "all_on", "leave_one_out", "pair", "random", "mixed", "sparse", "binary")
CALIBRATION = "calibration"
TEST = "test"
SPLITS = (CALIBRATION, TEST)

# How the pulses of one operation sit relative to each other.
ALIGNMENTS = ("leading", "trailing", "centred", "staggered")

# Each effect switches off to the exact identity.
EFFECTS = ("crosstalk", "wire", "lumped", "droop", "dead_time", "input_bits", "readout")


@dataclass(frozen=True)
class VariableSpec:
    """What the schema says of one variable.

    `unit` is the SI unit as written in the file's `units` attribute; None marks a label
    or a count that carries none. `lower` is the smallest value allowed, inclusive. `holds`
    is the sort of value; `alternative_dims` a second shape that the variable may have.
    """

    name: str
    dims: tuple[str, ...]
    unit: str | None
    long_name: str
    required: bool = False
    lower: float | None = None
    coordinate: bool = False
    allowed: tuple[str, ...] | None = None
    holds: Literal["real", "integer", "text"] = "real"
    alternative_dims: tuple[str, ...] | None = None


VARIABLES: dict[str, VariableSpec] = {
    spec.name: spec
    for spec in (
        VariableSpec(
            PULSE_WIDTH,
            (PATTERN, WORD_LINE),
            "s",
            "word-line pulse width",
            required=True,
            lower=0.0,
        ),
        VariableSpec(CHARGE, (PATTERN, BIT_LINE), "C", "bit-line charge", required=True),
        VariableSpec(
            CELL_CURRENT,
            (WEIGHT_SET, WORD_LINE, BIT_LINE),
            "A",
            "static cell current, only its own word line high",
        ),
        VariableSpec(
            TARGET_CURRENT,
            (WEIGHT_SET, WORD_LINE, BIT_LINE),
            "A",
            "current that programming aimed at",
        ),
        VariableSpec(
            LAYOUT_CLASS,
            (WORD_LINE, BIT_LINE),
            None,
            "cells with the same physical neighbourhood",
            lower=0.0,
            holds="integer",
        ),
        VariableSpec(
            SEGMENTS_TO_SENSE,
            (WORD_LINE,),
            "1",
            "bit-line pitches from cell to sense end",
            lower=0.0,
        ),
        VariableSpec(
            KIND,
            (PATTERN,),
            None,
            "kind of pattern",
            coordinate=True,
            allowed=KINDS,
            holds="text",
        ),
        VariableSpec(
            SPLIT,
            (PATTERN,),
            None,
            "calibration or test; test is for judging only",
            coordinate=True,
            allowed=SPLITS,
            holds="text",
        ),
        VariableSpec(
            WEIGHT_SET_OF_PATTERN,
            (PATTERN,),
            None,
            "programmed weights on the chip during the pattern",
            lower=0.0,
            coordinate=True,
            holds="integer",
        ),
    )
}

# Attributes of a measurement: name -> (unit or None, what it says).
ATTRIBUTES: dict[str, tuple[str | None, str]] = {
    "schema": (None, "the schema and its version"),
    "chip": (None, "the chip's name"),
    "source": (None, "what made the numbers: instrument, or circuit simulator and version"),
    "v_word_line": ("V", "word-line voltage while a pulse is high"),
    "v_bit_line": ("V", "nominal bit-line voltage"),
    "pulse_lsb": ("s", "width of one input code"),
    "pulse_edge": ("s", "rise and fall time of a pulse"),
    "bits": (None, "bits of the input code"),
    "temperature_celsius": ("degC", "chip temperature"),
    "alignment": (None, "how the pulses of one operation are aligned"),
    "noise": (None, "read noise of the charge, as far as known"),
    "title": (None, "one line saying what the file holds"),
    "history": (None, "what was done to the file, one line a step"),
    "references": (None, "publication or document that describes the data"),
    "licence": (None, "terms under which the data may be used"),
}

# The schema `analog-model/layout/1` in data form.
LAYOUT_VARIABLES: dict[str, VariableSpec] = {
    spec.name: spec
    for spec in (
        VariableSpec(
            LAYOUT_CLASS,
            (WORD_LINE, BIT_LINE),
            None,
            "cells with the same physical neighbourhood",
            required=True,
            lower=0.0,
            holds="integer",
        ),
        VariableSpec(
            LAYOUT_CLASS_NAME,
            (LAYOUT_CLASS_NAME,),
            None,
            "name of the layout class",
            required=True,
            coordinate=True,
            holds="text",
        ),
        VariableSpec(
            OFFSET,
            (OFFSET,),
            None,
            "word lines from the cell to its neighbour",
            coordinate=True,
            holds="integer",
        ),
        VariableSpec(
            COUPLING,
            (LAYOUT_CLASS_NAME, OFFSET),
            "1",
            "neighbour's lift of the floating gate, in nU_T",
            alternative_dims=(OFFSET, WORD_LINE, BIT_LINE),
        ),
        VariableSpec(
            COUPLING_CAPACITANCE,
            (LAYOUT_CLASS_NAME, OFFSET),
            "F",
            "capacitance from the neighbour's word line to the floating gate",
            alternative_dims=(OFFSET, WORD_LINE, BIT_LINE),
        ),
        VariableSpec(X_POSITION, (WORD_LINE, BIT_LINE), "m", "position along the word line"),
        VariableSpec(Y_POSITION, (WORD_LINE, BIT_LINE), "m", "position along the bit line"),
    )
}

# Attributes of a layout map: name -> (unit or None, what it says).
LAYOUT_ATTRIBUTES: dict[str, tuple[str | None, str]] = {
    "schema": (None, "the schema and its version"),
    "layout": (None, "the layout's name"),
    "source": (None, "what made the numbers: extraction tool and version, or a layout rule"),
    "cell_pitch": ("m", "distance between neighbouring cells of a bit line"),
    "title": (None, "one line saying what the file holds"),
    "history": (None, "what was done to the file, one line a step"),
    "references": (None, "publication or document that describes the data"),
    "licence": (None, "terms under which the data may be used"),
}

# The schema `analog-model/extraction/1` in data form.
EXTRACTION_VARIABLES: dict[str, VariableSpec] = {
    spec.name: spec
    for spec in (
        VariableSpec(
            CELL_CURRENT,
            (WORD_LINE, BIT_LINE),
            "A",
            "extracted cell current",
            required=True,
            lower=0.0,
        ),
        VariableSpec(
            STANDARD_ERROR, (WORD_LINE, BIT_LINE), "A", "standard error of the cell current"
        ),
    )
}

# Attributes of an extraction: name -> (unit or None, what it says). Counts are numbers
# without a unit and pass unchecked.
EXTRACTION_ATTRIBUTES: dict[str, tuple[str | None, str]] = {
    "schema": (None, "the schema and its version"),
    "method": (None, "how the weights were extracted"),
    "chip": (None, "the chip's name"),
    "note": (None, "what a reader must know"),
    "history": (None, "what was done to the file, one line a step"),
}

# A layer map in data form.
LAYER_MAP_VARIABLES: dict[str, VariableSpec] = {
    spec.name: spec
    for spec in (
        *(
            VariableSpec(name, (CELL,), None, long_name, required=True, holds="integer")
            for name, long_name in (
                (LAYER_OF_CELL, "index of the cell's layer"),
                (ARRAY, "array, counted over the whole network"),
                (GROUP, "group of the convolution"),
                (ROW_TILE, "array's place among those along the layer's inputs"),
                (COLUMN_TILE, "array's place among those along the layer's outputs"),
                (WORD_LINE, "word line of the array"),
                (BIT_LINE, "bit line of the array"),
                (WEIGHT_ROW, "index into the output's flattened weight"),
                (OUTPUT, "output of the layer; -2 on a reference line, which belongs to several"),
                (SIGN, "1 on a plus line, -1 on a minus or reference line"),
            )
        ),
        *(
            VariableSpec(name, (LAYER,), None, long_name, required=True, holds="integer")
            for name, long_name in (
                (N_ARRAYS, "arrays of the layer"),
                (N_GROUPS, "groups of the convolution"),
                (N_ROW_TILES, "arrays along the inputs of a group"),
                (N_COLUMN_TILES, "arrays along the outputs of a group"),
                (N_WORD_LINES, "word lines of an array"),
                (N_BIT_LINES, "bit lines of an array"),
                (KERNEL_HEIGHT, "height of the kernel"),
                (KERNEL_WIDTH, "width of the kernel"),
                (GUARD, "undriven word lines between two kernel positions, at least"),
            )
        ),
        VariableSpec(
            FILL, (LAYER,), "1", "share of the arrays' cells that take part", required=True
        ),
        VariableSpec(
            SIGNED_WEIGHTS,
            (LAYER,),
            None,
            "how a signed weight lies on bit lines",
            required=True,
            holds="text",
        ),
    )
}
