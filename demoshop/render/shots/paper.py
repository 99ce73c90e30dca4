"""Printed things: a shoe box and a cloth-bound book."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from demoshop.render import textures
from demoshop.render.labels import Print, Type
from demoshop.render.meshes import box, box_faces, plate
from demoshop.render.studio import Camera, Studio, embossed, solid

BLUE = (28, 52, 96)
KRAFT = (0.72, 0.55, 0.38)


def shoe_box(folder: Path) -> Studio:
    """A sturdy kraft shoe box with a printed label."""
    studio = Studio(folder, Camera((0, -150, 62), (0.2, 0, 5.8), 19.4))
    studio.cove(solid((0.86, 0.87, 0.88), 0.9), back=60)
    studio.daylight(key=9, fill=2.6)
    turn = 27.0
    for seed, (_name, face) in enumerate(box_faces((33, 20, 12), 0.15).items()):
        board = textures.cardboard((700, 1200), KRAFT, seed=50 + 7 * seed)
        studio.put(face.moved(turn_z=turn), solid(board, 0.8))
    for seed, (name, face) in enumerate(box_faces((33.7, 20.7, 4.2), 0.2).items()):
        board = textures.cardboard((900, 1400), np.array(KRAFT) * 0.97, seed=90 + 7 * seed)
        if name == "top":
            board = _stamped(board, _lid_print())
        studio.put(face.moved((0, 0, 8.6), turn_z=turn), solid(board, 0.8))
    label = plate(11.5, 6.4).moved((8.6, -10.02, 4.5), turn_x=90).moved(turn_z=turn)
    studio.put(label, solid(_box_label().pixels(), 0.55))
    return studio


def _stamped(board: textures.Array, ink: Print) -> textures.Array:
    """Print dark ink onto a surface: ink multiplies, paper stays."""
    result: textures.Array = board * ink.pixels()
    return result


def _lid_print() -> Print:
    sheet = Print(1400, 900, (255, 255, 255))
    dark = (70, 58, 48)
    sheet.text(700, 400, "LAUF", 250, Type(dark, tracking=0.3, weight=0.02))
    return sheet.text(700, 590, "shoes made to be repaired", 66, Type(dark, tracking=0.06))


def _box_label() -> Print:
    sheet = Print(1840, 1024, (250, 249, 245))
    left = Type(anchor="l")
    sheet.rule((0, 0, 1840, 210), (196, 74, 44))
    sheet.text(80, 105, "LAUF", 130, Type((250, 249, 245), 0.2, 0.02, "l"))
    sheet.text(1760, 105, "No. 4 Trail", 92, Type((250, 249, 245), anchor="r"))
    sheet.lines(
        80, 320, ["Colour  Moss / Chalk", "Upper  waxed cotton", "Sole  natural rubber"], 76, left
    )
    sheet.text(80, 720, "EU 42", 190, Type(weight=0.025, anchor="l"))
    sheet.text(80, 880, "UK 8   US 9   27.0 cm", 76, left)
    return sheet.barcode((1120, 330, 1760, 790), "4006381333931")


def book(folder: Path) -> Studio:
    """A cookery book in blue cloth, one copy standing before another."""
    studio = Studio(folder, Camera((0, -112, 27), (0.9, 0, 10.6), 16.2))
    studio.cove(solid((0.91, 0.88, 0.82), 0.9))
    studio.daylight(key=9, fill=2.4)
    _volume(studio, (0.8, -2.0, 0), -24.0)
    return studio


def _volume(studio: Studio, place: tuple[float, float, float], turn: float) -> None:
    """Put one standing book: two boards, a spine and the pages."""
    width, height, thick = 16.5, 22.0, 3.0
    relief = textures.weave((2200, 1650), (260, 195), seed=4)
    cloth = textures.cloth(relief, np.array(BLUE) / 255, seed=5)
    front = _foiled(cloth, _cover())
    plain = embossed(solid(cloth, 0.75), relief, 0.02)
    printed = embossed(solid(front, 0.65), relief, 0.015)
    for y, name in ((-thick / 2, "front"), (thick / 2, "back")):
        for face, mesh in box_faces((width, 0.28, height), 0.09).items():
            material = printed if face == name == "front" else plain
            studio.put(mesh.moved((0, y, 0)).moved(place, turn_z=turn), material)
    spine_relief = textures.weave((2200, 340), (210, 32), seed=6)
    spine_cloth = textures.cloth(spine_relief, np.array(BLUE) / 255, seed=7)
    spine = embossed(solid(_foiled(spine_cloth, _spine()), 0.65), spine_relief, 0.015)
    for face, mesh in box_faces((0.28, thick + 0.2, height), 0.13).items():
        shown = mesh.moved((-width / 2 + 0.1, 0, 0)).moved(place, turn_z=turn)
        studio.put(shown, spine if face == "left" else plain)
    leaves = 0.93 - 0.10 * (textures.noise((40, 600), (2, 290), 3)[..., None] > 0.6)
    pages = box((width - 0.9, thick - 0.25, height - 0.7), 0.03)
    edge = np.clip(leaves * np.array([1, 0.97, 0.90]), 0, 1)
    studio.put(pages.moved((0.1, 0, 0.35)).moved(place, turn_z=turn), solid(edge, 0.9))


def _foiled(cloth: textures.Array, sheet: Print) -> textures.Array:
    """Lay print over cloth; the weave still shows a little through the ink."""
    ink = sheet.pixels()
    bare = np.all(np.abs(ink - np.array(BLUE) / 255) < 0.02, axis=-1, keepdims=True)
    weave = (cloth / (np.array(BLUE) / 255)).mean(axis=-1, keepdims=True)
    result: textures.Array = np.where(bare, cloth, np.clip(ink * (0.35 + 0.65 * weave), 0, 1))
    return result


def _cover() -> Print:
    sheet = Print(1650, 2200, BLUE)
    cream, amber = (240, 229, 205), (226, 160, 78)
    sheet.disc(825, 900, 330, amber)
    sheet.rule((440, 905, 1210, 1260), BLUE)
    sheet.polygon(
        [(430, 930), (1220, 930), (1120, 1150), (980, 1240), (670, 1240), (530, 1150)], cream
    )
    sheet.rule((640, 1255, 1010, 1285), cream)
    for offset in (-130, 0, 130):
        points = [(825 + offset + 26 * np.sin(t / 16), 800 - t) for t in range(0, 200, 4)]
        for x, y in points:
            sheet.disc(x, y, 11, BLUE)
    sheet.text(825, 330, "THE SLOW TABLE", 150, Type(cream, tracking=0.09, weight=0.012))
    sheet.text(825, 1500, "One hundred and four", 82, Type(cream, tracking=0.02))
    sheet.text(825, 1610, "weekday suppers and Sunday roasts", 82, Type(cream, tracking=0.02))
    sheet.text(825, 1940, "INES MARLOWE", 96, Type(amber, tracking=0.25))
    return sheet


def _spine() -> Print:
    upright = Print(2200, 340, BLUE)
    cream = (240, 229, 205)
    upright.text(150, 170, "INES MARLOWE", 92, Type((226, 160, 78), 0.12, 0, "l"))
    upright.text(1300, 170, "THE SLOW TABLE", 150, Type(cream, 0.08, 0.012))
    sheet = Print(340, 2200, BLUE)
    sheet.sheet = upright.sheet.rotate(-90, expand=True)
    return sheet
