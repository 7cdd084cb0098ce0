"""The door to OpenCV for models: imported at first use, and kept to the caller's thread.

OpenCV's own thread pool would compete with the streams of the worker for the same cores.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1)
def opencv() -> Any:
    """The cv2 module, with its thread pool off."""
    import cv2

    cv2.setNumThreads(1)
    return cv2
