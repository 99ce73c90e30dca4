"""Things for a room: a table lamp and a wooden toy car."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from demoshop.render import textures
from demoshop.render.labels import Print, Type
from demoshop.render.meshes import (
    Mesh,
    box_faces,
    disc,
    merge,
    revolve,
    ring,
    rounded,
    slab,
    spline,
)
from demoshop.render.studio import Camera, Material, Studio, embossed, shade_cloth, solid

BEECH = ((0.86, 0.70, 0.50), (0.66, 0.46, 0.28))
RED = (178, 52, 38)


def lamp(folder: Path) -> Studio:
    """A table lamp, lit: glazed foot, brass neck, linen shade."""
    studio = Studio(folder, Camera((0, -190, 48), (0, 0, 20.2), 15.4, aperture=0.6), exposure=0.95)
    walnut = textures.planks((1800, 1800), (0.42, 0.27, 0.17), (0.22, 0.13, 0.08), count=5, seed=61)
    studio.table(embossed(solid(walnut, 0.35), walnut.mean(axis=-1), 0.03))
    plaster = textures.clouds((800, 800), 6, 6, 66)
    studio.wall(embossed(solid((0.74, 0.72, 0.68), 0.95), plaster * 0.1 + 0.5, 0.4), back=52)
    studio.softbox((-95, -60, 80), (0, 0, 20), (80, 80), 3.0, (0.93, 0.97, 1))
    studio.softbox((110, -50, 60), (0, 0, 20), (60, 80), 0.8)
    studio.surround(0.22)
    foot = spline(
        [
            (0.1, 0.05),
            (5.2, 0.08),
            (6.0, 0.8),
            (7.6, 5.5),
            (7.2, 10.5),
            (4.4, 15.2),
            (1.7, 17.6),
            (1.3, 18.2),
        ]
    )
    crackle = textures.clouds((900, 1800), 8, 5, 70)
    teal = textures.blend((0.09, 0.30, 0.31), (0.14, 0.40, 0.39), crackle * 0.3 + 0.4)
    studio.put(revolve(foot, segments=256), solid(teal, 0.12, specular=0.6))
    brass = solid((0.83, 0.62, 0.30), 0.22, metallic=1.0)
    neck = rounded([(1.5, 17.9, 0), (1.5, 18.5, 0.15), (0.55, 18.7, 0.2), (0.55, 25, 0)])
    studio.put(revolve(neck), brass)
    _linen_shade(studio, brass)
    bulb = rounded([(0, 25, 0), (2.4, 25.4, 1.5), (2.4, 30.4, 2.0), (0, 30.6, 0)])
    studio.glow(revolve(bulb, segments=48), (1, 0.84, 0.62), 42)
    return studio


def _linen_shade(studio: Studio, brass: Material) -> None:
    relief = textures.weave((1600, 5200), (150, 560), seed=77)
    linen = textures.cloth(relief, (0.93, 0.89, 0.80), seed=78, contrast=0.30)
    side = revolve(np.array([[12.2, 20.5], [9.2, 38.5]]), segments=256)
    studio.put(side, shade_cloth(linen, 0.95))
    hem = solid((0.90, 0.86, 0.77), 0.8)
    studio.put(ring(12.2, 0.22).moved((0, 0, 20.5)), hem)
    studio.put(ring(9.2, 0.22).moved((0, 0, 38.5)), hem)
    finial = rounded(
        [(0.2, 38, 0), (0.2, 39.2, 0.1), (0.6, 39.6, 0.3), (0.5, 40.6, 0.4), (0, 40.8, 0)]
    )
    studio.put(revolve(finial), brass)


def toy_car(folder: Path) -> Studio:
    """A wooden racing car with three letter blocks."""
    studio = Studio(folder, Camera((0, -98, 36), (-0.4, 0, 4.9), 15.6))
    studio.cove(solid((0.93, 0.80, 0.50), 0.9))
    studio.daylight(key=9.5, fill=2.8)
    turn = -24.0
    for mesh, material in _car_parts():
        studio.put(mesh.moved((-0.6, -1, 0), turn_z=turn), material)
    blocks = (("A", (1.6, 11.5, 0), 14, (44, 96, 150)), ("B", (7.4, 10.6, 0), -9, (196, 74, 44)),
              ("C", (4.4, 11.2, 4.6), 22, (60, 122, 84)))  # fmt: skip
    for letter, place, angle, colour in blocks:
        _letter_block(studio, letter, place, angle, colour)
    return studio


def _car_parts() -> list[tuple[Mesh, Material]]:
    wood = solid(textures.wood((800, 1800), *BEECH, seed=91, rings=6), 0.45)
    red = solid(np.array(RED) / 255, 0.28)
    dark = solid((0.13, 0.12, 0.12), 0.5)
    outline = rounded(
        [
            (-8.4, 3.0, 0), (-8.4, 1.3, 0.4), (8.6, 1.3, 0.5), (9.0, 3.4, 1.6), (3.2, 4.7, 1.8),
            (0.8, 7.3, 1.6), (-4.6, 7.3, 2.0), (-6.6, 4.9, 1.5), (-8.4, 4.6, 0.8), (-8.4, 3.0, 0),
        ],
        10,
    )[:-1]  # fmt: skip
    body = slab(outline, 5.6, 0.35)
    glass = rounded(
        [
            (-3.0, 5.0, 0),
            (1.3, 5.0, 0.3),
            (0.2, 6.55, 0.5),
            (-3.9, 6.55, 0.5),
            (-4.3, 5.0, 0.3),
            (-3.0, 5.0, 0),
        ],
        6,
    )[:-1]
    window = slab(glass, 5.8, 0.08)
    wheels, caps = [], []
    tyre = rounded([(0, 0, 0), (1.9, 0, 0.3), (1.9, 1.3, 0.3), (1.35, 1.35, 0.1), (0, 1.3, 0)])
    cap = rounded([(0.75, 1.2, 0), (0.72, 1.5, 0.15), (0, 1.55, 0)])
    for x in (-5.0, 5.2):
        for side, y in ((-1, -2.75), (1, 2.75)):
            wheels.append(revolve(tyre).moved((x, y, 1.9), turn_x=-90 * side))
            caps.append(revolve(cap).moved((x, y, 1.9), turn_x=-90 * side))
    sheet = Print(600, 600, RED)
    sheet.disc(300, 300, 292, (246, 240, 226)).text(
        300, 300, "7", 430, Type((34, 32, 30), weight=0.03)
    )
    number = disc(1.32).moved((0.1, -2.815, 3.15), turn_x=90)
    return [
        (body, red), (window, wood), (merge(*wheels), dark), (merge(*caps), wood),
        (number, solid(sheet.pixels(), 0.35)),
    ]  # fmt: skip


def _letter_block(
    studio: Studio,
    letter: str,
    place: tuple[float, float, float],
    turn: float,
    colour: tuple[int, int, int],
) -> None:
    """Put a beech cube with a letter in a coloured frame on each face."""
    for seed, mesh in enumerate(box_faces((4.6, 4.6, 4.6), 0.28).values()):
        sheet = Print(700, 700, (255, 255, 255))
        sheet.frame(70, 34, colour).text(350, 340, letter, 420, Type(colour, weight=0.03))
        grain = textures.wood((700, 700), *BEECH, seed=seed * 5 + ord(letter), rings=4)
        studio.put(mesh.moved(place, turn_z=turn), solid(grain * sheet.pixels(), 0.5))
