"""Puts the conversions between 8-bit pixels and a network's floats into its OpenVINO graph."""

from __future__ import annotations

import numpy as np
import openvino as ov
from openvino import opset13 as ops

_LEVELS = np.float32(255)
_MOVES = frozenset({"Reshape", "Transpose", "DepthToSpace"})
"""Operations that move values and compute none; a pixel shuffle consists of them."""


def eight_bit(model: ov.Model) -> ov.Model:
    """Return a copy of a network that takes and gives 8-bit pixels.

    OpenVINO converts them where the values are at hand, on all its threads, which is several times
    as fast as whole pictures of floats that pass through memory once more for each operation.
    Results are rounded ahead of what only moves them: an 8-bit pixel shuffle moves a quarter of
    the bytes.

    Args:
        model: one input (B, 3, H, W), float32, [0, 1]; one output (B, 3, scale * H, scale * W),
            about [0, 1].

    Returns:
        One input (B, H, W, 3), uint8; one output (B, scale * H, scale * W, 3), uint8, rounded to
        the nearest level.
    """
    copy = model.clone()
    _take_pixels(copy)
    _give_pixels(copy)
    copy.validate_nodes_and_infer_types()
    return copy


def _take_pixels(model: ov.Model) -> None:
    (parameter,) = model.get_parameters()
    users = list(parameter.output(0).get_target_inputs())
    batch, channels, height, width = parameter.get_partial_shape()
    parameter.set_element_type(ov.Type.u8)
    parameter.set_partial_shape(ov.PartialShape([batch, height, width, channels]))
    planes = ops.transpose(parameter, ops.constant(np.array([0, 3, 1, 2])))
    floats = ops.divide(ops.convert(planes, "f32"), ops.constant(_LEVELS))
    for user in users:
        user.replace_source_output(floats.output(0))


def _give_pixels(model: ov.Model) -> None:
    (result,) = model.get_results()
    floats = result.input(0).get_source_output()
    while floats.get_node().get_type_name() in _MOVES:
        floats = floats.get_node().input(0).get_source_output()
    users = list(floats.get_target_inputs())
    levels = ops.multiply(ops.clamp(floats, 0.0, 1.0), ops.constant(_LEVELS))
    pixels = ops.convert(ops.round(levels, "half_to_even"), "u8")
    for user in users:
        user.replace_source_output(pixels.output(0))
    planes = result.input(0).get_source_output()
    interleaved = ops.transpose(planes, ops.constant(np.array([0, 2, 3, 1])))
    result.input(0).replace_source_output(interleaved.output(0))
