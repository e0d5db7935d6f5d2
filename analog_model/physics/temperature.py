"""Temperature of the cells, for floating gates whose charge stays.

EKV 2.6 (Bucher, Lallement, Enz, Theodoloz, Krummenacher, EPFL technical report, 1998, with
its defaults BEX = -1.5, TCV = 1e-3 V/K): I = I_S ln^2(1 + e^(u/2)), u = V_P / U_T with the
source at 0, and

    U_T = k T / q,
    I_S = 2 n beta U_T^2 ~ T^(2 + BEX), the mobility in beta falling as T^BEX,
    V_P = (V_FG - V_T0) / n with V_T0 falling by TCV per kelvin.

A fixed charge fixes V_FG, so with rho = T / T_ref

    u(T) = u / rho + (TCV / n) (T - T_ref) / U_T.

A coupling kappa is a voltage over n U_T: kappa(T) = kappa / rho. The slope factor n, the
drain sensitivity and the wire's resistance are kept.
"""

from __future__ import annotations

import torch
from torch import Tensor

from analog_model.physics.cell import inversion_root
from analog_model.physics.exponential import expm1

ZERO_CELSIUS = 273.15
# k / q [V/K] from the exact SI values of both.
THERMAL_VOLTAGE_PER_KELVIN = 1.380649e-23 / 1.602176634e-19


def temperature_ratio(celsius: float, *, reference_celsius: float) -> float:
    """rho = T / T_ref, also U_T's ratio; kappa divides by it."""
    return (celsius + ZERO_CELSIUS) / (reference_celsius + ZERO_CELSIUS)


def specific_current_factor(ratio: float, *, mobility_exponent: float) -> float:
    """I_S(T) / I_S(T_ref) = rho^(2 + mobility_exponent)."""
    return ratio ** (2 + mobility_exponent)


def threshold_lift(celsius: float, *, reference_celsius: float, threshold_slope: float) -> float:
    """Rise of u [U_T] by the threshold's fall, `threshold_slope` = TCV / n [V/K]."""
    thermal_voltage = THERMAL_VOLTAGE_PER_KELVIN * (celsius + ZERO_CELSIUS)
    return threshold_slope * (celsius - reference_celsius) / thermal_voltage


def current_at_temperature(
    current: Tensor,
    specific_current: Tensor,
    *,
    celsius: float,
    reference_celsius: float,
    mobility_exponent: float = -1.5,
    threshold_slope: float = 0.0,
) -> Tensor:
    """Current at `celsius` of each cell that carries `current` at `reference_celsius`.

    `current` and `specific_current` (at the reference) in one unit; broadcasts. Exactly
    `current` at the reference. Above it the slope dI(T)/dI grows without bound towards
    I = 0, where u is minus infinity; a cell without current stays without, and its
    gradient is taken to be 1.
    """
    ratio = temperature_ratio(celsius, reference_celsius=reference_celsius)
    lift = threshold_lift(
        celsius, reference_celsius=reference_celsius, threshold_slope=threshold_slope
    )
    root = inversion_root(current, specific_current)
    # u/2 = ln(e^x - 1), stable for weak cells as for strong ones.
    half = root + torch.log(-expm1(-root))
    zero = torch.zeros_like(half)
    # Both roots from the same expression, so that their quotient is exactly 1 at the reference.
    gain = torch.logaddexp(half / ratio + lift / 2, zero) / torch.logaddexp(half, zero)
    factor = specific_current_factor(ratio, mobility_exponent=mobility_exponent)
    return torch.where(current > 0, current * gain**2 * factor, current)
