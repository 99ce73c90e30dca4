"""The products of the sample catalogue, one function per photograph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from demoshop.render.shots.carried import headphones, watch
from demoshop.render.shots.paper import book, shoe_box
from demoshop.render.shots.room import lamp, toy_car
from demoshop.render.shots.vessels import flask, mug, soap, vase
from demoshop.render.studio import Studio

SHOTS: dict[str, Callable[[Path], Studio]] = {
    "flask": flask,
    "mug": mug,
    "shoe-box": shoe_box,
    "watch": watch,
    "lamp": lamp,
    "headphones": headphones,
    "vase": vase,
    "toy-car": toy_car,
    "book": book,
    "soap": soap,
}
"""File name -> how the product is set up before the camera."""
