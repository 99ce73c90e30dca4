"""The check that the web process knows the weights of its workers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from shopimg import checks, enhancers
from shopimg.contract import CLEAN
from tests.shop.complaining import complaints


def _install_enhancer(folder: Path, module: str) -> Path:
    """Write a package whose manifest lists three files, and return the folder for them."""
    package = folder / "some_enhancer"
    weights = package / "weights"
    weights.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / module).touch()
    entry = {
        "sha256": hashlib.sha256(b"numbers").hexdigest(),
        "openvino_sha256": {
            "restore_s.xml": hashlib.sha256(b"graph").hexdigest(),
            "restore_s.bin": hashlib.sha256(b"constants").hexdigest(),
        },
    }
    (weights / "weights.json").write_text(json.dumps({"weights": {"restore_s": entry}}))
    return weights


def test_check__weights(shopimg, monkeypatch, tmp_path: Path) -> None:
    weights = _install_enhancer(tmp_path, "backend.py")
    monkeypatch.syspath_prepend(tmp_path)
    shopimg(ENHANCER="some_enhancer.backend.Enhancer")
    contents = {
        "restore_s.safetensors": b"numbers",
        "restore_s.xml": b"graph",
        "restore_s.bin": b"constants",
    }
    assert complaints() == ["shopimg.E011"] * 3
    for name, content in contents.items():
        (weights / name).write_bytes(content)
    assert complaints() == []
    for name, content in contents.items():
        (weights / name).write_bytes(b"damaged")
        (message,) = checks.run_all()
        assert (message.id, message.msg) == (
            "shopimg.E011",
            f"The weights file {name} is missing or damaged.",
        )
        (weights / name).write_bytes(content)


def test_check__weights_where_only_the_digests_are_installed(
    shopimg, monkeypatch, tmp_path: Path
) -> None:
    _install_enhancer(tmp_path, "other.py")
    monkeypatch.syspath_prepend(tmp_path)
    shopimg(ENHANCER="some_enhancer.backend.Enhancer")
    assert complaints() == []
    assert list(enhancers.weights_for(CLEAN)) == ["restore_s"]


def test_weights_for__every_file_of_a_network_counts(shopimg, tmp_path: Path) -> None:
    digests = set()
    for part in ("sha256", "openvino_sha256", "int8"):
        for change in ("a", "b"):
            entry: dict[str, Any] = {
                "sha256": "0",
                "openvino_sha256": {"restore_s.bin": "0"},
                "int8": {"sha256": {"restore_s.int8.bin": "0"}},
            }
            entry[part] = {
                "sha256": change,
                "openvino_sha256": {"restore_s.bin": change},
                "int8": {"sha256": {"restore_s.int8.bin": change}, "loss_db": 0.01},
            }[part]
            folder = tmp_path / part / change
            folder.mkdir(parents=True)
            (folder / "weights.json").write_text(json.dumps({"weights": {"restore_s": entry}}))
            shopimg(WEIGHTS_DIR=str(folder))
            digests |= set(enhancers.weights_for(CLEAN).values())
    assert len(digests) == 6


def test_check__weights_of_ones_own(shopimg, monkeypatch, tmp_path: Path) -> None:
    shipped = _install_enhancer(tmp_path, "backend.py")
    monkeypatch.syspath_prepend(tmp_path)
    own = tmp_path / "my-weights"
    shopimg(ENHANCER="some_enhancer.backend.Enhancer", WEIGHTS_DIR=str(own))
    (message,) = checks.run_all()
    assert (message.id, message.msg) == ("shopimg.E013", f"There is no {own}/weights.json.")
    own.mkdir()
    entry = {"sha256": hashlib.sha256(b"tuned").hexdigest()}
    (own / "weights.json").write_text(json.dumps({"weights": {"restore_s": entry}}))
    shopimg(WEIGHTS_DIR=str(own))  # read afresh
    assert complaints() == ["shopimg.E011"]
    (own / "restore_s.safetensors").write_bytes(b"tuned")
    assert complaints() == []
    tuned = enhancers.weights_for(CLEAN)
    shopimg(WEIGHTS_DIR="")
    assert enhancers.weights_path() == shipped
    assert enhancers.weights_for(CLEAN) != tuned
