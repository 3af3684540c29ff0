"""What a roof did in its last four weeks, as clear-sky indices: the forecast without weather.

Units: kWh per slot; an index is measured over clear-sky energy. Everything runs on UTC days that
end at the issue: row d of a window is the d-th last 24 h, column p the slot p quarters after the
issue, so a target with lead a is column a mod 96. The sun knows no daylight saving. With x
measured, c clear sky, both 0 where x was not usable at the issue (or must not teach), and sums
smoothed over the neighbours of p (an hour or so),

    K_n[p] = sum over n days of x / sum of c, pulled to the next longer mean        (PR1)
    M_n[p] = median over n days of the days' own x / c at p, pulled to K_28         (PR2)
    H[p] = third highest of 28 days' x / c: what the slot does when it is bright    (PR3)
    P_h,B[p] = B[p] * sum of x e**(-age/h) / sum of c B e**(-age/h)                   (PR4)

(PR4) is persistence: the recent deviation from a profile B, K_14 or H, with a memory of h hours; by
day it is the nowcast, at night yesterday evening. Shadows are in the profiles; the sky of the
moment is in (PR4).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from forecast.inputs import NEVER, Measured
from telemetry.arrays import F64, I64
from telemetry.slots import SLOT_SECONDS

__all__ = ["EXPERTS", "RING", "WINDOW_DAYS", "Recent", "Window", "envelope", "experts", "window_of"]

RING, WINDOW_DAYS = 96, 28
EXPERTS = ("P1_K14", "P1_H", "P3_H", "P72_K14", "K7", "K14", "K28", "M14", "M28")
_BRIGHT_RANK = 25  # of 28, ascending
_MEMORY_DAYS = {1.0: 1, 3.0: 2, 24.0: 6, 72.0: 18}
_PULL_OF_PROFILE, _PULL_OF_SKY = 0.02, 0.3
_PULL_OF_HOURS = 0.09
_MOST_RATIO = 3.0
_TINY = 1e-9


class Window(NamedTuple):
    """What was known at N issues of the ``WINDOW_DAYS`` before each.

    Attributes:
        x: (N, W * 96) kWh, oldest first, 0 where unknown.
        c: (N, W * 96) clear-sky kWh, 0 where ``x`` is unknown.
        top: clear-sky kWh of the best slot, a scale.
    """

    x: F64
    c: F64
    top: F64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recent:
    """Indices by expert, and what a bright day gives.

    Attributes:
        index: (K, N, 96) index of every expert at every column.
        bright: (N, 96) H (PR3).
    """

    index: F64
    bright: F64


def window_of(pv: Measured, issues: I64, clear_kwh: F64, first: int) -> Window:
    """Cut the windows out of a series.

    Args:
        pv: measured, with what must not teach missing.
        issues: (N,) epoch seconds, slot starts.
        clear_kwh: (M,) clear-sky energy of consecutive slots, means over the source's intervals.
        first: epoch second of the first of them, at least a window before the first issue.
    """
    slots = first + SLOT_SECONDS * np.arange(clear_kwh.size, dtype=np.int64)
    place = (slots - pv.start) // SLOT_SECONDS
    inside = (place >= 0) & (place < pv.values.size)
    place = np.where(inside, place, pv.values.size)
    value = np.append(pv.values, np.nan)[place]
    usable = np.append(pv.usable_from, NEVER)[place]
    at = ((issues - first) // SLOT_SECONDS)[:, None] + np.arange(-WINDOW_DAYS * RING, 0)
    known = (usable[at] <= issues[:, None]) & ~np.isnan(value[at])
    top = clear_kwh[at].max(axis=1, initial=_TINY)
    return Window(np.where(known, value[at], 0.0), np.where(known, clear_kwh[at], 0.0), top)


def envelope(window: Window, parts: int) -> tuple[Window, F64]:
    """Return the window and (N, 96) clear-sky energy where there is no sky: the bright days (PF4).

    Args:
        window: what was known, its clear-sky energy 1 where known.
        parts: slots per interval of the source.
    """
    half = max(parts, 2) // 2
    known = _newest_day_first(window.c) > 0.0
    x = np.where(known, _newest_day_first(window.x), -1.0)
    x.sort(axis=1)
    best = np.maximum(x[:, _BRIGHT_RANK:].min(axis=1), 0.0)
    # With few days the third highest is not there: then the highest.
    best = np.where(known.sum(axis=1) > WINDOW_DAYS // 2, best, np.maximum(x[:, -1], 0.0))
    best = np.where(best > 0.0, np.maximum(best, _smooth(best, half) / (2 * half + 1)), 0.0)
    clear = np.where(window.c > 0.0, np.tile(best, (1, WINDOW_DAYS)), 0.0)
    return Window(window.x, clear, best.max(axis=1, initial=_TINY)), best


def experts(window: Window, typical: float, parts: int) -> Recent:
    """Return what each expert says (PR1) to (PR4).

    Args:
        window: what was known.
        typical: index of this roof where nothing is known.
        parts: slots per interval of the source.
    """
    half = {1: 2, 2: 1}.get(parts, 0)
    x, c = _newest_day_first(window.x), _newest_day_first(window.c)
    sx, sc = _smooth(x, half), _smooth(c, half)
    pull = _PULL_OF_PROFILE * (2 * half + 1) * window.top[:, None]
    everything = (x.sum((1, 2)) + typical * window.top) / (c.sum((1, 2)) + window.top)

    def mean(days: int, prior: F64) -> F64:
        ratio: F64 = (sx[:, :days].sum(1) + pull * prior) / (sc[:, :days].sum(1) + pull)
        return ratio

    k28 = mean(WINDOW_DAYS, everything[:, None])
    k14 = mean(14, k28)
    k7 = mean(7, k14)
    daily = (sx + pull[:, None] * k28[:, None]) / (sc + pull[:, None])
    m14 = np.median(daily[:, :14], axis=1)
    daily.sort(axis=1)
    m28 = daily[:, WINDOW_DAYS // 2 - 1 : WINDOW_DAYS // 2 + 1].mean(axis=1)
    bright = daily[:, _BRIGHT_RANK]
    index = np.stack(
        (
            _persist(window, k14, 1.0),
            _persist(window, bright, 1.0),
            _persist(window, bright, 3.0),
            _persist(window, k14, 72.0),
            k7,
            k14,
            k28,
            m14,
            m28,
        )
    )
    return Recent(index=index, bright=bright)


def _newest_day_first(values: F64) -> F64:
    """Return (N, W, 96) of (N, W * 96)."""
    return values.reshape(values.shape[0], WINDOW_DAYS, RING)[:, ::-1]


def _smooth(values: F64, half: int) -> F64:
    """Return sums over ``half`` neighbours on either side, along the last axis, a ring."""
    ring = np.concatenate((values[..., -half:], values, values[..., :half]), axis=-1)
    out = ring[..., : values.shape[-1]].copy()
    for shift in range(1, 2 * half + 1):
        out += ring[..., shift : shift + values.shape[-1]]
    return out


def _age_hours(slots: int) -> F64:
    """Return the (slots,) ages of the last slots at the issue, oldest first."""
    return (np.arange(slots, dtype=np.float64)[::-1] + 0.5) / 4.0


def _deviation(window: Window, base: F64, hours: float) -> tuple[F64, F64]:
    """Return (N,) faded sums of measured and of expected energy."""
    days = _MEMORY_DAYS[hours]
    fade = np.exp(-_age_hours(days * RING) / hours)
    expected = window.c[:, -days * RING :] * np.tile(base, (1, days))
    return window.x[:, -days * RING :] @ fade, expected @ fade


def _persist(window: Window, base: F64, hours: float) -> F64:
    """Return (N, 96) persistence of the deviation from a profile (PR4).

    Little sun tells little: a short memory is pulled to that of a day, which is pulled to 1.
    """
    pull, prior = _PULL_OF_SKY * window.top, np.ones(window.top.size)
    measured, expected = _deviation(window, base, max(hours, 24.0))
    ratio = (measured + pull * prior) / (expected + pull)
    if hours < 24.0:  # noqa: PLR2004 - a day
        prior, pull = np.clip(ratio, 0.0, _MOST_RATIO), _PULL_OF_HOURS * window.top
        measured, expected = _deviation(window, base, hours)
        ratio = (measured + pull * prior) / (expected + pull)
    index: F64 = np.clip(ratio, 0.0, _MOST_RATIO)[:, None] * base
    return index
