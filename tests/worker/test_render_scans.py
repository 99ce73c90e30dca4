"""Renderings of scanned products: what stands in them, and what is known about them."""

import json
from pathlib import Path

import mitsuba
import numpy as np
import pytest
from PIL import Image

from enhancer_worker.training.data import find_photos, split_photos
from enhancer_worker.training.render_scans import RenderArgs, main, props_of, render_all
from enhancer_worker.training.scan_scenes import random_scene

SIDE = 40
CORNERS = [(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)]
FACES = [(0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A held-out scan and one that trains, both cubes, and what they stand in."""
    for folder in ("scans", "panoramas", "textures", "backdrops", "photos/a"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("mug", "orange"):
        write_cube(tmp_path / "scans" / f"{name}.ply")
        Image.new("RGB", (8, 8), (200, 40, 40)).save(tmp_path / "scans" / f"{name}.jpg")
    for folder, names in {
        "textures": ["marble", "cloth"],
        "backdrops": ["city-0", "city-1", "hall-0", "sky-0"],
        "photos/a": [f"thing{number}_0" for number in range(60)] + ["popos_0021_1"],
    }.items():
        for name in names:
            Image.new("RGB", (16, 16), (120, 120, 90)).save(tmp_path / folder / f"{name}.jpg")
    mitsuba.set_variant("scalar_rgb")
    sky = mitsuba.Bitmap(np.full((8, 16, 3), 0.7, np.float32))
    sky.write(str(tmp_path / "panoramas" / "hall.hdr"))
    return tmp_path


def write_cube(path: Path) -> None:
    triangles = [t for a, b, c, d in FACES for t in ((a, b, c), (a, c, d))]
    header = ["ply", "format ascii 1.0", f"element vertex {len(CORNERS)}"]
    header += [f"property float {name}" for name in ("x", "y", "z", "u", "v")]
    header += [f"element face {len(triangles)}", "property list uchar int vertex_indices"]
    lines = [*header, "end_header"]
    lines += [f"{x} {y} {z} {x} {y}" for x, y, z in CORNERS]
    lines += [f"3 {a} {b} {c}" for a, b, c in triangles]
    path.write_text("\n".join(lines) + "\n")


def test_props__have_nothing_to_be_seen_on_both_sides(data: Path) -> None:
    training, judging = (props_of(data, held_out=held_out) for held_out in (False, True))
    assert [path.stem for path in training.scans] == ["orange"]
    assert [path.stem for path in judging.scans] == ["mug"]
    assert {path.stem for path in training.views} == {"hall-0"}
    assert {path.stem for path in judging.views} == {"city-0", "city-1"}
    assert {path.parent.name for path in training.textures} == {"textures"}
    assert [path.name for path in judging.textures] == ["popos_0021_1.jpg"]
    assert {*judging.textures} < {*split_photos(find_photos(data))[1]}


def test_random_scene__hides_the_panorama_behind_held_out_photographs(data: Path) -> None:
    props = props_of(data, held_out=True)
    shown: dict[str, set[str]] = {"cove": set(), "table": set(), "flat": set()}
    for seed in range(40):
        scene = random_scene(mitsuba, np.random.default_rng(seed), props.scans[0], props)
        walls = scene.stage["wall"]["bsdf"]["b"]["reflectance"]
        shown[scene.facts["kind"]].add(Path(walls.get("filename", "plain")).stem)
    assert shown["cove"] == {"plain"}
    assert shown["table"] == {"plain", "city-0", "city-1"}
    assert shown["flat"] <= {"city-0", "city-1"}
    assert shown["flat"]


def test_render_all__writes_a_picture_and_the_exact_alpha(data: Path) -> None:
    args = RenderArgs(data, data / "out", held_out=True, views=2, side=SIDE, samples=8)
    assert render_all(args) == 2
    assert render_all(args) == 0, "what is there is not rendered again"
    names = sorted(path.stem for path in args.out.glob("*.json"))
    assert names == ["mug-1-0", "mug-1-1"]
    for name in names:
        assert json.loads((args.out / f"{name}.json").read_text())["kind"]
        pictures = [args.out / f"{name}{end}" for end in (".jpg", "-empty.jpg", "-alpha.png")]
        full, empty, alpha = (np.asarray(Image.open(path), float) for path in pictures)
        inside, outside = alpha > 250, alpha < 5
        assert inside.mean() > 0.03
        redness = (full - empty)[..., 0] - (full - empty)[..., 1]
        assert redness[inside].mean() > redness[outside].mean() + 30


@pytest.mark.parametrize(
    ("options", "words"),
    [([], "lacks scans/, panoramas/ or textures/"), (["--held-out"], "no image matches")],
)
def test_main__says_what_is_lacking(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(tmp_path), "--out", str(tmp_path / "out"), *options]) == 2
    assert words in capsys.readouterr().err
