"""Wording that figures share, on screen as on paper."""

from __future__ import annotations

# Models of the calibration's ladder, as their names are spelt in its tables.
MODEL_LABELS = {
    "ideal": "ideal, one-hot reads",
    "ideal_refit": "ideal, weights refitted",
    "crosstalk_one": "+ crosstalk, one κ",
    "crosstalk": "+ κ by class, side",
    "crosstalk_far": "+ next-nearest κ",
    "crosstalk_ekv": "+ EKV cell law",
    "dead_time": "+ pulse edges",
    "drop": "+ voltage drop",
    "shared": "chosen of these",
    "full": "full, single cells",
}
# Modes of training, as records spell them.
MODE_LABELS = {
    "float": "float, no chip",
    "noise": "weight noise, no chip",
    "straight_through": "straight-through, on chip",
    "hardware_aware": "hardware-aware, on chip",
}
