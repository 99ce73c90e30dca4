"""The cut-out step by the real rembg, on networks that are made here: none is downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.engine import Engine
from enhancer_worker.matting import rembg_engine
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.step_cache import cache_key
from enhancer_worker.pipeline.steps.cutout import cutout
from enhancer_worker.pipeline.steps.outcome import StepOutcome, Tools
from shopimg.contract import Cutout, Deadline, RecipeError, WorkerError

U2NET_SIDE = 320
"""What rembg shrinks a picture to for the networks of the U2-Net family, pixels."""
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folder of rembg's networks, on a machine that reaches nobody."""
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", NOBODY)
    rembg_engine._session.cache_clear()
    yield tmp_path
    rembg_engine._session.cache_clear()


def write_redness(file: Path, side: int = U2NET_SIDE, masks: int = 1) -> None:
    """Write a network that takes red for the product, the more of it the surer."""
    weights = np.zeros((masks, 3, 1, 1), np.float32)
    weights[:, 0] = 1
    graph = helper.make_graph(
        [helper.make_node("Conv", ["picture", "weights"], ["alpha"])],
        "redness",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, side, side])],
        [helper.make_tensor_value_info("alpha", TensorProto.FLOAT, [1, masks, side, side])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, file)


def photo(width: int, height: int) -> NDArray[np.uint8]:
    """From no red on the left to all of it on the right, over noise in the other channels."""
    pixels = np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)
    pixels[..., 0] = np.clip(np.linspace(-60, 315, width), 0, 255)
    return pixels


def cut_by(session: str, pixels: NDArray[np.uint8]) -> StepOutcome:
    # It is not asked: the network is rembg's.
    nobody = cast(Engine, None)
    return cutout(Picture(pixels), Cutout(engine=session), Tools(nobody, Deadline(60)))


@pytest.mark.parametrize("session", ["u2net_custom", "u2netp"])
def test_rembg__runs_a_network_that_lies_in_its_folder(networks: Path, session: str) -> None:
    write_redness(networks / f"{session}.onnx")
    pixels = photo(U2NET_SIDE, U2NET_SIDE)
    outcome = cut_by(session, pixels)
    alpha = outcome.picture.alpha
    assert alpha is not None
    # It rounds down.
    difference = pixels[..., 0].astype(int) - alpha
    assert difference.min() >= 0
    assert difference.max() <= 1
    assert outcome.mask is alpha
    opaque = alpha == 255
    assert opaque.any()
    np.testing.assert_array_equal(outcome.picture.pixels[opaque], pixels[opaque])
    assert outcome.details == {"engine": "rembg", "session": session}
    assert outcome.weights == {}
    # Nobody has calibrated it.
    assert outcome.quality == {"cutout_share": pytest.approx(0.5, abs=0.01)}


def test_rembg__alpha_has_the_size_of_the_picture(networks: Path) -> None:
    write_redness(networks / "u2net_custom.onnx")
    pixels = photo(500, 410)
    alpha = cut_by("u2net_custom", pixels).picture.alpha
    assert alpha is not None
    assert alpha.shape == (410, 500)
    np.testing.assert_allclose(alpha, pixels[..., 0], atol=3)


def test_rembg__network_that_was_exchanged_is_loaded_anew_and_has_no_cached_results(
    networks: Path,
) -> None:
    steps, engine = (Cutout(engine="u2net_custom"),), Engine(WorkerConfig(cache_dir=networks))
    file = networks / "u2net_custom.onnx"
    write_redness(file)
    before = cache_key("0", steps, engine)
    assert cut_by("u2net_custom", photo(64, 64)).picture.alpha is not None
    assert cache_key("0", steps, engine) == before
    file.write_bytes(b"no network")
    assert cache_key("0", steps, engine) != before
    with pytest.raises(WorkerError, match="cannot load"):
        cut_by("u2net_custom", photo(64, 64))


def test_rembg__says_which_sessions_there_are(networks: Path) -> None:
    with pytest.raises(RecipeError, match=r"no session 'no-such' .* isnet-general-use,"):
        cut_by("no-such", photo(8, 8))


@pytest.mark.parametrize("session", ["withoutbg", "atlascloud"])
def test_rembg__sends_no_picture_to_a_service(networks: Path, session: str) -> None:
    with pytest.raises(RecipeError, match="that runs here"):
        cut_by(session, photo(8, 8))


def test_rembg__refuses_a_session_of_several_masks(networks: Path) -> None:
    write_redness(networks / "u2net_cloth_seg.onnx", side=768, masks=4)
    with pytest.raises(RecipeError, match="several masks"):
        cut_by("u2net_cloth_seg", photo(64, 48))


@pytest.mark.parametrize("session", ["u2net_custom", "u2netp"])
def test_rembg__says_offline_where_the_network_belongs(networks: Path, session: str) -> None:
    with pytest.raises(WorkerError) as caught:
        cut_by(session, photo(8, 8))
    assert f"as {session}.onnx into the folder that U2NET_HOME names" in caught.value.detail


def test_rembg__says_when_a_network_is_damaged(networks: Path) -> None:
    (networks / "u2net_custom.onnx").write_bytes(b"nothing")
    with pytest.raises(WorkerError, match="rembg cannot load 'u2net_custom'"):
        cut_by("u2net_custom", photo(8, 8))
