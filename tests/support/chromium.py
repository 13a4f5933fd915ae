"""The Chromium that tests drive."""

from __future__ import annotations

import os
import shutil
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
LAUNCH: dict[str, Any] = {
    "executable_path": CHROMIUM,
    "chromium_sandbox": os.geteuid() != 0,
    "args": [
        "--disable-gpu",
        "--disable-quic",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ],
}
