"""Pictures of conversations."""

from __future__ import annotations

import subprocess
import sys
import warnings
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from timeline_script import Script, at, boxes, chat, everything, labelled, lane, latency, moments, spans, texts

from cleans2s import events as ev
from cleans2s.audio import Audio, silence
from cleans2s.conversation import Conversation, Message
from cleans2s.errors import ConfigError
from cleans2s.recording import Recording
from cleans2s.timeline import Timeline


@pytest.fixture(scope="module")
def picture() -> Any:
    return Timeline(everything()).figure()


# ── what there is to see ────────────────────────────────────────────────────────────────────────────────────────────


def test_turns_and_replies_stand_where_they_were_spoken(picture: Any) -> None:
    assert np.array(spans(picture, "user's turn")) == at((0.4, 2.1), (5.4, 8.6), (14.5, 16.2), (20.3, 21.9))
    assert np.array(spans(picture, "agent's reply")) == at((2.56, 4.6), (9.12, 15.201), (16.83, 19.0), (22.7, 25.2))
    assert moments(picture, "turn taken as over") == pytest.approx([2.35, 8.85, 16.45, 22.15])
    seen = texts(picture)
    for text, start_s in (("What is the capital of France?", 0.4), ("Stop, I only have a microwave.", 14.5)):
        assert seen[text].get_position()[0] == pytest.approx(start_s)
        assert seen[text].get_position()[1] > lane(picture, "user")
    below = seen["The capital of France is Paris."].get_position()
    assert below[0] == pytest.approx(2.56) and lane(picture, "asr") < below[1] < lane(picture, "agent")


def test_pauses_are_ticks(picture: Any) -> None:
    assert moments(picture, "pause: reply is prepared") == pytest.approx([2.164, 6.464, 8.664, 11.514, 16.264, 21.964])


def test_each_gap_is_an_arrow_with_its_number_and_where_it_went(picture: Any) -> None:
    arrows = [tuple(line.get_xdata()) for line in labelled(picture, "voice-to-voice gap")]
    assert np.array(arrows) == at((2.1, 2.56), (8.6, 9.12), (16.2, 16.83), (21.9, 22.7))
    seen = texts(picture)
    for (end_s, _), number in zip(arrows, ("460 ms", "520 ms", "630 ms", "800 ms"), strict=True):
        assert seen[number].get_position()[0] == pytest.approx(end_s)
    assert "= hear 138 + think 230 + speak 46 + wait 46" in seen
    assert "median voice-to-voice 575 ms" in picture.texts[0].get_text()
    assert picture.texts[0].get_text().startswith("4 turns")


def test_a_gap_whose_parts_are_unknown_is_only_a_number() -> None:
    s = Script(4.0)
    s.events.append(ev.TurnEnded(1.0, 1, 1.0, 1.0, "Typed.", None))
    s.events.append(ev.ReplyStarted(1.3, 1, ev.Latency(None, None, None, None, None, None, None)))
    seen = texts(Timeline(s.recording).figure())
    assert "300 ms" in seen and not any(text.startswith("=") for text in seen)


def test_what_was_no_turn_says_why(picture: Any) -> None:
    assert np.array(spans(picture, "no turn")) == at((11.1, 11.45), (27.6, 29.0))
    assert texts(picture)["backchannel: Uh-huh."].get_position()[0] == pytest.approx(11.1)
    assert "unfinished: Never mind" in texts(picture)
    s = Script(3.0)
    s.starts(1.0, 1.2)
    s.events.append(ev.Ignored(1.5, 1.0, "", "noise"))
    assert "noise" in texts(Timeline(s.recording).figure())


def test_a_turn_without_reply_says_so() -> None:
    s = Script(3.0)
    s.says("", 0.5, 1.5)
    seen = texts(Timeline(s.recording).figure())
    assert {"no reply", "(no words)"} <= seen.keys()


def test_the_agent_holds_its_voice_and_is_interrupted(picture: Any) -> None:
    assert np.array(spans(picture, "voice held (ducked)")) == at((11.164, 11.8), (14.564, 15.2))
    assert all(boxes.get_hatch() for boxes in labelled(picture, "voice held (ducked)"))
    (mark,) = labelled(picture, "interruption")
    assert list(mark.get_xdata()) == pytest.approx([15.2, 15.2])
    assert min(mark.get_ydata()) < lane(picture, "agent") < lane(picture, "user") < max(mark.get_ydata())


def test_a_duck_that_never_ends_lasts_to_the_end() -> None:
    s = Script(5.0)
    s.says("Go on.", 0.5, 1.0)
    s.replies("Well.", 1.0, 1.5, 4.0)
    s.events.append(ev.Ducked(3.0, 1))
    figure = Timeline(s.recording).figure()
    assert np.array(spans(figure, "voice held (ducked)")) == at((3.0, 5.0))
    assert np.array(spans(figure, "agent's reply")) == at((1.5, 5.0))
    assert "Well." in texts(figure)


def test_unheard_words_are_struck_through_below_the_heard_ones(picture: Any) -> None:
    seen = texts(picture)
    heard = seen["You heat the water until it is almost boiling,"].get_position()
    unheard = seen["and pour it over the leaves."]
    (strike,) = labelled(picture, "struck: not heard")
    assert unheard.get_position()[1] < heard[1]
    assert list(strike.get_ydata()) == pytest.approx([unheard.get_position()[1]] * 2)
    box = dict(boxes(picture))["and pour it over the leaves."].transformed(picture.axes[0].transData.inverted())
    assert list(strike.get_xdata()) == pytest.approx([box.x0, box.x1], abs=0.15)


def test_the_conversation_tells_what_was_not_heard_of_a_failed_reply() -> None:
    s = Script(5.0)
    s.says("Tell me more.", 0.5, 1.0)
    s.replies("It was in spring, and then", 1.0, 1.5, 4.0)
    s.ends("It was in spring,", 4.0, "failed")
    conversation = Conversation([Message("assistant", "It was in spring,", 1.499, "failed", "and then")])
    assert "and then" in texts(Timeline(s.recording, conversation).figure())
    assert "and then" not in texts(Timeline(s.recording).figure())


def test_each_engine_works_in_its_lane(picture: Any) -> None:
    lanes = [lane(picture, stage) for stage in ("asr", "endpoint", "llm", "tts")]
    assert lanes == sorted(lanes, reverse=True) and lanes[0] < lane(picture, "agent")
    assert np.array(spans(picture, "_tts")) == at((2.44, 2.56), (9.0, 9.12), (16.71, 16.83), (22.58, 22.7))
    assert spans(picture, "_llm")[0] == pytest.approx((2.27, 2.35))
    (bars,) = labelled(picture, "_tts")
    y = bars.get_paths()[0].vertices[:, 1]
    assert y.min() < lanes[3] < y.max() and y.max() - y.min() < lanes[2] - lanes[3]


def test_a_failure_is_a_mark_in_its_lane_with_its_text(picture: Any) -> None:
    (mark,) = labelled(picture, "failure")
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == pytest.approx((22.4, lane(picture, "llm")))
    assert "llm: no answer within 20 s; the reply is given up" in texts(picture)
    assert "1 failure" in picture.texts[0].get_text() and "1 interruption" in picture.texts[0].get_text()


@pytest.mark.parametrize("rate", [16_000, 22_050])
def test_both_voices_are_drawn_where_they_sound(rate: int) -> None:
    user, agent = silence(40.0, rate), silence(40.0, rate)
    user[int(2.0 * rate)], agent[int(35.0 * rate)] = 0.9, -0.7
    figure = Timeline(Recording(Audio(user, rate), Audio(agent, rate), [])).figure()
    waves = [axes.collections for axes in figure.axes]
    assert [len(row) for row in waves] == [2, 2]
    for wave, at_s, up in ((waves[0][0], 2.0, True), (waves[1][1], 35.0, False)):
        xy = wave.get_paths()[0].vertices
        extreme = xy[np.argmax(xy[:, 1]) if up else np.argmin(xy[:, 1])]
        assert extreme[0] == pytest.approx(at_s, abs=0.03)
        assert np.ptp(xy[:, 1]) > 0.2
    assert np.ptp(waves[0][1].get_paths()[0].vertices[:, 1]) == pytest.approx(0)


# ── how it is laid out ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_long_conversation_wraps_into_equal_rows() -> None:
    recording = chat(15, 6.0, seed=3)
    figure = Timeline(recording).figure()
    rows = [axes.get_xlim() for axes in figure.axes]
    assert len(rows) == 4 and rows[0][0] == 0 and rows[-1][1] >= recording.user.duration_s
    assert [end - start for start, end in rows] == pytest.approx([rows[0][1]] * 4)
    assert [start for start, _ in rows[1:]] == pytest.approx([end for _, end in rows[:-1]])
    tops = [axes.get_position().y1 for axes in figure.axes]
    floors = [axes.get_position().y0 for axes in figure.axes]
    assert all(top < floor for top, floor in zip(tops[1:], floors[:-1], strict=True)) and floors[-1] > 0
    ended = [event for event in recording.events if isinstance(event, ev.TurnEnded)]
    assert moments(figure, "turn taken as over") == pytest.approx([event.at_s for event in ended])
    assert figure.get_figwidth() <= 17


def test_width_grows_with_the_duration() -> None:
    widths = [Timeline(Script(duration_s).recording).figure().get_figwidth() for duration_s in (2.0, 15.0, 25.0, 300.0)]
    assert widths[0] < widths[1] < widths[2] <= widths[3] == pytest.approx(17)


@pytest.mark.parametrize(("turns", "period_s", "seed"), [(15, 6.0, 1), (20, 4.0, 2), (15, 3.0, 3), (8, 8.0, 4)])
def test_no_text_covers_another_or_leaves_the_picture(turns: int, period_s: float, seed: int) -> None:
    figure = Timeline(chat(turns, period_s, seed)).figure()
    found = list(boxes(figure))
    assert len(found) > 2 * turns
    for (one, a), (other, b) in combinations(found, 2):
        across, down = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert across <= 1 or down <= 2, f"{one!r} and {other!r}"
    for text, box in found:
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 and box.y1 <= figure.bbox.y1, text


def test_numbers_of_quick_turns_stand_side_by_side() -> None:
    s = Script(25.0)
    for turn, at_s in enumerate((10.0, 10.3, 10.6), start=1):
        s.events += [ev.TurnEnded(at_s, turn, at_s, at_s, "", None), ev.ReplyStarted(at_s + 0.2, turn, latency(200))]
    found = [box for text, box in boxes(Timeline(s.recording).figure()) if text == "200 ms"]
    assert len(found) == 3 and len({box.y0 for box in found}) == 1
    assert all(a.x1 <= b.x0 for a, b in pairwise(found))


def test_words_at_the_end_of_a_row_are_narrow_rather_than_far_from_their_voice() -> None:
    s = Script(30.0)
    s.says("What is the capital of France, and of Spain, and of Italy, and of Greece?", 27.5, 28.5)
    starts_s = [text.get_position()[0] for text in texts(Timeline(s.recording).figure()).values() if "of" in str(text)]
    assert len(starts_s) > 2 and min(starts_s) > 27.0


def test_the_legend_covers_nothing_and_names_only_what_there_is(picture: Any) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    for figure in (picture, Timeline(chat(1, 6.0, seed=1)).figure()):
        renderer = FigureCanvasAgg(figure).get_renderer()
        legend, title = (artist.get_window_extent(renderer) for artist in (figure.legends[0], figure.texts[0]))
        assert legend.y0 >= figure.axes[0].get_window_extent().y1 and legend.y1 <= title.y0
        assert legend.x1 <= figure.bbox.x1 and title.y1 <= figure.bbox.y1
    names = [text.get_text() for text in picture.legends[0].get_texts()]
    assert {"interruption", "failure", "voice held (ducked)", "user's turn"} <= set(names)
    s = Script(3.0)
    s.says("Hello?", 0.5, 1.5)
    names = [text.get_text() for text in Timeline(s.recording).figure().legends[0].get_texts()]
    assert names == ["user's turn", "pause: reply is prepared", "turn taken as over"]


def test_a_text_too_long_ends_in_an_ellipsis() -> None:
    s = Script(3.0)
    s.says("word " * 500, 0.5, 1.5)
    lines = [text for text in texts(Timeline(s.recording).figure()) if "word" in text]
    assert len(lines) < 12 and sum(text.endswith("…") for text in lines) == 1


# ── strange input ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "你好 明天北京的天气怎么样",
        "안녕하세요",
        "costs $5 {\\frac or $6",
        "a\nb\tc\x00\u200b\u202e",
        "😀👩\u200d👩",
        "\ud800",
        "x" * 900,
    ],
)
@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_any_text_can_be_drawn(text: str, suffix: str, tmp_path: Path) -> None:
    s = Script(4.0)
    s.says(text, 0.5, 1.5)
    s.replies(text, 1.5, 2.0, 3.0)
    s.events += [ev.Interrupted(3.0, 1, text, text), ev.Failed(3.2, text, text), ev.Ignored(3.5, 3.3, text, "echo")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        timeline = Timeline(s.recording)
        timeline.save(tmp_path / f"timeline.{suffix}")
        figure = timeline.figure()
        assert all(box.x1 <= figure.bbox.x1 for _, box in boxes(figure))


def test_a_text_is_one_line_without_control_characters() -> None:
    s = Script(3.0)
    s.says(" a\nb\tc\x00\u200b\u202e $5 ", 0.5, 1.5)
    assert "a b c $5" in texts(Timeline(s.recording).figure())


def test_an_odd_log_is_drawn_as_far_as_it_goes() -> None:
    odd: list[ev.Event] = [
        ev.SpeechStarted(-0.01, -0.02, False),
        ev.ReplyStarted(1.0, 7, latency(300)),
        ev.Resumed(1.2, 9),
        ev.Ducked(2.0, 9),
        ev.Interrupted(2.5, 3, "", ""),
        ev.ReplyEnded(2.6, 4, "dropped", ""),
        ev.StageRan(9.0, "tts", 1.0, 9.0, ""),
    ]
    figure = Timeline(Recording(Audio(silence(0)), Audio(silence(0)), odd)).figure()
    assert figure.axes[0].get_xlim()[1] >= 9.0
    assert moments(figure, "interruption") == [2.5]
    assert np.array(spans(figure, "no turn")) == at((-0.02, 9.0))


@pytest.mark.parametrize("duration_s", [0.0, 0.001, 5.0])
def test_nothing_said_is_an_empty_picture(duration_s: float) -> None:
    figure = Timeline(Script(duration_s).recording, Conversation()).figure()
    assert figure.texts[0].get_text() == "0 turns" and len(figure.axes) == 1 and not texts(figure)
    assert Timeline(Script(duration_s).recording)._repr_png_().startswith(b"\x89PNG")


# ── files, time and imports ─────────────────────────────────────────────────────────────────────────────────────────


def test_it_is_saved_as_png_or_svg(tmp_path: Path) -> None:
    timeline = Timeline(everything())
    timeline.save(tmp_path / "a.png")
    timeline.save(str(tmp_path / "a.SVG"))
    png = (tmp_path / "a.png").read_bytes()
    assert png.startswith(b"\x89PNG\r\n") and png == timeline._repr_png_()
    assert int.from_bytes(png[16:20]) == round(timeline.figure().get_figwidth() * 120)
    assert "<svg" in (tmp_path / "a.SVG").read_text("utf-8")
    for name in ("a.gif", "a"):
        with pytest.raises(ConfigError, match=r"\.png or \.svg"):
            timeline.save(tmp_path / name)
        assert not (tmp_path / name).exists()


def test_ten_minutes_are_drawn_in_many_rows() -> None:
    figure = Timeline(chat(100, 6.0, seed=5)).figure()
    assert len(figure.axes) >= 20


def test_matplotlib_is_loaded_only_to_draw_and_pyplot_never() -> None:
    code = """
import sys
from cleans2s.audio import Audio, silence
from cleans2s.recording import Recording
from cleans2s.timeline import Timeline
timeline = Timeline(Recording(Audio(silence(1)), Audio(silence(1)), []))
assert "matplotlib" not in sys.modules
assert timeline._repr_png_()
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={"MPLBACKEND": "tkagg", "PATH": "", "HOME": "/tmp"})
