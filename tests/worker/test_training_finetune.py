"""Fine-tuning: what it starts from, adapters that fold away, and no result that is worse."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from enhancer_worker.nets.manifest import SHIPPED_WEIGHTS, file_digest
from enhancer_worker.nets.zoo import read_net, zoo_entry
from enhancer_worker.training import finetune, fit_upscaler, trials
from enhancer_worker.training.adapters import (
    fold_file,
)
from enhancer_worker.training.args import FinetuneArgs, TrainingArgsError
from enhancer_worker.training.cli import compare_main, finetune_main
from enhancer_worker.training.data import Tile, read_tile
from enhancer_worker.training.finetune import Verdict, objections, summary
from enhancer_worker.training.fit_upscaler import UpscalerPairs
from tests.worker.training_data import write_picture

# Lightning warns about its own dependencies and about this machine's cores.
pytestmark = pytest.mark.filterwarnings("ignore")

NAME = "upscale_x2_s"
PHOTOS = 12


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Return a flat folder with photographs."""
    for number in range(PHOTOS):
        write_picture(tmp_path / f"shop/product-{number}.png", 50 + number, 200)
    return tmp_path / "shop"


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """Return weights that have learnt nothing."""
    torch.manual_seed(0)
    path = tmp_path / f"{NAME}.safetensors"
    save_file(zoo_entry(NAME).build().state_dict(), path)
    return path


def tune(base: Path | str, shop: Path, out: Path, *options: str) -> int:
    argv = ["--from", str(base), "--data", str(shop), "--out", str(out), "--hours", "0"]
    argv += ["--max-steps", "25", "--validate-steps", "25", "--batch", "4", "--accelerator", "cpu"]
    argv += ["--patch", "16", "--last-patch", "16", "--warm-up-steps", "1", *options]
    return finetune_main(argv)


def test_finetune__writes_weights_that_win(
    shop: Path, fresh: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shop.parent / "out"
    assert tune(fresh, shop, out, "--method", "full", "--learning-rate", "2e-3") == 0
    report = json.loads((out / "report.json").read_text())
    figure = "held_out: x2_psnr_y"
    assert report["better"]
    assert report["after"][figure] > report["before"][figure] + 0.5
    assert report["photos"] == {"training": 8, "selecting": 2, "judging": 2, "skipped": {}}
    assert report["base_sha256"] == file_digest(fresh)
    assert report["judged_by"]["folder"] == str(shop)
    judges = report["judged_by"]["files"]
    assert len(judges) == 2
    assert set(judges) <= {path.name for path in shop.iterdir()}
    assert "The tuned weights win" in capsys.readouterr().out
    tuned = read_net(NAME, out / f"{NAME}.safetensors")
    assert not torch.equal(tuned.body[0].weight, load_file(fresh)["body.0.weight"])
    facts = json.loads((out / "facts.json").read_text())[NAME]
    assert facts["data"] == [
        {"name": f"what {NAME} of sha256 {file_digest(fresh)[:12]} has seen", "licence": "unknown"},
        {"name": "12 photographs of the shop", "licence": "the shop's own"},
    ]
    assert facts["licence"] == "as the base: not recorded; what was tuned is the shop's own"
    assert facts["command"] == (
        "python -m enhancer_worker finetune --data shop --out out --hours 0.0 --max-steps 25 "
        "--batch 4 --patch 16 --last-patch 16 --learning-rate 0.002 --warm-up-steps 1 "
        f"--validate-steps 25 --accelerator cpu --from {NAME}.safetensors --method full"
    )


def test_finetune__judges_by_photographs_that_nothing_was_trained_on(
    shop: Path, fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: set[bytes] = set()

    class Recording(UpscalerPairs):
        def __init__(self, photos: Sequence[Tile], *options: object) -> None:
            trained.update(photo.tobytes() for photo in photos)
            super().__init__(photos, *options)

    monkeypatch.setattr(trials, "UpscalerPairs", Recording)
    out, sheet = shop.parent / "out", shop.parent / "sheet.png"
    tune(fresh, shop, out, "--max-steps", "1", "--validate-steps", "1")
    argv = [str(fresh), "bicubic", "--data", str(out / "report.json"), "--out", str(sheet)]
    assert compare_main(argv) == 0
    shown = json.loads(sheet.with_suffix(".json").read_text())["images"]
    assert list(shown) == json.loads((out / "report.json").read_text())["judged_by"]["files"]
    assert len(trained) == 8
    assert not {read_tile(shop / name).tobytes() for name in shown} & trained


def test_finetune__judges_by_an_even_spread_of_many_photographs_and_says_by_which(
    shop: Path, fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_upscaler, "MOST_HELD_OUT", 1)
    out = shop.parent / "out"
    tune(fresh, shop, out, "--max-steps", "1", "--validate-steps", "1", "--guard", str(shop))
    report = json.loads((out / "report.json").read_text())
    assert len(report["judged_by"]["files"]) == report["photos"]["judging"] == 1
    assert report["photos"]["selecting"] == 1


def test_finetune__resumes_a_finished_run(shop: Path, fresh: Path) -> None:
    out = shop.parent / "out"
    options = ("--method", "full", "--learning-rate", "2e-3")
    assert tune(fresh, shop, out, *options) == 0
    before = (out / f"{NAME}.safetensors").read_bytes()
    assert tune(fresh, shop, out, *options, "--resume") == 0
    assert (out / f"{NAME}.safetensors").read_bytes() == before


def test_finetune__tells_the_licence_of_a_base_that_ships(shop: Path) -> None:
    out = shop.parent / "out"
    options = ("--max-steps", "1", "--validate-steps", "1", "--learning-rate", "0")
    assert tune(NAME, shop, out, *options, "--last-learning-rate", "0") == 1
    facts = json.loads((out / "facts.json").read_text())[NAME]
    assert facts["licence"] == "as the base: BSD-3-Clause; what was tuned is the shop's own"
    assert [data["name"] for data in facts["data"]] == ["photos", "12 photographs of the shop"]


def test_finetune__stops_early_on_its_own_figure(
    shop: Path, fresh: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    options = ("--patience", "1", "--validate-steps", "1", "--learning-rate", "0")
    assert tune(fresh, shop, shop.parent / "out", *options, "--last-learning-rate", "0") == 1
    assert "val/x2_psnr_y stays at " in caplog.text
    assert "step 2, " in caplog.text
    assert "step 3, " not in caplog.text


def test_finetune__says_in_a_line_that_there_is_no_such_figure(
    shop: Path, fresh: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shop.parent / "out"
    assert tune(fresh, shop, out, "--stop-on", "x2_psnr_y") == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told == "no figure 'x2_psnr_y' to stop on; there are val/x2_psnr_y, val/x2_ssim_y"
    assert not out.exists()


def test_finetune__keeps_adapters_apart_and_folds_them(shop: Path, fresh: Path) -> None:
    out = shop.parent / "out"
    assert tune(fresh, shop, out, "--learning-rate", "2e-2", "--adapter-rank", "2") == 0
    folded = load_file(out / f"{NAME}.safetensors")
    base = load_file(fresh)
    assert folded.keys() == base.keys()
    assert all(torch.equal(folded[key], base[key]) for key in base if key.endswith("bias"))
    assert not torch.equal(folded["body.2.weight"], base["body.2.weight"])
    adapters = out / f"{NAME}.adapters.safetensors"
    assert adapters.stat().st_size < 0.15 * fresh.stat().st_size
    again = fold_file(read_net(NAME, fresh), adapters, file_digest(fresh)).state_dict()
    for key, value in folded.items():
        torch.testing.assert_close(again[key], value, rtol=0, atol=1e-6)


def test_finetune__says_when_the_tuned_weights_lose(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shop.parent / "out"
    (out).mkdir()
    (out / f"{NAME}.safetensors").write_bytes(b"of an earlier run")
    spoilt = ("--method", "full", "--learning-rate", "0.3", "--ema-decay", "0")
    assert tune(NAME, shop, out, *spoilt) == 1
    assert "The tuned weights lose; keep those you have." in capsys.readouterr().out
    assert not (out / f"{NAME}.safetensors").exists()
    assert (out / f"{NAME}.lost.safetensors").exists()
    report = json.loads((out / "report.json").read_text())
    assert not report["better"]
    assert report["objections"][0].startswith("held_out: x2_psnr_y gains -")
    assert report["base_sha256"] == file_digest(SHIPPED_WEIGHTS / f"{NAME}.safetensors")


def test_finetune__judges_a_guard_set_too(shop: Path, fresh: Path) -> None:
    write_picture(shop.parent / "guard/one.png", 7, 200)
    out = shop.parent / "out"
    options = ("--method", "full", "--learning-rate", "2e-3", "--guard", str(shop.parent / "guard"))
    assert tune(fresh, shop, out, *options) == 0
    report = json.loads((out / "report.json").read_text())
    assert sorted(report["after"]) == [
        "guard: x2_psnr_y",
        "guard: x2_ssim_y",
        "held_out: x2_psnr_y",
        "held_out: x2_ssim_y",
    ]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({"held_out: x2_psnr_y": 31.0, "guard: x2_psnr_y": 29.95}, ()),
        (
            {"held_out: x2_psnr_y": 31.0, "guard: x2_psnr_y": 29.8},
            ("guard: x2_psnr_y loses 0.200 dB, more than 0.1",),
        ),
        (
            {"held_out: x2_psnr_y": 30.0, "guard: x2_psnr_y": 31.0},
            ("held_out: x2_psnr_y gains +0.000 dB, not more than 0.01",),
        ),
        (
            {"held_out: x2_psnr_y": float("nan"), "guard: x2_psnr_y": 31.0},
            ("held_out: x2_psnr_y gains +nan dB, not more than 0.01",),
        ),
    ],
)
def test_objections__name_what_got_worse(
    after: dict[str, float], expected: tuple[str, ...]
) -> None:
    args = FinetuneArgs(data=Path(), out=Path(), from_=NAME)
    before = {"held_out: x2_psnr_y": 30.0, "guard: x2_psnr_y": 30.0}
    assert objections(before, after, "x2_psnr_y", args) == expected


def test_finetune__tunes_the_restorer(shop: Path) -> None:
    out = shop.parent / "out"
    options = ("--max-steps", "2", "--validate-steps", "2", "--learning-rate", "0", "--batch", "2")
    assert tune("restore_s", shop, out, *options, "--last-learning-rate", "0") == 1
    report = json.loads((out / "report.json").read_text())
    assert report["before"] == report["after"]
    assert report["objections"] == ["held_out: upload_psnr_rgb gains +0.000 dB, not more than 0.01"]


def test_finetune__refuses_too_few_photographs(
    shop: Path, fresh: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in sorted(shop.iterdir())[3:]:
        path.unlink()
    out = shop.parent / "out"
    assert tune(fresh, shop, out) == 2
    assert "3 fit photographs of 3 products; at least 12" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("base", "options", "message"),
    [
        ("upscale_x9", (), "no network 'upscale_x9'; there are upscale_x2_s"),
        ("nowhere/upscale_x2_s.safetensors", (), "cannot read nowhere/upscale_x2_s.safetensors"),
        ("estimate_s", (), "estimate_s is no upscaler and no restorer: only those can be tuned so"),
        ("restore_s", ("--patch", "18"), "restore_s needs patches of a multiple of 4 pixels"),
        (NAME, ("--guard", "nowhere"), "no photographs below nowhere"),
    ],
)
def test_finetune__says_in_a_line_what_it_cannot_start_with(
    base: str,
    options: tuple[str, ...],
    message: str,
    shop: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = shop.parent / "out"
    assert tune(base, shop, out, *options) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith(message)
    assert not out.exists()


def test_finetune__refuses_a_guard_without_a_fit_photograph(
    shop: Path, fresh: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    guard = shop.parent / "guard"
    write_picture(guard / "small.png", 7, 90)
    assert tune(fresh, shop, shop.parent / "out", "--guard", str(guard)) == 2
    assert f"no fit photograph below {guard}: 1 too small" in capsys.readouterr().err


def test_for_base__takes_what_was_not_given_from_its_kind() -> None:
    args = FinetuneArgs(data=Path(), out=Path(), from_=NAME, last_patch=72)
    restorer, upscaler = (args.for_base(zoo_entry(name)) for name in ("restore_s", NAME))
    shown = [(a.patch, a.last_patch, a.last_part, a.loss) for a in (restorer, upscaler)]
    assert shown == [(64, 72, 0.35, "charbonnier"), (32, 72, 0.2, "l1")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "lora"}, "adapters or full"),
        ({"adapter_rank": 0}, "at least 1"),
        ({"init_from": Path("x")}, "not init-from"),
        ({"devices": 2, "validate_steps": 1}, "one device"),
    ],
)
def test_finetune_args__refuse_what_cannot_run(options: dict[str, object], message: str) -> None:
    with pytest.raises(TrainingArgsError, match=message):
        FinetuneArgs(**{"data": Path(), "out": Path(), "from_": NAME} | options)


def test_summary__of_a_loss_compares_with_what_was_tuned(tmp_path: Path) -> None:
    base = tmp_path / "my base.safetensors"
    save_file(zoo_entry("upscale_x2_s").build().state_dict(), base)
    args = FinetuneArgs(data=tmp_path, out=tmp_path / "out", from_=str(base), net="upscale_x2_s")
    told = summary(
        Verdict({"held_out: x2_psnr_y": 30.0}, {"held_out: x2_psnr_y": 29.0}, ("no gain",)), args
    )
    command = shlex.split(told.partition("To look at them: ")[2])
    lost = tmp_path / "out" / "upscale_x2_s.lost.safetensors"
    assert command[:3] == ["compare", str(base), str(lost)]
    assert command[-2:] == ["--net", "upscale_x2_s"]


def test_objections__count_a_figure_that_is_no_number_as_a_loss() -> None:
    args = FinetuneArgs(data=Path(), out=Path(), from_=NAME)
    before = {"held_out: x2_psnr_y": 30.0, "guard: x2_psnr_y": 30.0}
    after = {"held_out: x2_psnr_y": 31.0, "guard: x2_psnr_y": float("nan")}
    assert len(objections(before, after, "x2_psnr_y", args)) == 1


def test_finetune__selects_by_photographs_that_do_not_judge(
    shop: Path, fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_out: list[set[bytes]] = []
    original = fit_upscaler.held_out_pairs

    def noted(photos: Sequence[Tile], *options: object) -> object:
        held_out.append({photo.tobytes() for photo in photos})
        return original(photos, *options)

    monkeypatch.setattr(fit_upscaler, "held_out_pairs", noted)
    tune(fresh, shop, shop.parent / "out", "--max-steps", "1", "--validate-steps", "1")
    judging, selecting = held_out
    assert not judging & selecting


def test_finetune__leaves_no_adapters_of_an_earlier_run(shop: Path, fresh: Path) -> None:
    out = shop.parent / "out"
    out.mkdir()
    (out / "candidate.adapters.safetensors").write_bytes(b"of an earlier run")
    tune(fresh, shop, out, "--method", "full", "--max-steps", "1", "--validate-steps", "1")
    assert not list(out.glob("*.adapters.safetensors"))


def test_fitness__leaves_room_for_patches_and_their_margin() -> None:
    args = FinetuneArgs(data=Path(), out=Path(), from_=NAME, patch=32, last_patch=64)
    trial = trials.trial_of(zoo_entry("upscale_x4_s"))
    assert finetune._fitness(args, trial).smallest_side >= 4 * 64
