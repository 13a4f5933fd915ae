"""Bar charts and histograms as SVG elements to embed in HTML; CSS of the page sets their colors.

All lengths are in units of the SVG's ``viewBox``, which is 320 wide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

_WIDTH = 320
_BAR_HEIGHT, _GAP = 18, 6
_LABEL_WIDTH = 96
_COUNT_WIDTH = 56
_PADDING = 6
_MAX_LABEL_CHARACTERS = 16
_N_BINS = 12
_MIN_BIN_WIDTH = 0.001


def bar_chart(items: Sequence[tuple[str, int]]) -> str:
    """Draw horizontal bars, one per item, with the label on the left and the count on the right.

    Args:
        items: Labels and counts, in the order of the bars.

    Returns:
        An ``<svg>`` element. Screen readers get the labels and counts as text.
    """
    max_count = max((count for _, count in items), default=1)
    max_width = _WIDTH - _LABEL_WIDTH - _COUNT_WIDTH
    height = len(items) * (_BAR_HEIGHT + _GAP)
    bars = []
    for index, (label, count) in enumerate(items):
        y, width = index * (_BAR_HEIGHT + _GAP), max_width * count / max_count
        middle, end = y + _BAR_HEIGHT / 2, _LABEL_WIDTH + width
        name = escape(_shorten(label))
        bars.append(
            f'<text class="name" x="{_LABEL_WIDTH - _PADDING}" y="{middle}">{name}</text>'
            f'<rect x="{_LABEL_WIDTH}" y="{y}" width="{width:.1f}" height="{_BAR_HEIGHT}" rx="2"/>'
            f'<text class="count" x="{end + _PADDING:.1f}" y="{middle}">{count:,}</text>'
        )
    as_text = escape(", ".join(f"{label}: {count:,}" for label, count in items))
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{as_text}">{"".join(bars)}</svg>'


def histogram(values: Sequence[float], n_zeros: int = 0) -> str:
    """Draw a histogram with about twelve bins, whose width is 1, 2 or 5 times a power of ten.

    Args:
        values: At least one finite number. If all are integers, bins are at least 1 wide.
        n_zeros: Number of zeros to count in addition to the values.
    """
    low, high = min(values), max(values)
    if n_zeros > 0:
        low, high = min(low, 0), max(high, 0)
    min_width = 1 if all(isinstance(value, int) for value in values) else _MIN_BIN_WIDTH
    width = _round_width(max((high - low) / _N_BINS, min_width))
    first_bin = math.floor(low / width)
    counts = [0] * (math.floor(high / width) - first_bin + 1)
    for value in values:
        counts[math.floor(value / width) - first_bin] += 1
    if n_zeros > 0:
        counts[-first_bin] += n_zeros
    return bar_chart(
        [(_range_label((first_bin + i) * width, width), count) for i, count in enumerate(counts)]
    )


def _round_width(width: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(width))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= width * (1 - 1e-9))


def _range_label(start: float, width: float) -> str:
    """The label of a bin: ``3`` for one integer, else a range such as ``5 to 9`` or ``-0.65 to -0.60``."""
    if width == 1 and start == int(start):
        return f"{int(start):,}"
    digits = max(0, -math.floor(math.log10(width)))
    end = start + width - (1 if width == int(width) and digits == 0 else 0)
    return f"{start:,.{digits}f} to {end:,.{digits}f}"


def _shorten(label: str) -> str:
    if len(label) <= _MAX_LABEL_CHARACTERS:
        return label
    return f"{label[: _MAX_LABEL_CHARACTERS - 1]}\u2026"
