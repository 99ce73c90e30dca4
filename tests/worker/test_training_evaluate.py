"""Evaluation: shape of the report, what is judged, and the protocol check."""

import json
import shutil
from pathlib import Path

import pytest
from torch import nn

from enhancer_worker.nets.zoo import ZOO
from enhancer_worker.training import evaluate
from enhancer_worker.training.benchmarks import (
    BenchmarkSet,
    UnknownBenchmarkError,
    parse_sets,
    summarize,
)
from enhancer_worker.training.cli import evaluate_main, train_main
from enhancer_worker.training.evaluate import (
    EvaluateArgs,
    chosen_names,
    collect_nets,
    merged,
    parse_evaluate,
    protocol_deviations,
    reports,
)
from shopimg.contract import WorkerError
from tests.worker.training_data import write_data, write_picture

ALL = "set5,b100,cbsd68,live1"
X2 = "upscale_x2_s"
RESTORE_M = "restore_m" if "restore_m" in ZOO else "restore_s"


def copied_net(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        shutil.copy(evaluate.SHIPPED_WEIGHTS / f"{name}.safetensors", folder)
    return folder


def test_evaluate__writes_one_json_object(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--data", str(write_data(tmp_path)), "--set", ALL, "--limit", "1", "--json"]
    assert evaluate_main(argv) == 0
    report = json.loads(capsys.readouterr().out)
    assert {name: list(cases) for name, cases in report.items()} == {
        "set5": ["x2", "x3", "x4"],
        "b100": ["x2", "x3", "x4"],
        "cbsd68": ["sigma15", "sigma25", "sigma50"],
        "live1": ["q10", "q20", "q30", "q40"],
    }
    assert set(report["set5"]["x2"]) == {
        "psnr_y",
        "ssim_y",
        "psnr_y_bicubic",
        "ssim_y_bicubic",
        "min_gain_over_bicubic",
    }
    assert set(report["cbsd68"]["sigma25"]) == {"psnr_rgb", "ssim_rgb"}
    assert report["live1"]["q20"]["psnr_y"] > report["live1"]["q10"]["psnr_y"]


def test_evaluate__judges_any_folder_by_any_protocol(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_picture(tmp_path / "mine" / "One.PNG", 3, 50)
    sets = [f"mine:blur={tmp_path / 'mine'}", f"mine:clean={tmp_path / 'mine'}"]
    argv = ["--set", sets[0], "--set", sets[1], "--net", "restore_s", "--json"]
    assert evaluate_main(argv) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report["mine"]) == ["gauss1.2", "gauss1.6", "disk2", "motion7", "clean"]
    blurred = report["mine"]["disk2"]
    assert blurred["gain"] == pytest.approx(blurred["psnr_rgb"] - blurred["psnr_rgb_input"])


def test_evaluate__measures_the_photo_flavour_for_its_purpose(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_picture(tmp_path / "mine" / "one.png", 3, 64)
    argv = ["--set", f"mine:photo={tmp_path / 'mine'}", "--flavour", "photo", "--json"]
    assert evaluate_main(argv) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report["mine"]) == ["photo_x2", "photo_x3", "photo_x4"]
    assert "min_gain_over_bicubic" in report["mine"]["photo_x2"]


def test_evaluate__judges_a_folder_with_one_net(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = str(copied_net(tmp_path / "run", X2))
    data = str(write_data(tmp_path))
    assert evaluate_main(["--data", data, "--set", "set5,live1", "--weights", weights]) == 1
    shown = capsys.readouterr()
    assert shown.out.startswith("set5     x2       upscale_x2_s   psnr_y ")
    assert "x4" not in shown.out
    assert "live1" not in shown.out
    assert "Protocol differs: set5 x2: bicubic" in shown.err


def test_evaluate__puts_further_nets_below_their_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = X2, "upscale_x4_s"
    data = ["--data", str(write_data(tmp_path)), "--set", "set5", "--limit", "1", "--json"]
    assert evaluate_main([*data, "--net", first, "--net", second, "--net", first]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {name: list(cases) for name, cases in report.items()} == {"set5": ["x2", "x4"]}
    measured = [(net, "set5", "x2", {"psnr_y": psnr}) for net in "ab" for psnr in (1.0, 2.0)]
    main, others = reports(measured)
    assert merged(main) == {"set5": {"x2": {"psnr_y": 1.5}}}
    assert others == {"b": {"set5": {"x2": {"psnr_y": 1.5}}}}


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--set", "mine=somewhere"], "no protocol for 'mine': write mine:PROTOCOL, one of sr, "),
        (["--set", "mine:magic=somewhere"], "no protocol 'magic' for 'mine'"),
        (["--set", "set5"], "no folder for 'set5': give --data, or set5=DIR"),
        (["--set", "set5="], "set5= names no folder"),
        (["--set", "set5=/nowhere/at-all"], "no images in /nowhere/at-all"),
        (["--data", "x", "--set", "set5,set5:sr"], "set5:sr is asked for more than once"),
        (["--set", "set5=x", "--weights", "/nowhere"], "/nowhere holds none of upscale_x2_s"),
    ],
)
def test_evaluate__says_in_a_line_what_it_cannot_judge(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate_main(argv) == 2
    shown = capsys.readouterr()
    assert words in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""


def test_evaluate__says_when_no_net_fits_the_sets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--data", str(write_data(tmp_path)), "--set", "live1", "--net", X2]
    assert evaluate_main(argv) == 2
    shown = capsys.readouterr()
    assert shown.err.endswith("\nNo net is there for any of these sets.\n")
    assert shown.out == ""


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ("upscale_x2_s", "upscale_x3_s", "upscale_x4_s", "restore_s")),
        (
            {"tier": "m", "flavour": "photo"},
            ("upscale_x2_m_photo", "upscale_x3_m_photo", "upscale_x4_m_photo", RESTORE_M),
        ),
        ({"tier": "m", "nets": ("espcn_x2",)}, ("espcn_x2",)),
    ],
)
def test_chosen_names__follow_tier_and_flavour(
    options: dict[str, str], names: tuple[str, ...]
) -> None:
    assert chosen_names(EvaluateArgs((), **options)) == names


def test_collect_nets__reads_one_file() -> None:
    path = evaluate.SHIPPED_WEIGHTS / "restore_s.safetensors"
    assert list(collect_nets(EvaluateArgs((), path))) == ["restore_s"]


def test_collect_nets__reads_what_a_folder_has(tmp_path: Path) -> None:
    folder = copied_net(tmp_path / "run", "restore_s", X2)
    assert set(collect_nets(EvaluateArgs((), folder))) == {"restore_s", X2}
    assert list(collect_nets(EvaluateArgs((), folder, nets=("restore_s",)))) == ["restore_s"]


def test_collect_nets__reads_of_a_folder_the_flavour_that_is_asked_for(tmp_path: Path) -> None:
    m = "upscale_x2_m_photo"
    folder = copied_net(tmp_path / "run", "restore_s", X2, f"{X2}_photo", "espcn_x2", m)
    for asked, found in (
        ({}, {"restore_s", X2, f"{X2}_photo", "espcn_x2", m}),
        ({"flavour": "photo"}, {"restore_s", f"{X2}_photo", m}),
        ({"tier": "m"}, {"restore_s", m}),
        ({"tier": "s"}, {"restore_s", X2, f"{X2}_photo"}),
    ):
        assert set(collect_nets(EvaluateArgs((), folder, **asked))) == found


def test_collect_nets__takes_what_ships_of_a_tier() -> None:
    shipped = ["upscale_x2_s", "upscale_x3_s", "upscale_x4_s", "restore_s"]
    assert list(collect_nets(EvaluateArgs(()))) == shipped


def test_collect_nets__refuses_a_net_that_does_not_ship() -> None:
    with pytest.raises(WorkerError, match="does not list upscale_x7_s"):
        collect_nets(EvaluateArgs((), nets=("upscale_x7_s",)))


def test_nets_for__compares_scales() -> None:
    (clean,) = parse_sets(["a:clean=b"], None)[0].cases
    nets: dict[str, nn.Module] = dict(collect_nets(EvaluateArgs((), nets=(X2, "restore_s"))))
    nets["other"] = nn.Identity()
    assert evaluate.nets_for(clean, nets) == ["restore_s"]


def test_parse_evaluate__splits_sets_at_commas_but_not_folders(tmp_path: Path) -> None:
    argv = ["--data", str(tmp_path), "--set", "Set5, live1", "--set", "a:sr=b,c", "--limit", "3"]
    args, as_json, threads = parse_evaluate(argv)
    assert args.sets == (
        BenchmarkSet("Set5", "sr", tmp_path / "benchmarks/Set5"),
        BenchmarkSet("live1", "jpeg", tmp_path / "benchmarks/live1"),
        BenchmarkSet("a", "sr", Path("b,c")),
    )
    assert (args.limit, as_json, threads) == (3, False, 0)


def test_images__are_found_in_any_layout(tmp_path: Path) -> None:
    for name in ("b.png", "shelf/a.JPG", "shelf/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = BenchmarkSet("mine", "sr", tmp_path).images()
    assert found == [tmp_path / "b.png", tmp_path / "shelf/a.JPG"]
    assert BenchmarkSet("Set5", "sr", tmp_path).images() == [tmp_path / "b.png"]


def test_images__refuse_missing_folders(tmp_path: Path) -> None:
    with pytest.raises(UnknownBenchmarkError, match=r"no images in .*set5"):
        BenchmarkSet("set5", "sr", tmp_path / "set5").images()


def test_protocol_deviations__compare_with_published_figures() -> None:
    assert protocol_deviations({"set5": {"x2": {"psnr_y_bicubic": 33.685}}}) == []
    assert protocol_deviations({"Set5": {"x3": {"psnr_y_bicubic": 30.35}}}) == [
        "Set5 x3: bicubic 30.35, published 30.39"
    ]
    assert protocol_deviations({"b100": {"x4": {"psnr_y_bicubic": 25.90}}}) == [
        "b100 x4: bicubic 25.90, published 25.96"
    ]


def test_protocol_deviations__compare_jpeg_inputs_too() -> None:
    assert protocol_deviations({"classic5": {"q10": {"psnr_y_input": 27.80}}}) == []
    assert protocol_deviations({"LIVE1": {"q40": {"psnr_y_input": 32.39}}}) == [
        "LIVE1 q40: JPEG input 32.39, published 32.35"
    ]


def test_summarize__finds_the_worst_gain() -> None:
    figures = [
        {"psnr_y": 30.0, "psnr_y_bicubic": 28.0},
        {"psnr_y": 31.0, "psnr_y_bicubic": 30.5},
    ]
    assert summarize(figures) == {
        "psnr_y": 30.5,
        "psnr_y_bicubic": 29.25,
        "min_gain_over_bicubic": 0.5,
    }


def test_train__explains_its_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert train_main([]) == 2
    assert train_main(["gan"]) == 2
    assert "train {restorer,upscaler,estimator,blur,matting,backdrop}" in capsys.readouterr().err
