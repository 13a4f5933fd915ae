"""Counts -> SVG that a page can hold: bars with their numbers, in the page's own colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

_WIDTH, _BAR, _GAP = 320, 18, 6
_LABELS = 96
_N_BINS = 12
_MIN_STEP = 0.001


def bar_chart(items: Sequence[tuple[str, int]]) -> str:
    """Horizontal bars, one an item, with its name before and its count behind it."""
    most = max((count for _, count in items), default=1)
    room = _WIDTH - _LABELS - 56
    height = len(items) * (_BAR + _GAP)
    bars = []
    for index, (name, count) in enumerate(items):
        y, width = index * (_BAR + _GAP), room * count / most
        middle = y + _BAR / 2
        bars.append(
            f'<text class="name" x="{_LABELS - 6}" y="{middle}">{escape(_shortened(name))}</text>'
            f'<rect x="{_LABELS}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2"/>'
            f'<text class="count" x="{_LABELS + width + 6:.1f}" y="{middle}">{count:,}</text>'
        )
    label = escape(", ".join(f"{name}: {count:,}" for name, count in items))
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{label}">{"".join(bars)}</svg>'


def histogram(values: Sequence[float], n_zeros: int = 0) -> str:
    """Counts of finite values, one at least, and of so many zeros, in some twelve steps of a round size."""
    low, high = min(values), max(values)
    if n_zeros > 0:
        low, high = min(low, 0), max(high, 0)
    least = 1 if all(isinstance(value, int) for value in values) else _MIN_STEP
    step = _round_step(max((high - low) / _N_BINS, least))
    first = math.floor(low / step)
    n_bins = math.floor(high / step) - first + 1
    counts = [0] * n_bins
    for value in values:
        counts[math.floor(value / step) - first] += 1
    if n_zeros > 0:
        counts[-first] += n_zeros
    return bar_chart([(_label((first + i) * step, step), count) for i, count in enumerate(counts)])


def _round_step(size: float) -> float:
    """The next of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(size))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= size * (1 - 1e-9))


def _label(start: float, step: float) -> str:
    if step == 1 and start == int(start):
        return f"{int(start):,}"
    digits = max(0, -math.floor(math.log10(step)))
    end = start + step - (1 if step == int(step) and digits == 0 else 0)
    return f"{start:,.{digits}f} to {end:,.{digits}f}"


def _shortened(name: str) -> str:
    return name if len(name) <= 16 else f"{name[:15]}\u2026"
