"""Things that hold something: an insulated flask, a mug, a vase, a soap dispenser."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from demoshop.render import textures
from demoshop.render.labels import Print, Type
from demoshop.render.meshes import Array, merge, revolve, rounded, spline, superellipse, sweep, tube
from demoshop.render.studio import Camera, Studio, embossed, glass, metal, solid

FRONT = (90, 450)
"""An arc whose texture's middle faces the camera."""
WHITE = (244, 243, 238)


def flask(folder: Path) -> Studio:
    """A powder-coated steel flask with an oak lid."""
    studio = Studio(folder, Camera((0, -92, 26), (0.6, 0, 12.4), 21))
    studio.cove(solid((0.87, 0.85, 0.81), 0.9))
    studio.daylight()
    print_ = _flask_print()
    grain = textures.noise((900, 1400), (420, 640), 3) * 0.5 + 0.5
    body = revolve(np.array([[3.7, 1.0], [3.7, 16.5]]), arc=FRONT)
    studio.put(body, embossed(solid(print_.pixels(), 0.42), grain, 0.004))
    coat = solid(np.array(print_.ground) / 255, 0.42)
    foot = rounded([(0, 0.05, 0), (3.35, 0.05, 0.3), (3.69, 0.6, 0.5), (3.69, 1.2, 0)])
    studio.put(revolve(foot), coat)
    shoulder = [(3.695, 16.3, 0), (3.695, 18.6, 2.4), (2.45, 20.4, 0.9), (2.45, 20.9, 0)]
    studio.put(revolve(rounded(shoulder, 16)), coat)
    studio.put(revolve(np.array([[2.4, 20.6], [2.4, 21.5]])), metal("Al", 0.12))
    lid = rounded([(2.4, 21.35, 0), (2.62, 21.35, 0.12), (2.62, 24.1, 0.35), (0, 24.1, 0)])
    oak = textures.wood((500, 900), (0.80, 0.62, 0.41), (0.52, 0.34, 0.19), seed=8, rings=7)
    studio.put(revolve(lid), solid(oak, 0.5))
    loop = spline(
        [(-2.3, 0, 22.9), (-2.9, -0.3, 24.6), (0, -0.5, 26.1), (2.9, -0.3, 24.6), (2.3, 0, 22.9)]
    )
    studio.put(sweep(loop, superellipse(0.75, 0.2)), solid((0.16, 0.17, 0.16), 0.6))
    return studio


def _flask_print() -> Print:
    sheet = Print(4600, 3100, (45, 84, 74))
    mark = Type(WHITE, tracking=0.22, weight=0.018)
    sheet.polygon([(2130, 1000), (2300, 700), (2390, 860), (2440, 780), (2560, 1000)], WHITE)
    sheet.polygon([(2255, 1000), (2345, 850), (2420, 1000)], (45, 84, 74))
    sheet.text(2300, 1180, "HALDE", 210, mark)
    sheet.text(2300, 1340, "MOUNTAIN SUPPLY", 62, Type(WHITE, tracking=0.32))
    small = Type(WHITE, tracking=0.05)
    sheet.rule((2060, 2340, 2540, 2346), WHITE)
    words = [
        "Vacuum insulated · 750 ml",
        "Cold 24 h · Hot 12 h",
        "18/8 stainless steel",
        "Hand wash only",
    ]
    sheet.lines(2300, 2430, words, 70, small)
    return sheet


def mug(folder: Path) -> Studio:
    """A stoneware mug, glazed above, bare clay below, on an oak table."""
    studio = Studio(
        folder, Camera((0, -64, 27), (0.9, 0, 4.6), 18.5, aperture=0.35, focus=(0, -4, 5))
    )
    _oak_table(studio)
    studio.softbox((-60, -20, 55), (0, 0, 5), (55, 55), 9.5, (1, 0.97, 0.92))
    studio.softbox((70, -40, 35), (0, 0, 5), (50, 60), 1.6, (0.95, 0.98, 1))
    studio.surround(0.45)
    glaze = textures.speckled((1400, 2400), (0.90, 0.87, 0.80), (0.33, 0.23, 0.16), seed=5)
    glossy = solid(glaze, 0.16, specular=0.55)
    cup = rounded(
        [
            (4.02, 2.3, 0), (4.1, 2.35, 0.05), (4.2, 9.0, 0.16), (3.88, 9.05, 0.16),
            (3.8, 1.2, 1.2), (0, 0.9, 0),
        ],
        10,
    )  # fmt: skip
    studio.put(revolve(cup, segments=256), glossy)
    clay = textures.cardboard((700, 2400), (0.66, 0.47, 0.34), seed=6)
    base = rounded([(0, 0.02, 0), (3.55, 0.02, 0.3), (4.0, 0.9, 0.7), (4.04, 2.6, 0)], 10)
    grit = textures.clouds((700, 2400), 90, 3, 9) * 0.2 + 0.5
    studio.put(revolve(base, segments=256), embossed(solid(clay, 0.85), grit, 0.02))
    coffee = rounded([(3.86, 7.72, 0), (3.8, 7.66, 0.1), (0, 7.66, 0)])
    studio.put(revolve(coffee), solid((0.20, 0.10, 0.05), 0.2, specular=0.2))
    handle = spline(
        [(3.9, 0, 7.9), (5.6, 0, 8.1), (6.9, 0, 6.7), (6.7, 0, 4.7), (5.2, 0, 3.3), (3.9, 0, 3.1)]
    )
    ear = sweep(handle, superellipse(1.25, 0.75, 2.6)).moved(turn_z=-28)
    studio.put(ear, solid((0.885, 0.855, 0.785), 0.16, specular=0.55))
    return studio


def _oak_table(studio: Studio) -> None:
    boards = textures.planks((2600, 2600), (0.78, 0.60, 0.40), (0.50, 0.33, 0.19), count=9, seed=40)
    fibre = boards.mean(axis=-1)
    studio.table(embossed(solid(boards, 0.42), fibre, 0.03))
    studio.wall(solid((0.80, 0.79, 0.76), 0.95))


def vase(folder: Path) -> Studio:
    """A fluted vase with eucalyptus."""
    studio = Studio(folder, Camera((0, -120, 34), (0, 0, 21.5), 22))
    studio.cove(solid((0.78, 0.60, 0.49), 0.9))
    studio.daylight(key=9.5, fill=1.6)
    line = spline(
        [
            (0.1, 0),
            (4.2, 0.02),
            (5.2, 0.9),
            (6.6, 6),
            (6.3, 11),
            (4.0, 16.2),
            (2.7, 19.2),
            (3.2, 21.2),
        ],
        14,
    )
    inner = spline([(3.2, 21.2), (2.95, 21.25), (2.4, 19.4), (2.6, 17)], 8)
    profile = np.vstack([line, inner[1:]])

    def flutes(angles: Array, heights: Array) -> Array:
        fade = np.clip(heights / 2.0, 0, 1) * np.clip((20.6 - heights) / 3.5, 0, 1)
        return 1 + 0.03 * fade * np.abs(np.sin(9 * angles + 0.11 * heights)) - 0.015 * fade

    chalk = textures.clouds((1200, 2400), 60, 4, 21) * 0.2 + 0.5
    tone = textures.blend(
        (0.93, 0.91, 0.87), (0.87, 0.84, 0.79), textures.clouds((1200, 2400), 5, 4, 22) * 0.3 + 0.4
    )
    studio.put(
        revolve(profile, segments=720, shape=flutes), embossed(solid(tone, 0.75), chalk, 0.012)
    )
    rng = np.random.default_rng(12)
    for stem in ([(0, 0, 14), (1.5, 0.5, 22), (4.6, 1, 31), (9.6, 0, 39)],
                 [(0, 0, 14), (-1.6, -0.4, 23), (-4.0, -1, 32), (-4.4, -1.2, 41)],
                 [(0, 0, 14), (-1.9, 0.8, 21.6), (-6.8, 1.6, 28), (-11.4, 1, 31.4)],
                 [(0, 0, 14), (0.6, 0.4, 24), (1.4, 1.5, 34), (3.4, 2, 43)]):  # fmt: skip
        _branch(studio, spline(stem, 16), rng)
    return studio


def _branch(studio: Studio, path: Array, rng: np.random.Generator) -> None:
    """Put one stem with pairs of round leaves that shrink towards its tip."""
    studio.put(tube(path, 0.13), solid((0.42, 0.33, 0.25), 0.7))
    leaves = []
    for share in np.linspace(0.42, 0.985, 15):
        place = path[int(share * (len(path) - 1))]
        size = 1.75 - 1.0 * share + rng.uniform(-0.1, 0.1)
        for side in (-1, 1):
            dish = rounded([(0, 0, 0), (size * 0.6, 0.10 * size, 0.3), (size, 0.34 * size, 0)], 6)
            lean, turn = rng.uniform(35, 75), rng.uniform(-40, 40) + (0 if side > 0 else 180)
            leaf = revolve(dish, segments=32).moved((size * 0.75, 0, 0.2)).moved(turn_y=-lean + 45)
            leaves.append(leaf.moved(place, turn_z=turn, turn_x=rng.uniform(-25, 25)))
    greens = ((0.47, 0.56, 0.48), (0.40, 0.50, 0.44), (0.55, 0.61, 0.52))
    for number, green in enumerate(greens):
        studio.put(merge(*leaves[number :: len(greens)]), solid(green, 0.55))


def soap(folder: Path) -> Studio:
    """Hand wash in an amber glass bottle with a black pump and a paper label."""
    studio = Studio(folder, Camera((0, -88, 22), (0.2, 0, 9.7), 16.2))
    studio.cove(solid((0.80, 0.83, 0.80), 0.9))
    studio.daylight(key=10, fill=3.2, rim=7)
    bottle = [
        (0, 0.05, 0),
        (3.5, 0.05, 0.5),
        (3.5, 12.2, 2.3),
        (1.4, 13.6, 0.5),
        (1.4, 14.6, 0),
        (0, 14.6, 0),
    ]
    studio.put(revolve(rounded(bottle, 16)), glass((0.80, 0.47, 0.13), 1.47))
    paper = revolve(np.array([[3.525, 2.0], [3.525, 10.0]]), arc=(180, 360))
    studio.put(paper, solid(_soap_label().pixels(), 0.75))
    black = solid((0.05, 0.05, 0.05), 0.32)
    collar = [
        (1.62, 13.7, 0),
        (1.68, 13.7, 0.08),
        (1.68, 15.5, 0.2),
        (0.75, 15.6, 0.1),
        (0.75, 16.1, 0.1),
        (0, 16.1, 0),
    ]

    def ribs(angles: Array, heights: Array) -> Array:
        return 1 + 0.018 * np.cos(48 * angles) * ((heights > 13.75) & (heights < 15.2))

    studio.put(revolve(rounded(collar), segments=960, shape=ribs), black)
    studio.put(revolve(np.array([[0.42, 16.0], [0.42, 18.2]])), black)
    head = [(0, 18.0, 0), (1.1, 18.0, 0.1), (1.1, 19.0, 0.35), (0, 19.05, 0)]
    studio.put(revolve(rounded(head)), black)
    spout = spline([(0, 0, 18.55), (-2.0, -1.2, 18.6), (-3.5, -2.1, 18.35), (-4.1, -2.45, 17.6)])
    studio.put(tube(spout, 0.36, round_ends=False), black)
    return studio


def _soap_label() -> Print:
    sheet = Print(2200, 1600, (243, 238, 226))
    sheet.frame(70, 5)
    sheet.text(1100, 300, "FENN & WREN", 150, Type(tracking=0.2, weight=0.012))
    sheet.text(1100, 440, "APOTHECARY · EST. 2014", 56, Type(tracking=0.3))
    sheet.rule((900, 540, 1300, 546))
    sheet.text(1100, 680, "Hand Wash", 170)
    sheet.text(1100, 830, "No. 12  Cedar, Bergamot & Sage", 74, Type(tracking=0.04))
    fine = [
        "With olive oil and oat milk. For hands that work.",
        "Aqua, Decyl Glucoside, Glycerin, Avena Sativa,",
        "Olea Europaea, Citrus Bergamia, Salvia, Citric Acid.",
        "Keep out of eyes. Made in small batches.",
    ]
    sheet.lines(1100, 1010, fine, 52, Type(tracking=0.02, leading=1.5))
    return sheet.text(1100, 1430, "300 ml · 10.1 fl oz", 62, Type(tracking=0.1))
