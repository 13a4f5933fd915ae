"""Which runs of a Word document are raised or lowered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qgbatch.readers.word.names import attribute, name_of


def position_of(run: Any, styles: Mapping[str, str]) -> str:
    """``superscript``, ``subscript`` or another value for a run on the line.

    Args:
        run: The run, or a style with the properties of runs.
        styles: The positions of character styles by their id.
    """
    properties = next((child for child in run if name_of(child) == "w:rPr"), None)
    if properties is None:
        return ""
    values = {name_of(child): child for child in properties}
    if "w:vertAlign" in values:
        return attribute(values["w:vertAlign"], "val")
    if "w:position" in values:  # LibreOffice writes this for a height of one's own
        height = attribute(values["w:position"], "val")
        return "" if not height.strip("+-0") else "subscript" if height[0] == "-" else "superscript"
    style = values.get("w:rStyle")
    return "" if style is None else styles.get(attribute(style, "val"), "")


def positions_of_styles(root: Any) -> dict[str, str]:
    """The positions of the character styles by their id, those that styles inherit included."""
    styles = {attribute(style, "styleId"): style for style in root.iter("{*}style")}
    positions: dict[str, str] = {}
    for name in styles:
        heirs: list[str] = []
        while name in styles and name not in positions:
            positions[name] = position_of(styles[name], {})
            if positions[name]:
                break
            heirs.append(name)
            parent = styles[name].find("{*}basedOn")
            name = "" if parent is None else attribute(parent, "val")
        positions.update(dict.fromkeys(heirs, positions.get(name, "")))
    return positions
