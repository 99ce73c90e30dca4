"""The command line lists the weights and checks their digests."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from enhancer_worker.__main__ import main
from tests.worker.tiny_nets import write_weights


def test_weights__checks_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_weights(tmp_path / "weights")
    monkeypatch.setenv("ENHANCER_WEIGHTS_DIR", str(folder))
    result = CliRunner().invoke(main, ["weights"])
    assert result.exit_code == 0, result.output
    assert "restore_s.safetensors" in result.output
    (folder / "restore_s.safetensors").write_bytes(b"altered")
    (folder / "upscale_x2_s.safetensors").unlink()
    result = CliRunner().invoke(main, ["weights"])
    assert result.exit_code == 1
    assert "altered" in result.output
    assert "missing" in result.output


def test_weights__says_that_there_is_no_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENHANCER_WEIGHTS_DIR", str(tmp_path))
    result = CliRunner().invoke(main, ["weights"])
    assert result.exit_code == 1
    assert "weights.json" in result.output
