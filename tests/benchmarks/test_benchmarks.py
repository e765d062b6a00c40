"""The benchmarks run and measure what they say; nothing here is timed against the clock."""

import json

import pytest

from saccade.benchmarks import __main__ as command
from saccade.benchmarks import agent_overhead, memory, sam_prompts
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene
from saccade.settings import ModelSpec
from saccade.tools.experts.sam.expert import Sam


def test_checkpoints_do_not_grow_with_the_picture(tmp_path):
    small, large = (agent_overhead.checkpoint_bytes(tmp_path, side) for side in (64, 1024))
    assert small > 1000
    # The handles and sizes in words have more digits; the pixels are 256 times as many.
    assert abs(large - small) < 0.02 * small


def test_a_tool_round_is_measured_beside_both_bare_loops(monkeypatch):
    monkeypatch.setattr(agent_overhead, "ROUNDS", 1)
    monkeypatch.setattr(agent_overhead, "TURNS", 1)
    figures = agent_overhead.measure()
    assert figures["tool_round_cpu_vs_bare"] > 0
    assert figures["tool_round_cpu_vs_stock_limits"] > 0


def test_twenty_prompts_over_two_turns_run_the_encoder_once(monkeypatch):
    monkeypatch.setattr(sam_prompts, "ROUNDS", 1)
    monkeypatch.setattr(sam_prompts, "PROMPTS", 2)
    sam = Sam.load(ModelSpec.parse("zoo:sam"), "cpu")
    figures = sam_prompts.measure_model(sam, render(sample_scene(3, "test"), 512).image)
    assert figures["encoder_runs_for_20_prompts_over_two_turns"] == 1


def test_memory_is_measured_beside_chroma_and_numpy(monkeypatch):
    for name, value in {"SIZES": (600,), "DIM": 64, "QUERIES": 30, "WARM": 1, "SINGLES": 5, "TOGETHER": 20}.items():
        monkeypatch.setattr(memory, name, value)
    figures = memory.measure()["600_vectors"]
    for filters in ("kept_2_percent", "kept_50_percent"):
        assert figures[filters]["recall_at_10"] == 1.0
        assert figures[filters]["vs_numpy_p50"] > 0
    assert figures["unfiltered"]["recall_at_10"] >= 0.99
    assert figures["kept_2_percent"]["kept"] == 12
    assert figures["kept_50_percent"]["kept"] == 300
    assert figures["acknowledging_single_pictures"]["vs_raw"] > 0
    assert figures["reopening"]["ours"]["opening_and_first_search_s"] > 0


def test_the_command_writes_what_it_prints(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(agent_overhead, "ROUNDS", 1)
    monkeypatch.setattr(agent_overhead, "TURNS", 1)
    out = tmp_path / "figures.json"
    monkeypatch.setattr("sys.argv", ["saccade.benchmarks", "agent_overhead", "--out", str(out)])
    command.main()
    assert json.loads(out.read_text())["agent_overhead"]["rounds"] == 1
    assert "tool_round_cpu_vs_bare" in capsys.readouterr().out


def test_an_unknown_benchmark_is_refused_with_the_names_there_are(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["saccade.benchmarks", "nosuch"])
    with pytest.raises(SystemExit) as stopped:
        command.main()
    assert stopped.value.code == 2
    assert "agent_overhead" in capsys.readouterr().err
