"""Mistakes of a user's: one line that says what is wrong and what to do, and exit status 2."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from enhancer_worker.nets.zoo import zoo_entry
from enhancer_worker.training.cli import compare_main, evaluate_main, export_main, finetune_main
from tests.worker.training_data import write_picture

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
        ([NAME, "--facts", "others.json"], "others.json tells of restore_s only"),
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
    (folder / "others.json").write_text(json.dumps({"restore_s": {"licence": "CC0-1.0"}}))
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


LOST = f"run/{NAME}.lost.safetensors"
RENAMED = "run/mine.safetensors"
UNKNOWN = f"; say with --net whose weights {RENAMED} has"


@pytest.fixture
def run_folder(folder: Path) -> Path:
    """Add what a fine-tuning leaves, a picture, and one that is damaged."""
    (folder / "run").mkdir()
    for name in (LOST, RENAMED, "run/candidate.safetensors"):
        (folder / name).write_bytes((folder / f"fresh/{NAME}.safetensors").read_bytes())
    write_picture(folder / "photos/one.png", 1, 64)
    (folder / "damaged").mkdir()
    (folder / "damaged/one.png").write_bytes((folder / "photos/one.png").read_bytes()[:99])
    return folder


def evaluated(*options: str, data: str = "photos") -> list[str]:
    return ["--set", f"mine:sr={data}", "--json", *options]


def compared(*argv: str, data: str = "photos", out: str = "made/sheet.png") -> list[str]:
    return [*argv, "--data", data, "--out", out]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (evaluated("--net", NAME, data="damaged"), "damaged/one.png cannot be read: "),
        (evaluated("--weights", "run/estimate_s.safetensors"), "estimate_s is no upscaler and no"),
        (
            evaluated("--weights", "no.safetensors", "--net", NAME),
            "there is no file no.safetensors",
        ),
        (evaluated("--weights", f"cut/{NAME}.safetensors"), f"cut/{NAME}.safetensors is no whole"),
        (evaluated("--weights", RENAMED), "no network 'mine'; there are upscale_x2_s, "),
        (
            evaluated("--weights", LOST, "--net", NAME, "--net", "restore_s"),
            f"{LOST} has the weights of one network: give one --net",
        ),
    ],
)
def test_evaluate__says_in_a_line_what_it_cannot_take(
    argv: list[str], message: str, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run_folder / "run/estimate_s.safetensors").touch()
    assert assert_told(evaluate_main, argv, capsys).startswith(message)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (compared(NAME, "bicubic", data="damaged"), "damaged/one.png cannot be read: "),
        (compared("cutout_s", "input"), "cutout_s is no upscaler and no restorer: only those can"),
        (compared("estimate_s", "input"), "estimate_s is no upscaler and no restorer: only those"),
        (compared(NAME, "bicubic", out="x.txt"), "--out x.txt is none of .png, .webp, .jpg, .jpeg"),
        (compared(NAME, "bicubic", out="list.json/x.png"), "cannot write into list.json: "),
        (compared(RENAMED, "bicubic"), "no network 'mine'; there are upscale_x2_s, "),
        (compared(NAME, "bicubic", data="no.json"), "cannot read no.json: No such file or dir"),
        (compared(NAME, "bicubic", data="list.json"), "list.json does not tell which photographs"),
        (
            compared(NAME, "bicubic", data="report.json"),
            "1 of the 2 photographs that report.json names are not there: photos/gone.png",
        ),
    ],
)
def test_compare__says_in_a_line_what_it_cannot_take(
    argv: list[str], message: str, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run_folder / "list.json").write_text("[]")
    judges = {"folder": "photos", "files": ["one.png", "gone.png"]}
    (run_folder / "report.json").write_text(json.dumps({"judged_by": judges}))
    assert assert_told(compare_main, argv, capsys).startswith(message)
    assert not (run_folder / "made").exists()


@pytest.mark.parametrize(
    ("command", "argv", "message"),
    [
        (evaluate_main, evaluated("--limit", "-1"), "--limit: it is at least 0, not -1"),
        (evaluate_main, evaluated("--threads", "-1"), "--threads: it is at least 0, not -1"),
        (evaluate_main, evaluated("--net", "estimate_s"), "--net: invalid choice: 'estimate_s'"),
        (compare_main, compared("a", "b", "--limit", "-1"), "--limit: it is at least 0, not -1"),
        (compare_main, compared("a", "b", "--limit", "x"), "--limit: 'x' is no whole number"),
        (compare_main, compared("a", "b", "--side", "0"), "--side: it is at least 1, not 0"),
        (compare_main, compared("a", "b", "--scale", "0"), "--scale: it is at least 1, not 0"),
        (
            compare_main,
            compared("a", "b", "--threads", "-2"),
            "--threads: it is at least 0, not -2",
        ),
    ],
)
def test_options__refuse_what_they_cannot_be(
    command: Callable[[list[str]], int],
    argv: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        command(argv)
    assert caught.value.code == 2
    assert f"error: argument {message}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["--weights", LOST],
        ["--weights", "run/candidate.safetensors", "--net", NAME],
        ["--weights", RENAMED, "--net", NAME],
    ],
)
def test_evaluate__reads_what_finetune_writes(
    options: list[str], run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate_main(evaluated(*options)) == 0
    assert list(json.loads(capsys.readouterr().out)["mine"]) == ["x2"]


def test_evaluate__leaves_networks_of_other_kinds_in_a_folder_alone(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run_folder / "fresh/estimate_s.safetensors").write_bytes(b"not even read")
    assert evaluate_main(evaluated("--weights", "fresh")) == 0
    assert list(json.loads(capsys.readouterr().out)["mine"]) == ["x2"]


@pytest.mark.parametrize(
    "options",
    [[LOST, "bicubic"], [RENAMED, "bicubic", "--net", NAME], [LOST, RENAMED, "--net", NAME]],
)
def test_compare__reads_what_finetune_writes(options: list[str], run_folder: Path) -> None:
    assert compare_main(compared(*options)) == 0
    assert json.loads((run_folder / "made/sheet.json").read_text())["A"] == options[0]


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ([LOST], "no photographs below empty"),
        ([RENAMED, "--net", NAME], "no photographs below empty"),
        ([RENAMED], "no network 'mine'; there are upscale_x2_s, "),
        ([RENAMED, "--net", "estimate_s"], "estimate_s is no upscaler and no restorer: only those"),
    ],
)
def test_finetune__starts_from_what_finetune_writes(
    base: list[str], message: str, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--from", *base, "--data", "empty", "--out", "out"]
    told = assert_told(finetune_main, argv, capsys)
    assert told.startswith(message)
    assert told.endswith(UNKNOWN) == ("mine" in message)
