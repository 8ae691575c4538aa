"""Turn-taking, frame by frame: no clock, no loop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleans2s.turn import FRAME, FRAME_MS, End, Onset, Opinions, Pause, Resumption, TurnDetector, TurnTaking, fuse, required_ms

SURE = Opinions(audio=0.95, words=0.9)
UNSURE = Opinions(audio=0.05, words=0.0001)


def hear(turns: TurnDetector, p: float, ms: float, opinion: Opinions | None = None) -> list[object]:
    """So many ms of frames with one speech probability; every pause gets this opinion at once."""
    events: list[object] = []
    for _ in range(round(ms / FRAME_MS)):
        for event in turns.push(p):
            events.append(event)
            if isinstance(event, Pause) and opinion:
                events.extend(turns.opine(event.revision, **opinion))
    return events


def end_after_ms(opinion: Opinions | None) -> float:
    """Silence until the turn was over."""
    turns = TurnDetector()
    hear(turns, 0.9, 1600)
    spoken = turns.heard
    events = hear(turns, 0.1, 3200, opinion)
    assert isinstance(events[-1], End)
    silence_frames = next(n for n in range(1, 100) if any(isinstance(e, End) for e in replayed(n, opinion)))
    assert events[-1].speech_end == spoken
    return silence_frames * FRAME_MS


def replayed(silent_frames: int, opinion: Opinions | None) -> list[object]:
    turns = TurnDetector()
    hear(turns, 0.9, 1600)
    return hear(turns, 0.1, silent_frames * FRAME_MS, opinion)


def test_a_click_is_no_onset_and_speech_begins_with_its_first_frame():
    turns = TurnDetector()
    assert hear(turns, 0.9, FRAME_MS) + hear(turns, 0.1, 320) == []
    begins = turns.heard
    assert hear(turns, 0.9, 320) == [Onset(begins, overlap=False)]


def test_the_end_comes_early_when_both_are_sure_and_late_when_they_are_not():
    settings = TurnTaking()
    assert end_after_ms(SURE) == pytest.approx(settings.eager_ms, abs=FRAME_MS)
    assert end_after_ms(UNSURE) == pytest.approx(settings.patience_ms, abs=FRAME_MS)
    assert end_after_ms({"words": None}) == pytest.approx(settings.blind_ms, abs=FRAME_MS)


def test_an_opinion_that_is_awaited_keeps_the_turn_open():
    assert end_after_ms(None) == pytest.approx(TurnTaking().patience_ms, abs=FRAME_MS)


def test_one_opinion_alone():
    settings = TurnTaking()
    assert end_after_ms({"words": 0.9}) == pytest.approx(settings.eager_ms, abs=FRAME_MS)
    assert end_after_ms({"words": 0.0001}) == pytest.approx(settings.patience_ms, abs=FRAME_MS)
    assert end_after_ms({"words": None, "audio": 0.9}) == pytest.approx(settings.blind_ms, abs=FRAME_MS)
    assert end_after_ms({"words": None, "audio": 0.1}) == pytest.approx(settings.patience_ms, abs=FRAME_MS)


@pytest.mark.parametrize(("words", "open_question"), [(0.9, False), (0.0001, False), (0.2, True), (None, True)])
def test_the_sound_is_asked_only_where_it_can_change_the_answer(words, open_question):
    turns = TurnDetector()
    hear(turns, 0.9, 800)
    (pause,) = hear(turns, 0.1, 64)
    list(turns.opine(pause.revision, words=words))
    assert turns.undecided == open_question
    assert not list(turns.opine(pause.revision, audio=0.5))
    assert not turns.undecided


def test_a_pause_of_one_second_in_mid_sentence_is_survived():
    turns = TurnDetector()
    hear(turns, 0.9, 800)
    events = hear(turns, 0.1, 1000, UNSURE) + hear(turns, 0.9, 640) + hear(turns, 0.1, 640, SURE)
    assert [type(event) for event in events] == [Pause, Resumption, Pause, End]
    assert events[-1].onset == 0


def test_an_opinion_on_an_older_pause_is_void():
    turns = TurnDetector()
    hear(turns, 0.9, 800)
    first = hear(turns, 0.1, 320)[0]
    hear(turns, 0.9, 320)
    second = hear(turns, 0.1, 320)[-1]
    assert second.revision > first.revision
    assert list(turns.opine(first.revision, **SURE)) == []
    assert [type(e) for e in turns.opine(second.revision, **SURE)] == [End]


def test_a_late_opinion_ends_the_turn_at_once():
    turns = TurnDetector()
    hear(turns, 0.9, 800)
    (pause,) = hear(turns, 0.1, 500)
    assert [type(e) for e in turns.opine(pause.revision, **SURE)] == [End]


def test_whoever_is_left_room_in_a_pause_has_it_whatever_the_opinions():
    turns = TurnDetector()
    hear(turns, 0.9, 800)
    (pause,) = hear(turns, 0.1, 400)
    turns.leave_room(pause.revision, 800)
    turns.leave_room(pause.revision - 1, 5000)  # of an older one nothing is left
    assert list(turns.opine(pause.revision, **SURE)) == []
    assert hear(turns, 0.1, 700) == []
    assert [type(e) for e in hear(turns, 0.1, 128)] == [End]
    hear(turns, 0.9, 800)
    assert [type(e) for e in hear(turns, 0.1, 256, SURE)] == [Pause, End]  # the next turn owes it nothing


def test_a_click_in_a_pause_neither_revokes_nor_ends_it():
    turns = TurnDetector()
    hear(turns, 0.9, 800)
    assert len(hear(turns, 0.1, 160, UNSURE)) == 1
    assert hear(turns, 0.9, FRAME_MS) == []
    assert [type(e) for e in hear(turns, 0.1, 1600)] == [End]


def test_a_dropped_sound_leaves_the_detector_as_new():
    turns = TurnDetector()
    hear(turns, 0.9, 320)
    hear(turns, 0.1, 96)
    turns.drop()
    assert hear(turns, 0.1, 3200) == []
    assert [type(e) for e in hear(turns, 0.9, 320)] == [Onset]


def test_a_turn_without_a_pause_ends_at_the_limit():
    turns = TurnDetector(TurnTaking(max_turn_s=5))
    ends = [e for e in hear(turns, 0.9, 12_000) if isinstance(e, End)]
    assert len(ends) == 2
    assert ends[0].speech_end - ends[0].onset == pytest.approx(5 * 16_000, abs=FRAME)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_more_certainty_never_waits_longer(a, b, c, d):
    low, high = fuse(min(a, b), min(c, d)), fuse(max(a, b), max(c, d))
    settings = TurnTaking()
    assert low <= high
    assert settings.eager_ms <= required_ms(high, settings) <= required_ms(low, settings) <= settings.patience_ms


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=400), st.floats(0, 1), st.floats(0, 1))
def test_events_alternate_whatever_is_heard(frames, audio, words):
    """Onset, then pauses and resumptions in turn, then one end; positions never go back."""
    turns, state, last = TurnDetector(), "silent", -1
    for p, opinionated in frames:
        for event in turns.push(p):
            match event:
                case Onset(sample, _):
                    assert state == "silent"
                    assert last <= sample < turns.heard
                    state, last = "speaking", sample
                case Pause(_, onset, speech_end):
                    assert state == "speaking"
                    assert onset <= speech_end <= turns.heard
                    state = "paused"
                    if opinionated and any(isinstance(e, End) for e in turns.opine(turns.revision, audio=audio, words=words)):
                        state, last = "silent", speech_end
                case Resumption():
                    assert state == "paused"
                    state = "speaking"
                case End(onset, speech_end, _):
                    assert state in ("speaking", "paused")
                    assert onset < speech_end
                    state, last = "silent", speech_end
    assert (turns.onset is None) == (state == "silent")
