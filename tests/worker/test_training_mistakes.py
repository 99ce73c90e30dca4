"""Mistakes of a user's: one line that says what is wrong and what to do, and exit status 2."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from enhancer_worker.nets.zoo import zoo_entry
from enhancer_worker.training.cli import export_main

# Lightning warns about its own dependencies and about this machine's cores.
pytestmark = pytest.mark.filterwarnings("ignore")

NAME = "upscale_x2_s"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with weights that are fresh, truncated, of another kind, and none at all."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    for name, kind in (("fresh", NAME), ("other", "restore_s"), ("cut", NAME), ("empty", "")):
        (tmp_path / name).mkdir()
        if kind:
            path = tmp_path / name / f"{NAME}.safetensors"
            save_file(zoo_entry(kind).build().state_dict(), path)
    cut = tmp_path / "cut" / f"{NAME}.safetensors"
    cut.write_bytes(cut.read_bytes()[:-9])
    return tmp_path


def assert_told(
    command: Callable[[list[str]], int], argv: list[str], capsys: pytest.CaptureFixture[str]
) -> str:
    """Run a command that cannot work, and return the one line that it ends with."""
    assert command(argv) == 2
    told = capsys.readouterr()
    assert told.out == ""
    return told.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([NAME, "--weights", "empty"], f"nothing to export: no {NAME}.safetensors in empty, see"),
        (["--weights", "nowhere"], "nothing to export: no NAME.safetensors in nowhere, see --weig"),
        ([NAME, "--weights", "cut"], f"cut/{NAME}.safetensors is no whole .safetensors file: "),
        (
            [NAME, "--weights", "cut", "--half"],
            f"cut/{NAME}.safetensors is no whole .safetensors file: ",
        ),
        (
            [NAME, "--weights", "other"],
            f"other/{NAME}.safetensors does not fit {NAME}: Error(s) in loading state_dict",
        ),
        ([NAME, "--facts", "facts.json"], "cannot read facts.json: No such file or directory"),
        ([NAME, "--facts", "broken.json"], "broken.json is no JSON: "),
        ([NAME, "--facts", "list.json"], "list.json holds no JSON object"),
        ([NAME, "--facts", "flat.json"], 'flat.json is not {"NAME": {"licence": ...}}, facts by'),
        ([NAME, "--adapters", "no.safetensors"], "there is no file no.safetensors"),
        ([NAME, "--adapters", "list.json"], "list.json is no whole .safetensors file: "),
        (["upscale_x9"], "no network 'upscale_x9'; there are upscale_x2_s"),
    ],
)
def test_export__says_in_a_line_what_it_cannot_read(
    argv: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.json").write_text('{"a": ')
    (folder / "list.json").write_text("[]")
    (folder / "flat.json").write_text(json.dumps({"licence": "CC0-1.0"}))
    where = [] if "--weights" in argv else ["--weights", "fresh"]
    before = sorted(folder.rglob("*"))
    assert assert_told(export_main, [*argv, *where], capsys).startswith(message)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"weights": []}'])
def test_export__says_in_a_line_that_the_manifest_is_damaged(
    content: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "fresh/weights.json").write_text(content)
    told = assert_told(export_main, [NAME, "--weights", "fresh"], capsys)
    assert told.startswith("fresh/weights.json ")
    assert (folder / "fresh/weights.json").read_text() == content
