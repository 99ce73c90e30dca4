"""Things people carry: a watch and headphones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from demoshop.render import textures
from demoshop.render.labels import Print, Type
from demoshop.render.meshes import (
    TURN,
    Array,
    Mesh,
    box,
    disc,
    merge,
    plate,
    revolve,
    ring,
    rounded,
    spline,
    superellipse,
    sweep,
    tube,
)  # fmt: skip
from demoshop.render.studio import Camera, Material, Studio, embossed, metal, solid

TAN = (0.58, 0.34, 0.19)


def watch(folder: Path) -> Studio:
    """A steel watch with a white dial on a stitched leather strap."""
    studio = Studio(folder, Camera((0.3, -25, 46), (0, 0, 0.5), 13.2, aperture=0.1))
    stone = textures.clouds((1400, 1400), 3, 7, 14)
    slate = textures.blend((0.70, 0.67, 0.62), (0.56, 0.535, 0.49), stone * 0.3 + 0.5)
    studio.stage(plate(120, 120), embossed(solid(slate, 0.55), stone * 0.1 + 0.5, 0.05))
    studio.softbox((-45, 20, 60), (0, 0, 0), (50, 50), 8.5, (1, 0.98, 0.95))
    studio.softbox((50, -10, 40), (0, 0, 0), (25, 60), 4.0, (0.95, 0.98, 1))
    studio.softbox((0, -60, 30), (0, 0, 0), (60, 20), 1.5)
    studio.surround(0.25)
    _strap(studio)
    _case(studio)
    _hands(studio)
    return studio


def _case(studio: Studio) -> None:
    steel, polished = metal("Cr", 0.16), metal("Cr", 0.05)
    body = rounded(
        [(0, 0.12, 0), (1.7, 0.12, 0.15), (2.05, 0.4, 0.12), (2.05, 0.85, 0.1), (1.9, 1.0, 0)]
    )
    studio.put(revolve(body), steel)
    bezel = rounded(
        [
            (1.95, 0.93, 0),
            (1.93, 1.08, 0.06),
            (1.78, 1.13, 0.06),
            (1.66, 0.98, 0.02),
            (1.66, 0.8, 0),
        ]
    )
    studio.put(revolve(bezel), polished)
    studio.put(disc(1.72).moved((0, 0, 0.86)), solid(_dial().pixels(), 0.35))
    for x, y in ((-1.12, 1), (1.12, 1), (-1.12, -1), (1.12, -1)):
        horn = spline(
            [(x, y * 1.4, 0.72), (x * 1.02, y * 2.0, 0.66), (x * 1.02, y * 2.32, 0.38)], 10
        )
        studio.put(sweep(horn, superellipse(0.42, 0.42)), steel)
    knob = rounded([(0, 0, 0), (0.27, 0, 0.03), (0.3, 0.05, 0.03), (0.3, 0.42, 0.06), (0, 0.46, 0)])

    def ribs(angles: Array, heights: Array) -> Array:
        return 1 + 0.05 * np.cos(30 * angles) * (heights > 0.02)

    crown = revolve(knob, segments=720, shape=ribs)
    studio.put(crown.moved((2.0, 0, 0.6), turn_y=90), polished)


def _dial() -> Print:
    sheet = Print(2000, 2000, (246, 244, 238))
    centre, ink = 1000.0, (30, 34, 44)
    for minute in range(60):
        angle = TURN * minute / 60
        inner, width = (770, 9) if minute % 5 == 0 else (815, 3.5)
        direction = np.array([np.sin(angle), -np.cos(angle)])
        aside = np.array([direction[1], -direction[0]]) * width
        corners = [inner * direction + aside, 860 * direction + aside]
        corners += [860 * direction - aside, inner * direction - aside]
        sheet.polygon([(centre + x, centre + y) for x, y in corners], ink)
    for hour in range(1, 13):
        angle = TURN * hour / 12
        place = (centre + 650 * np.sin(angle), centre - 650 * np.cos(angle))
        sheet.text(*place, str(hour), 168, Type(ink, weight=0.008))
    sheet.text(1000, 640, "NORDEN", 92, Type(ink, tracking=0.22, weight=0.012))
    sheet.text(1000, 1290, "AUTOMATIC", 46, Type(ink, tracking=0.2))
    sheet.text(1000, 1360, "10 ATM  ·  38 MM", 40, Type(ink, tracking=0.16))
    return sheet.text(1000, 1905, "SWISS PARTS · ASSEMBLED IN BREMEN", 26, Type(ink, tracking=0.1))


def _hands(studio: Studio) -> None:
    """Ten past ten, as in every advertisement."""
    blue = solid((0.09, 0.14, 0.30), 0.2, metallic=0.6)
    hands = ((305, 0.95, 0.15, 0.90), (60, 1.38, 0.11, 0.93), (192, 1.45, 0.035, 0.96))
    for degrees, length, width, height in hands:
        blade = box((width, length + 0.25, 0.02), 0.008).moved((0, length / 2 - 0.12, height))
        colour = solid((0.78, 0.22, 0.12), 0.4) if width < 0.05 else blue
        studio.put(blade.moved(turn_z=-degrees), colour)
    cap = rounded([(0.12, 0.88, 0), (0.12, 1.0, 0.03), (0, 1.0, 0)])
    studio.put(revolve(cap), blue)


def _strap(studio: Studio) -> None:
    grain = textures.leather((2600, 700), seed=31)
    tone = np.array(TAN) * (1 + 0.03 * textures.clouds((2600, 700), 12, 5, 33))[..., None]
    leather = embossed(solid(np.clip(tone, 0, 1), 0.5), grain, 0.012)
    thread = solid((0.93, 0.88, 0.76), 0.7)
    for side in (1, -1):
        path = spline([(0, side * 2.0, 0.48), (0, side * 2.9, 0.44), (0, side * 4.2, 0.22),
                       (0, side * 6.5, 0.17), (0, side * 13, 0.17)], 20)  # fmt: skip
        studio.put(sweep(path, superellipse(0.3, 1.78, 5)), leather)
        studio.put(merge(*_stitches(path)), thread)


def _stitches(path: Array) -> list[Mesh]:
    """Short threads along both edges of the strap."""
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    marks = np.arange(0.55, lengths[-1] - 0.3, 0.3)
    result = []
    for mark in marks:
        ends = [
            [np.interp(mark + d, lengths, path[:, axis]) for axis in range(3)]
            for d in (0, 0.1, 0.2)
        ]
        for x in (-0.76, 0.76):
            line = np.add(ends, (x, 0, 0.145))
            result.append(tube(line, 0.028))
    return result


def headphones(folder: Path) -> Studio:
    """Over-ear headphones in midnight blue and copper, standing."""
    studio = Studio(folder, Camera((0, -105, 25), (0.3, 0, 9.9), 16.5))
    studio.cove(solid((0.84, 0.85, 0.86), 0.9))
    studio.daylight(key=9, fill=3.0, rim=8)
    shell = solid((0.085, 0.105, 0.16), 0.38)
    leather = embossed(
        solid((0.10, 0.095, 0.10), 0.55), textures.leather((500, 2000), seed=3), 0.012
    )
    copper = metal("Cu", 0.14)
    turn = 32.0
    arc = np.radians(np.linspace(-6, 186, 90))
    band = np.stack([8.1 * np.cos(arc), 0 * arc, 11.2 + 8.4 * np.sin(arc)], -1)
    studio.put(sweep(band, superellipse(3.0, 0.55, 4)).moved(turn_z=turn), shell)
    pad = band[18:-18] * [0.94, 1, 1] - [0, 0, 0.5]
    taper = np.sin(np.linspace(0.05, np.pi - 0.05, len(pad))) ** 0.3
    studio.put(sweep(pad, superellipse(2.9, 1.0, 2.6), scale=taper).moved(turn_z=turn), leather)
    for side in (1, -1):
        for material, mesh in _ear_cup(shell, leather, copper):
            placed = mesh.moved(turn_y=90 * side).moved((side * 6.9, 0, 5.6)).moved(turn_z=turn)
            studio.put(placed, material)
        for y in (-1, 1):
            fork = spline([(side * 8.15, y * 0.5, 11.4), (side * 9.3, y * 3.2, 9.6),
                           (side * 9.2, y * 4.35, 7.4), (side * 9.0, y * 4.35, 5.6)])  # fmt: skip
            studio.put(tube(fork, 0.24).moved(turn_z=turn), copper)
    return studio


def _ear_cup(shell: Material, leather: Material, copper: Material) -> list[tuple[Material, Mesh]]:
    """Parts of one cup lying on its side: z points away from the head."""

    def oval(angles: Array, heights: Array) -> Array:
        result: Array = 1 / np.hypot(np.cos(angles) / 1.3, np.sin(angles)) + 0 * heights
        return result

    back = rounded(
        [(3.6, 0.4, 0), (4.15, 0.4, 0.2), (4.15, 2.3, 0.9), (2.9, 3.1, 0.3), (0, 3.2, 0)], 12
    )
    rim = rounded([(3.02, 2.9, 0), (3.12, 3.16, 0.05), (2.9, 3.22, 0.05), (2.85, 3.05, 0)])
    cushion = spline(
        [(2.3, 0.5), (2.1, -0.6), (2.6, -1.35), (3.4, -1.35), (4.1, -0.7), (4.05, 0.3), (3.6, 0.5)]
    )
    inside = rounded([(0, -0.2, 0), (2.4, -0.2, 0)])
    return [
        (shell, revolve(back, shape=oval)),
        (copper, revolve(rim, shape=oval)),
        (leather, revolve(cushion, shape=oval)),
        (shell, revolve(inside[::-1], shape=oval)),
        (copper, ring(0.5, 0.06).moved((0, 0, 3.2))),
    ]
