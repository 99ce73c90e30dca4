"""The path tracer's own parts: meshes, textures, print, noise removal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from demoshop.render import meshes, textures
from demoshop.render.labels import Print, Type

MESHES = {
    "box": meshes.box((4, 3, 2), 0.2),
    "revolved": meshes.revolve(meshes.rounded([(0, 0, 0), (2, 0, 0.3), (2, 5, 0.3), (0, 5, 0)])),
    "tube": meshes.tube(meshes.spline([(0, 0, 0), (2, 0, 3), (5, 1, 3)]), 0.4),
    "ring": meshes.ring(3, 0.5),
    "slab": meshes.slab(np.array([(0, 0), (6, 0), (6, 2), (0, 2)], float), 1.5, 0.2),
}


def volume(mesh: meshes.Mesh) -> float:
    """Signed volume: positive when the faces look outwards."""
    a, b, c = np.moveaxis(mesh.positions[mesh.faces], 1, 0)
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


@pytest.mark.parametrize("name", MESHES)
def test_mesh__looks_outwards(name: str) -> None:
    mesh = MESHES[name]
    assert volume(mesh) > 0
    assert np.isfinite(mesh.positions).all()
    lengths = np.linalg.norm(mesh.normals, axis=1)
    assert np.all((lengths < 1e-6) | (np.abs(lengths - 1) < 1e-6))


def test_mesh__volume_of_known_shapes() -> None:
    assert volume(MESHES["box"]) == pytest.approx(4 * 3 * 2, rel=0.03)
    assert volume(MESHES["ring"]) == pytest.approx(2 * np.pi**2 * 3 * 0.5**2, rel=0.01)


def test_mesh__moves_and_turns() -> None:
    point = meshes.Mesh(
        np.array([[1.0, 0, 0]]), np.array([[1.0, 0, 0]]), np.zeros((1, 2)), np.zeros((0, 3), "i4")
    )
    moved = point.moved((0, 0, 5), turn_z=90)
    assert moved.positions[0] == pytest.approx([0, 1, 5])
    assert moved.normals[0] == pytest.approx([0, 1, 0])


def test_mesh__is_saved_as_ply(tmp_path: Path) -> None:
    mesh = MESHES["ring"]
    mesh.save(tmp_path / "ring.ply")
    head, _, body = (tmp_path / "ring.ply").read_bytes().partition(b"end_header\n")
    assert f"element face {len(mesh.faces)}".encode() in head
    assert len(body) == 32 * len(mesh.positions) + 13 * len(mesh.faces)


@pytest.mark.parametrize(
    "surface",
    [
        textures.wood((40, 60), (0.8, 0.6, 0.4), (0.4, 0.3, 0.2), seed=1),
        textures.cardboard((40, 60), (0.7, 0.5, 0.4), seed=1),
        textures.speckled((40, 60), (0.9, 0.9, 0.8), (0.3, 0.2, 0.1), seed=1),
        textures.weave((40, 60), (8, 12), seed=1)[..., None],
    ],
    ids=["wood", "cardboard", "speckled", "weave"],
)
def test_texture__stays_in_range(surface: textures.Array) -> None:
    assert surface.shape[:2] == (40, 60)
    assert surface.min() >= 0
    assert surface.max() <= 1
    assert surface.std() > 0


def test_print__puts_ink_where_it_is_asked_to() -> None:
    sheet = Print(200, 100, (255, 255, 255)).text(150, 50, "HI", 40, Type((0, 0, 0)))
    pixels = sheet.pixels()
    assert pixels[:, 120:180].min() < 0.1
    assert pixels[:, :100].min() == 1


def test_denoise__removes_noise_and_keeps_the_print() -> None:
    pytest.importorskip("mitsuba")
    from demoshop.render.denoise import denoise
    from demoshop.render.film import Exposure

    rng = np.random.default_rng(0)
    albedo = np.full((40, 40, 3), 0.8)
    albedo[10:30:4] = 0.1  # fine print
    truth = 0.7 * albedo
    noise = 0.1 * albedo * rng.standard_normal(truth.shape)
    normal = np.zeros_like(truth)
    result = denoise(Exposure(truth + noise, (0.1 * albedo) ** 2, albedo, normal))
    assert np.sqrt(np.mean((result - truth) ** 2)) < 0.35 * np.sqrt(np.mean(noise**2))
    assert np.abs(result - truth)[10:30:4].max() < 0.02
