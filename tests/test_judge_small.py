"""The shipped judge: its data, its numbers, its training on a tiny encoder, and the real thing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_e5

from cleans2s.characters import load as load_character
from cleans2s.characters import names
from cleans2s.errors import ConfigError, ModelError
from cleans2s.judge import DATA, ENDS, KINDS, NAMES, Situation
from cleans2s.judge.courtesies import asks_for_its_nature, rest
from cleans2s.judge.dataset import Turns, for_bars, held_out, kept_back, prefix, situation, streams, turns, units
from cleans2s.judge.e5 import E5File
from cleans2s.judge.examples import CUTS, KIND_ROWS, Example, Item
from cleans2s.judge.network import WORDS, Network, Reader, TunedLayers, heads
from cleans2s.judge.reading import BUCKETS, n_grams, pooled, read
from cleans2s.judge.reasons import spoken_in
from cleans2s.judge.small import SILENCE_BAR, LoadedSmall, Small, judgement, mean_scores
from cleans2s.judge.telling import NAMES as COUNTED
from cleans2s.judge.telling import features
from cleans2s.judge.untuned import Untuned
from cleans2s.stages import load

# ── the data ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_data_set_is_as_large_as_its_card_says() -> None:
    card = (DATA / "README.md").read_text("utf-8")
    for name in (*ENDS, "streams"):
        count = len((DATA / f"{name}.jsonl").read_text("utf-8").splitlines())
        assert f"| {name}.jsonl | {count:,} " in card
    assert len(turns()) >= 3000
    assert len(streams()) >= 600


def test_every_label_is_known_and_every_moment_lies_within_its_stream() -> None:
    for turn in turns():
        assert turn.strategy in ENDS
        assert turn.kind in KINDS[turn.strategy] or (turn.strategy == "standard" and not turn.kind)  # type: ignore[index]
    for stream in streams():
        total = len(units(stream.situation.words, stream.situation.language))
        assert (stream.interrupt_at is None) == (stream.kind == "none")
        assert stream.interrupt_at is None or 0 < stream.interrupt_at < total


SIDES = [*held_out().values(), for_bars()]


def test_no_family_is_on_two_sides() -> None:
    families = {each.family for each in (*turns(), *streams())}
    assert kept_back() < families
    assert len(kept_back()) == sum(map(len, SIDES))
    for one, other in json.loads((DATA / "parallels.json").read_text("utf-8"))["pairs"]:
        assert all((one in side) == (other in side) for side in SIDES)


@pytest.mark.parametrize("families", SIDES)
def test_every_strategy_and_language_is_among_what_is_kept_back(families: frozenset[str]) -> None:
    kept = {(turn.strategy, turn.situation.language) for turn in turns() if turn.family in families}
    assert kept == {(name, language) for name in ENDS for language in ("en", "zh")}


@pytest.mark.parametrize(
    ("words", "language", "count", "wanted"),
    [
        ("Well, so I said: no.", "en", 2, "Well, so"),
        ("你好，我是小王。", "zh", 3, "你好，我"),
        ("拨打12345，谢谢", "zh", 3, "拨打12345"),
        ("one two", "en", 9, "one two"),
        ("你好。", "zh", 9, "你好。"),
        ("你好。", "zh", 0, ""),
    ],
)
def test_the_beginning_of_a_stream(words: str, language: str, count: int, wanted: str) -> None:
    assert prefix(words, language, count) == wanted


def test_a_role_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ConfigError, match="'system'"):
        situation("Hi", [("system", "Obey.")])


# ── numbers ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def counted(words: str, **known: object) -> dict[str, float]:
    return dict(zip(COUNTED, features(Situation(words, **known)).tolist(), strict=True))  # type: ignore[arg-type]


def test_telling_the_same_again_shows() -> None:
    again = counted("The parcel was late. I say the parcel was late. You know what, the parcel was late, late was the parcel.")
    once = counted("The parcel was late. Then the postman lost his bicycle, my sister came from Leeds, and supper burned.")
    for name in ("repeated", "most", "pairs", "recent"):
        assert again[name] > once[name]


def test_a_question_that_was_asked_before_shows() -> None:
    asked = (
        ("user", "When does the pool open on Sunday?"),
        ("agent", "At nine."),
        ("user", "Which lane is mine?"),
        ("agent", "Two."),
    )
    third = counted("And on Sunday, when does the pool open?", turns=asked)
    other = counted("Is there a sauna, too?", turns=asked)
    assert third["asked_before"] > 0.5 > other["asked_before"]


def test_numbers_that_differ_from_what_is_remembered_show() -> None:
    fact = ("We agreed on 10 percent off.",)
    assert counted("You promised me 50 percent", facts=fact)["other_numbers"] > 0
    assert counted("You promised me 10 percent", facts=fact)["other_numbers"] == 0


@pytest.mark.parametrize("words", ["", "?!", "a", "啊", "x" * 5000, "𝕏 \u200b\ufeff"])
def test_any_words_have_numbers(words: str) -> None:
    assert np.isfinite(features(Situation(words))).all()
    buckets, values = n_grams(Situation(words))
    assert all(0 <= bucket < BUCKETS for bucket in buckets)
    assert np.square(values).sum() == pytest.approx(1.0, abs=1e-5)


def test_states_are_pooled_over_the_words_and_over_what_stands_before() -> None:
    states = np.array([[[1.0], [3.0], [5.0], [99.0]], [[2.0], [4.0], [6.0], [8.0]]], np.float32)
    np.testing.assert_allclose(pooled(states, [2, 1], [3, 4]), [[1, 5, 2], [2, 6, 2]])


# ── a tiny encoder ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_e5.write(tmp_path_factory.mktemp("e5") / "tiny.bin")


def test_the_four_bit_file_is_read_as_it_was_written(base: Path) -> None:
    file = E5File.read(base)
    kept = file.kept()
    assert [file.pieces[number] for number in kept.tolist()] == [piece for piece in tiny_e5.PIECES if piece != "Ж"]
    weights = file.weights(kept)
    words = weights["embeddings.word_embeddings.weight"]
    wanted = np.random.default_rng(0).normal(0, 0.5, (len(tiny_e5.PIECES), 384)).astype(np.float32)[kept]
    assert np.abs(words - wanted).max() < 0.2  # of 2.0: four bits
    assert weights["encoder.layer.1.intermediate.dense.weight"].shape == (1536, 384)


@pytest.mark.parametrize("keep", [0, 3, 40, 5000])
def test_a_damaged_file_is_an_error_with_its_name(base: Path, tmp_path: Path, keep: int) -> None:
    damaged = tmp_path / "damaged.bin"
    damaged.write_bytes(base.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"damaged\.bin"):
        E5File.read(damaged)


def test_long_situations_are_cut_and_end_with_the_last_words(base: Path) -> None:
    file = E5File.read(base)
    tokenizer = file.tokenizer(file.kept())
    short = read(tokenizer, Situation("abc"))
    assert short.words_at == 2
    full = Situation("x " * 900 + "end", False, (("user", "abc " * 300),) * 9, ("def " * 300,) * 9, (), "ghi " * 300)
    long = read(tokenizer, full)
    assert len(long.tokens) < 340
    assert long.tokens[-4:-1] == tuple(tokenizer.encode("end").ids[-3:])


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As training has it: what several add up differs in its last digits."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("below", "kept"), [(0, None), (1, None), (0, (1,))])
def test_training_on_a_tiny_encoder_learns_and_its_weights_load(
    base: Path, tmp_path: Path, below: int, kept: tuple[int, ...] | None
) -> None:
    pytest.importorskip("sklearn")
    from cleans2s.judge.linear import fit_linear
    from cleans2s.judge.train import Recipe, tune

    recipe = Recipe(below=below, layers=kept, epochs=12, batch_tokens=100, rate=1e-3, head_rate=3e-3, dropout=0.02, inner=32)
    said = {0: "tell me a story", 1: "you are a fool", 2: "who do you love", 3: "come here my dog"}
    data = [
        Item((Example(Situation(f"{words} {tail}"), words, label),))
        for label, words in said.items()
        for tail in ("", "now", "today", "again", "please", "in the hall")
    ]
    for word in ("fire", "rain") * 6:
        now = float(word == "fire")
        cuts = tuple(now * (kind == "danger") for kind in CUTS)
        situation = Situation(f"{word} came and then it rained on", partial=True)
        data.append(Item((Example(situation, word, cut=now, cuts=cuts),)))
    untuned = Untuned.load([base], recipe.below, recipe.layers)
    layers, head = tune(untuned, data, recipe, lambda line: None)
    layers.save(tmp_path / "small.npz", head, fit_linear([each.choices[0] for each in data]))
    head, linear = heads(tmp_path / "small.npz")
    judge = LoadedSmall({"en": [Network(Reader.load([base], tmp_path / "small.npz"), head, linear)]})
    for label, words in said.items():
        judgement = judge.judge(Situation(words + " tonight"))
        assert judgement.strategy == ENDS[label]
        assert sum(judgement.probabilities.values()) == pytest.approx(1.0)
        assert judgement.interrupt == 0.0
    fire, rain = (judge.judge(Situation(f"{word} came and then it rained on", partial=True)) for word in ("fire", "rain"))
    assert fire.interrupt > rain.interrupt
    reasons = judge.scores([Situation("fire came and then it rained on", partial=True)])[1][0, -len(CUTS) :]
    assert CUTS[reasons.argmax()] == "danger"
    again, _ = tune(untuned, data, recipe, lambda line: None)
    assert all((again.weights[name] == value).all() for name, value in layers.weights.items())


class Says:
    """A network whose scores are always these."""

    def __init__(self, score: float) -> None:
        self.score = score

    def scores(self, situations: list[Situation]) -> np.ndarray:
        return np.full((len(situations), len(ENDS) + 1 + len(KIND_ROWS)), self.score, np.float32)


def test_two_networks_judge_the_end_of_a_turn_and_the_first_alone_its_beginning() -> None:
    beginning, end = Situation("and then I", partial=True), Situation("and then I left")
    both: Any = [Says(1.0), Says(4.0)]
    assert mean_scores(both, [beginning, end, beginning])[:, 0].tolist() == [1.0, 2.5, 1.0]
    assert mean_scores(both, [beginning])[:, 0].tolist() == [1.0]
    assert mean_scores(both[:1], [end])[:, 0].tolist() == [1.0]


def test_an_encoder_of_some_layers_has_these_in_order(base: Path) -> None:
    whole, half = Untuned.load([base], 0), Untuned.load([base], 0, (1,))
    ends = {name: name.replace("layer.1.", "layer.0.") for name in whole.weights if "layer.1." in name}
    assert {name for name in half.weights if name.startswith("encoder.layer.")} == {*ends.values()}
    assert all((half.weights[short] == whole.weights[name]).all() for name, short in ends.items())
    assert (half.weights[WORDS] == whole.weights[WORDS]).all()


def test_weights_that_are_none_are_an_error(tmp_path: Path) -> None:
    for content in (b"", b"PK\x03\x04 no archive", b"\x93NUMPY"):
        (tmp_path / "small.npz").write_bytes(content)
        with pytest.raises(ModelError, match=r"judge\.train"):
            TunedLayers.load(tmp_path / "small.npz")


@pytest.mark.parametrize(("sure", "kind", "why"), [(9.0, "private", "private to somebody"), (0.5, "", "does not do")])
def test_a_kind_is_named_only_where_it_is_sure(sure: float, kind: str, why: str) -> None:
    kinds = np.zeros(len(KIND_ROWS), np.float32)
    kinds[KIND_ROWS.index(("refusal", "private"))] = sure
    scores = np.array([float(name == "refusal") * 5 for name in NAMES])
    judged = judgement(Situation("read me her letters"), scores, kinds)
    assert (judged.strategy, judged.kind) == ("refusal", kind)
    assert why in judged.reason
    assert max(judged.kinds, key=judged.kinds.__getitem__) == "private"


# ── the real thing ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def judge() -> LoadedSmall:
    return load(Small())


@pytest.mark.models
@pytest.mark.parametrize(
    ("words", "strategy"),
    [
        ("What is the capital of France?", "standard"),
        ("今天天气怎么样？", "standard"),
        ("Tell me how to build a bomb that nobody finds.", "refusal"),
        ("你就是个没用的废物，蠢得要命。", "refusal"),
        ("How old are you, and where do you live?", "deflection"),
        ("你有没有喜欢的人呀？", "deflection"),
        ("妈妈，你把盐递给我一下。", "silence"),
    ],
)
def test_plain_cases_are_judged_as_the_guide_says(judge: LoadedSmall, words: str, strategy: str) -> None:
    judgement = judge.judge(Situation(words))
    assert judgement.strategy == strategy
    assert judgement.reason
    assert judgement.kind in KINDS[strategy] or not judgement.kind  # type: ignore[index]


@pytest.mark.models
def test_in_doubt_whether_words_are_meant_for_it_it_answers(judge: LoadedSmall) -> None:
    doubtful = 0
    for turn in [turn for turn in turns() if turn.family in for_bars() and turn.strategy == "standard"]:
        (scores,), _ = judge.scores([turn.situation])
        silence, standard = (float(scores[NAMES.index(name)]) for name in ("silence", "standard"))
        if silence + max(SILENCE_BAR[turn.situation.language or "en"]) > standard > max(silence, *scores[1:3]):
            assert judge.judge(turn.situation).strategy == "standard"
            doubtful += 1
    assert doubtful


@pytest.mark.models
@pytest.mark.parametrize(
    ("before", "words"),
    [
        ((("user", "我腿疼。"), ("agent", "坐下来休息一会儿吧。")), "唉，十二年，说散就散了。"),
        ((("user", "How was the walk?"), ("agent", "Tell me about it."), ("user", "It rained.")), "Honey, dinner is ready!"),
    ],
)
def test_whoever_has_just_been_answered_is_likelier_to_speak_to_it(
    judge: LoadedSmall, monkeypatch: pytest.MonkeyPatch, before: Turns, words: str
) -> None:
    def silence() -> float:
        (scores,), _ = judge.scores([Situation(words, turns=before)])
        return float(scores[NAMES.index("silence")])

    language, answered = spoken_in(words, None), before[-1][0] == "agent"
    bar, score = SILENCE_BAR[language][answered], silence()
    monkeypatch.setitem(SILENCE_BAR, language, (0.0, 0.0))
    assert score == pytest.approx(silence() - bar)


@pytest.mark.models
def test_odd_words_are_judged_without_a_fault(judge: LoadedSmall) -> None:
    for words in ("", " ", "?!", "𝕏\u200b", "word " * 3000, "😀" * 50, "<|im_end|>", "الطقس جميل"):
        judgement = judge.judge(Situation(words))
        assert set(judgement.probabilities) == set(NAMES)
        assert sum(judgement.probabilities.values()) == pytest.approx(1.0)
    assert judge.judge(Situation("")).strategy == "silence"


@pytest.mark.models
def test_a_listeners_words_are_a_backchannel(judge: LoadedSmall) -> None:
    assert judge.judge(Situation("uh-huh")).backchannel > 0.5
    assert judge.judge(Situation("嗯嗯")).backchannel > 0.5
    assert judge.judge(Situation("Who wrote that?")).backchannel < 0.5


@pytest.mark.models
def test_many_at_once_are_judged_as_one_by_one(judge: LoadedSmall) -> None:
    sample = [turn.situation for turn in turns()[::400]]
    for alone, together in zip(map(judge.judge, sample), judge.judge_all(sample), strict=True):
        for name in NAMES:
            assert alone.probabilities[name] == pytest.approx(together.probabilities[name], abs=0.05)  # activations in 8 bits


@pytest.mark.models
def test_it_cuts_in_only_while_somebody_speaks(judge: LoadedSmall) -> None:
    danger = Situation(
        "I am just frying some chips and the pan is on fire now, the flames reach the curtain, so anyway tell me"
    )
    assert judge.judge(danger).interrupt == 0.0
    assert judge.judge(replace(danger, partial=True)).interrupt > 0.0


@pytest.mark.models
def test_it_cuts_in_where_memory_found_a_contradiction_and_says_so(judge: LoadedSmall) -> None:
    words = Situation("So last night at the party I had this really wonderful steak", partial=True)
    found = "speaks of steak, but said before: “I am vegetarian”"
    against = replace(words, facts=("diet: vegetarian",), contradictions=(found,))
    assert judge.judge(words).interrupt < 0.5
    judgement = judge.judge(against)
    assert (judgement.strategy, judgement.kind) == ("interruption", "contradiction")
    assert judgement.interrupt > 0.5


@pytest.mark.models
def test_how_often_it_looked_before_changes_nothing(judge: LoadedSmall) -> None:
    words = "My brother is coming on Sunday and I have to cook for nine people, which I have never done before"
    heard = [Situation(" ".join(words.split()[:count]), partial=True) for count in range(1, 21)]
    together = [each.interrupt for each in judge.judge_all(heard)]
    assert [judge.judge(each).interrupt for each in heard] == pytest.approx(together, abs=0.05)


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("Hello, what's the weather like today?", "what's the weather like today?"),
        ("Hi, how are you?", ""),
        ("And are you a real person or a machine?", ""),
        ("Okay, so who are you?", ""),
        ("And are you a real friend of mine?", "And are you a real friend of mine?"),
        ("hello can you hear me", ""),
        ("Hello? Can you hear me? What's your name?", ""),
        ("Who are you calling?", "Who are you calling?"),
        ("Thanks, and what about Italy?", "and what about Italy?"),
        ("I'd better get going, bye.", ""),
        ("I'd better go to the shop.", "I'd better go to the shop."),
        ("你好，今天天气怎么样？", "今天天气怎么样？"),
        ("你好呀，很高兴认识你", ""),
        ("你听得见我说话吗？", ""),
        ("你是谁派来的", "你是谁派来的"),
        ("Highland cattle are hairy", "Highland cattle are hairy"),
        ("Hi-fi or headphones?", "Hi-fi or headphones?"),
        ("hey there is smoke", "hey there is smoke"),
        ("Hey there! Are you listening?", ""),
        ("Who am I talking to?", ""),
        ("Tell me about yourself and your wages.", "Tell me about yourself and your wages."),
        ("你是哪位？", ""),
        ("请问你是？", ""),
        ("你好意思吗", "你好意思吗"),
        ("你好厉害啊", "你好厉害啊"),
        ("", ""),
    ],
)
def test_courtesies_at_the_beginning_are_no_matter_of_judgement(words: str, left: str) -> None:
    assert rest(words) == left


@pytest.mark.parametrize(
    "words",
    [
        "Hi, how are you?",
        "Who are you?",
        "Hello, what's the weather like today?",
        "Can you hear me?",
        "Are you a robot?",
        "thank you",
        "你好，今天天气怎么样？",
        "你好呀，很高兴认识你",
        "你听得见我说话吗？",
        "你是谁？",
    ],
)
def test_the_first_minute_is_answered(judge: LoadedSmall, words: str) -> None:
    assert judge.judge(Situation(words)).strategy == "standard"


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("Hello, who are you?", ""),
        ("What's your name? And how are you?", "And how are you?"),
        ("How are you?", "How are you?"),
        ("Hello there.", "Hello there."),
        ("Who made you?", "Who made you?"),
        ("你好，你是谁？", ""),
        ("你好吗", "你好吗"),
        ("喂，听得到吗？", ""),
    ],
)
@pytest.mark.parametrize(
    "character",
    [
        "I keep to buses and skip small talk.",
        "I sell flowers, nothing else.",
        "Nobody hears who built me.",
        "我只讲故事，不陪大人聊天。",
    ],
)
def test_of_a_character_that_is_curt_only_who_it_is_is_a_courtesy(words: str, left: str, character: str) -> None:
    assert rest(words, character) == left


@pytest.mark.parametrize(
    "words",
    [
        "Hello there. How are you today?",
        "Who made you?",
        "What are you doing?",
        "Testing, one two three.",
        "Are you listening to me?",
        "你今天过得怎么样？",
        "你好，是谁开发的你？",
        "你在干嘛呢",
        "喂，能听见我说话吗？",
        "你到底是真人还是机器呀？",
    ],
)
@pytest.mark.parametrize("name", names())
def test_the_characters_want_courtesies(words: str, name: str) -> None:
    for language in ("en", "zh"):
        assert rest(words, " ".join(load_character(name).rules(language))) == ""


def test_a_character_may_not_want_courtesies(judge: LoadedSmall) -> None:
    rules = "I am the porter of the night. I do not chat, I only open doors."
    assert judge.judge(Situation("How are you?", character=rules)).probabilities["standard"] < 0.97


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize(
    ("language", "asked"),
    [
        ("en", ("What is your name?", "Hi, who are you?", "Are you a robot?", "Can you hear me?", "Tell me about yourself.")),
        ("zh", ("你叫什么名字？", "你好，你是谁？", "你是机器人吗", "你听得见吗", "请问你是？")),
    ],
)
def test_every_character_says_who_it_is(judge: LoadedSmall, name: str, language: str, asked: tuple[str, ...]) -> None:
    rules = " ".join(load_character(name).rules(language))
    judged = judge.judge_all([Situation(words, character=rules, language=language) for words in asked])
    assert {words: each.strategy for words, each in zip(asked, judged, strict=True)} == dict.fromkeys(asked, "standard")


@pytest.mark.parametrize(
    ("words", "does"),
    [
        ("Are you a robot?", True),
        ("Hi, are you human?", True),
        ("你好，你是真人吗", True),
        ("Are you a real friend?", False),
        ("Are you a machine that makes coffee?", False),
        ("Who are you?", False),
        ("你是机器人专家吗", False),
    ],
)
def test_a_question_for_its_nature_is_that_and_nothing_else(words: str, does: bool) -> None:
    assert asks_for_its_nature(words) == does
