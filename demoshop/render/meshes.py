"""Triangle meshes made from numbers: revolved profiles, bevelled boxes, swept tubes, plates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
TURN = 2 * np.pi


@dataclass(frozen=True, slots=True)
class Mesh:
    """Triangles with smooth normals and texture coordinates; centimetres, z points up."""

    positions: Array
    """(V, 3)."""
    normals: Array
    """(V, 3), unit length."""
    uvs: Array
    """(V, 2), v = 0 at the bottom of a texture."""
    faces: NDArray[np.int32]
    """(F, 3), counter-clockwise seen from outside."""

    def moved(
        self,
        offset: ArrayLike = (0, 0, 0),
        *,
        turn_z: float = 0,
        turn_x: float = 0,
        turn_y: float = 0,
    ) -> Mesh:
        """Turn about x, then y, then z (degrees), then shift by ``offset`` (centimetres)."""
        matrix = _turn(2, turn_z) @ _turn(1, turn_y) @ _turn(0, turn_x)
        positions = self.positions @ matrix.T + np.asarray(offset, float)
        return Mesh(positions, self.normals @ matrix.T, self.uvs, self.faces)

    def save(self, path: Path) -> None:
        """Write a binary PLY file."""
        names = ("x", "y", "z", "nx", "ny", "nz", "u", "v")
        header = [
            "ply",
            "format binary_little_endian 1.0",
            f"element vertex {len(self.positions)}",
            *(f"property float {name}" for name in names),
            f"element face {len(self.faces)}",
            "property list uchar int vertex_indices",
            "end_header\n",
        ]
        vertices = np.hstack([self.positions, self.normals, self.uvs]).astype("<f4")
        faces = np.empty(len(self.faces), dtype=[("n", "u1"), ("i", "<i4", 3)])
        faces["n"], faces["i"] = 3, self.faces
        path.write_bytes("\n".join(header).encode() + vertices.tobytes() + faces.tobytes())


def _turn(axis: int, degrees: float) -> Array:
    angle = np.radians(degrees)
    matrix = np.eye(3)
    a, b = [(1, 2), (2, 0), (0, 1)][axis]
    matrix[a, a] = matrix[b, b] = np.cos(angle)
    matrix[b, a], matrix[a, b] = np.sin(angle), -np.sin(angle)
    return matrix


def merge(*meshes: Mesh) -> Mesh:
    """Join meshes that share one material."""
    starts = np.cumsum([0, *(len(mesh.positions) for mesh in meshes)])
    return Mesh(
        np.vstack([mesh.positions for mesh in meshes]),
        np.vstack([mesh.normals for mesh in meshes]),
        np.vstack([mesh.uvs for mesh in meshes]),
        np.vstack([mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]),
    )


def grid(positions: Array, uvs: Array) -> Mesh:
    """Span a surface over a grid of points.

    Args:
        positions: (M, N, 3); the surface faces along d/dM x d/dN.
        uvs: (M, N, 2).
    """
    rows, columns = positions.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    faces = np.concatenate(
        [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    ).astype(np.int32)
    flat = positions.reshape(-1, 3)
    return Mesh(flat, _smooth_normals(flat, faces), uvs.reshape(-1, 2), faces)


def _smooth_normals(positions: Array, faces: NDArray[np.int32]) -> Array:
    """Average the faces around each place; vertices at one place share their normal."""
    corners = positions[faces]
    crosses = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    _, place = np.unique(np.round(positions, 5), axis=0, return_inverse=True)
    place = place.reshape(-1)
    sums = np.zeros((place.max() + 1, 3))
    for corner in range(3):
        np.add.at(sums, place[faces[:, corner]], crosses)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    normals: Array = (sums / np.maximum(lengths, 1e-12))[place]
    return normals


def rounded(points: Sequence[tuple[float, float, float]], steps: int = 8) -> Array:
    """Turn a polyline into a profile with filleted corners.

    Args:
        points: (x, y, fillet radius) of each corner; ends are not rounded.
        steps: segments per fillet.

    Returns:
        (N, 2).
    """
    corners = np.array([point[:2] for point in points], float)
    result = [corners[0]]
    for before, corner, after, point in zip(
        corners, corners[1:], corners[2:], points[1:], strict=False
    ):
        result.extend(_fillet(before, corner, after, point[2], steps))
    return np.array([*result, corners[-1]])


def _fillet(before: Array, corner: Array, after: Array, radius: float, steps: int) -> list[Array]:
    """Quadratic curve that leaves both legs tangentially; close enough to a circle to see."""
    to_before, to_after = before - corner, after - corner
    shorter = min(float(np.linalg.norm(leg)) for leg in (to_before, to_after))
    reach = min(radius, 0.499 * shorter)
    if reach <= 0:
        return [corner]
    start = corner + to_before / np.linalg.norm(to_before) * reach
    stop = corner + to_after / np.linalg.norm(to_after) * reach
    t = np.linspace(0, 1, steps + 1)[:, None]
    return list((1 - t) ** 2 * start + 2 * t * (1 - t) * corner + t**2 * stop)


def spline(points: ArrayLike, steps: int = 24) -> Array:
    """Run a smooth (Catmull-Rom) curve through points of any dimension."""
    knots = np.asarray(points, float)
    padded = np.vstack([2 * knots[0] - knots[1], knots, 2 * knots[-1] - knots[-2]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = [_catmull_rom(padded[i : i + 4], t) for i in range(len(knots) - 1)]
    return np.vstack([*pieces, knots[-1:]])


def _catmull_rom(p: Array, t: Array) -> Array:
    """One piece of the curve, between the second and the third of four points."""
    linear, square = p[2] - p[0], 2 * p[0] - 5 * p[1] + 4 * p[2] - p[3]
    cube = 3 * (p[1] - p[2]) + p[3] - p[0]
    curve: Array = 0.5 * (2 * p[1] + linear * t + square * t**2 + cube * t**3)
    return curve


def revolve(
    profile: Array,
    *,
    segments: int = 192,
    arc: tuple[float, float] = (0, 360),
    shape: Callable[[Array, Array], Array] | None = None,
) -> Mesh:
    """Turn a profile about the z axis.

    Args:
        profile: (N, 2) of (radius, height), drawn upwards along the outside.
        segments: steps around the whole arc.
        arc: first and last angle in degrees, counter-clockwise from +x.
        shape: (angles, heights) -> factor on the radius, for flutes and facets.
    """
    angles = np.radians(np.linspace(*arc, segments + 1))[:, None]
    radius, height = profile[:, 0][None], profile[:, 1][None]
    if shape is not None:
        radius = radius * shape(angles, height)
    positions = np.stack(
        np.broadcast_arrays(radius * np.cos(angles), radius * np.sin(angles), height), -1
    )
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(profile, axis=0), axis=1))])
    u = np.linspace(0, 1, segments + 1)[:, None]
    uvs = np.stack(np.broadcast_arrays(u, lengths[None] / lengths[-1]), -1)
    return grid(positions, uvs)


def sweep(path: Array, section: Array, *, scale: ArrayLike = 1.0) -> Mesh:
    """Move a closed section along a path.

    Args:
        path: (N, 3); closed when its ends meet.
        section: (M, 2), counter-clockwise, first point repeated at the end.
        scale: factor on the section at each point of the path.
    """
    normals, binormals = _frames(path)
    section = section[None] * np.broadcast_to(np.asarray(scale, float), len(path))[:, None, None]
    positions = (
        path[:, None] + section[..., :1] * normals[:, None] + section[..., 1:] * binormals[:, None]
    )
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    around = np.linspace(0, 1, section.shape[1])
    uvs = np.stack(np.meshgrid(around, lengths / lengths[-1]), -1)
    return grid(positions.transpose(1, 0, 2), uvs.transpose(1, 0, 2))


def _frames(path: Array) -> tuple[Array, Array]:
    """Carry a frame along the path without twisting it more than the path itself does."""
    closed = np.allclose(path[0], path[-1])
    padded = (
        np.vstack([path[-2], path, path[1]]) if closed else np.vstack([path[:1], path, path[-1:]])
    )
    tangents = padded[2:] - padded[:-2]
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    helper = np.eye(3)[np.argmin(np.abs(tangents[0]))]
    normal = np.cross(tangents[0], helper)
    normals = []
    for tangent in tangents:
        normal = normal - tangent * (normal @ tangent)
        normal = normal / np.linalg.norm(normal)
        normals.append(normal)
    stacked = np.array(normals)
    return stacked, np.cross(tangents, stacked)


def disc(radius: float) -> Mesh:
    """A flat round plate that faces up, its texture laid over the square around it."""
    flat = revolve(np.array([[radius, 0.0], [radius / 1000, 0.0]]), segments=128)
    return Mesh(
        flat.positions, flat.normals, flat.positions[:, :2] / (2 * radius) + 0.5, flat.faces
    )


def circle(radius: float, points: int = 40) -> Array:
    """A round section, (points + 1, 2)."""
    angles = np.linspace(0, TURN, points + 1)
    return radius * np.stack([np.cos(angles), np.sin(angles)], -1)


def superellipse(width: float, height: float, power: float = 4, points: int = 64) -> Array:
    """A rectangular section with soft corners, (points + 1, 2)."""
    angles = np.linspace(0, TURN, points + 1)
    cos, sin = np.cos(angles), np.sin(angles)
    x = np.sign(cos) * np.abs(cos) ** (2 / power) * width / 2
    y = np.sign(sin) * np.abs(sin) ** (2 / power) * height / 2
    return np.stack([x, y], -1)


def tube(path: Array, radius: float, *, round_ends: bool = True) -> Mesh:
    """A round rod along a path; its ends taper to half spheres."""
    if not round_ends:
        return sweep(path, circle(radius))
    bulge = np.linspace(0, np.pi / 2, 9)
    first, last = path[0] - path[1], path[-1] - path[-2]
    first, last = first / np.linalg.norm(first), last / np.linalg.norm(last)
    head = path[0] + first * radius * np.cos(bulge)[:, None]
    tail = path[-1] + last * radius * np.sin(bulge)[:, None]
    scale = np.concatenate([np.sin(bulge)[:-1], np.ones(len(path)), np.cos(bulge)[1:]])
    whole = np.vstack([head[:-1], path, tail[1:]])
    return sweep(whole, circle(radius), scale=np.maximum(scale, 1e-3))


def ring(radius: float, thickness: float) -> Mesh:
    """A torus around the z axis: radius to the middle of a rod of the given radius."""
    angles = np.linspace(0, TURN, 129)
    path = radius * np.stack([np.cos(angles), np.sin(angles), 0 * angles], -1)
    return sweep(path, circle(thickness))


def plate(width: float, height: float) -> Mesh:
    """A rectangle in the x-y plane facing up, centred."""
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, 65), np.linspace(-0.5, 0.5, 9), indexing="ij")
    flat = np.stack([x * width, y * height, np.zeros_like(x)], -1)
    return grid(flat, np.stack([x + 0.5, y + 0.5], -1))


def box_faces(size: tuple[float, float, float], bevel: float) -> dict[str, Mesh]:
    """The six faces of a bevelled box standing on z = 0, each with its own texture square.

    Returns:
        Meshes by name: front (-y), back, left (-x), right, top, bottom.
    """
    half = np.array(size) / 2
    faces = {
        "front": ((0, 2, 1), (1, 1, -1)),
        "back": ((0, 2, 1), (-1, 1, 1)),
        "left": ((1, 2, 0), (-1, 1, -1)),
        "right": ((1, 2, 0), (1, 1, 1)),
        "top": ((0, 1, 2), (1, 1, 1)),
        "bottom": ((0, 1, 2), (1, -1, -1)),
    }
    return {name: _box_face(half, bevel, *turn) for name, turn in faces.items()}


def _box_face(
    half: Array, bevel: float, axes: tuple[int, int, int], signs: tuple[int, int, int]
) -> Mesh:
    bevel = max(bevel, 1e-3)
    spans = [_bevelled_span(half[axis], bevel) for axis in axes[:2]]
    a, b = np.meshgrid(*spans, indexing="ij")
    flat = np.empty((*a.shape, 3))
    flat[..., axes[0]], flat[..., axes[1]] = a * signs[0], b * signs[1]
    flat[..., axes[2]] = half[axes[2]] * signs[2]
    core = np.clip(flat, -(half - bevel), half - bevel)
    outward = flat - core
    outward /= np.linalg.norm(outward, axis=-1, keepdims=True)
    positions = core + bevel * outward + [0, 0, half[2]]
    uvs = np.stack([a / half[axes[0]], b / half[axes[1]]], -1) / 2 + 0.5
    mesh = grid(positions, uvs)
    return Mesh(mesh.positions, outward.reshape(-1, 3), mesh.uvs, mesh.faces)


def _bevelled_span(half: float, bevel: float) -> Array:
    edge = bevel * (1 - np.tan(np.linspace(np.pi / 4, 0, 7)))
    return np.concatenate([-half + edge, half - edge[::-1]])


def box(size: tuple[float, float, float], bevel: float) -> Mesh:
    """A bevelled box standing on z = 0."""
    return merge(*box_faces(size, bevel).values())


def slab(outline: Array, thickness: float, bevel: float) -> Mesh:
    """A bevelled board: an outline in the x-z plane given depth along y.

    Args:
        outline: (N, 2), counter-clockwise, not closed; seen whole from its mean point.
        thickness: from the front (-y) to the back.
        bevel: width of the rounded edge.
    """
    closed = np.vstack([outline, outline[:1]])
    around = np.vstack([closed[-2], closed, closed[1]])
    tangents = around[2:] - around[:-2]
    inward = np.stack([-tangents[:, 1], tangents[:, 0]], -1)
    inward /= np.linalg.norm(inward, axis=1, keepdims=True)
    bends = np.linspace(0, np.pi / 2, 7)
    inset = np.concatenate([bevel * (1 - np.sin(bends)), bevel * (1 - np.cos(bends))])
    depth = np.concatenate([bevel * (1 - np.cos(bends)), thickness - bevel * (1 - np.sin(bends))])
    rings = closed[:, None] + inward[:, None] * inset[None, :, None]
    centre = np.broadcast_to(outline.mean(axis=0), (len(closed), 1, 2))
    rings = np.concatenate([centre, rings, centre], axis=1)
    depth = np.concatenate([[0], depth, [thickness]]) - thickness / 2
    y = np.broadcast_to(depth, rings.shape[:2])
    positions = np.stack([rings[..., 0], y, rings[..., 1]], -1)
    low, size = outline.min(axis=0), np.ptp(outline, axis=0)
    return grid(positions.transpose(1, 0, 2), ((rings - low) / size).transpose(1, 0, 2))
