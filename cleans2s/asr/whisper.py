"""Whisper in CTranslate2 (faster-whisper's conversion), encoding only what was said.

Whisper always sees 30 s; here it sees the utterance and two seconds of silence, which `base` encodes in about 20 ms. The
price is that it tends to say things twice, because it was not trained on short windows: a slight repetition penalty stops
most of that, and a loop that gets through is cut.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ..audio import RATE, Audio, Samples, silence
from ..errors import ConfigError
from ..models import path
from ..stages import Transcript, imported, shared
from ..text import HAN, joined, words_of

WINDOW_S = 12.0
"""The most that is encoded at once; longer turns are cut at the quietest moment of the last third of the window. Whisper
would take 30 s, but without time stamps it leaves out sentences that resemble earlier ones."""

PADDING_S = 2.0

NO_SPEECH = 1.1
"""Where the probability of "no speech" and a quarter of the words' mean surprise add up to more, there were no words:
silence (heard as "you") has 1.26 to 1.35, noise, typing and coughs 1.12 to 1.43, a short "Stop!" 1.0, sentences below 0.3."""

REPETITION_PENALTY = 1.05
"""1.1 leaves out words that a person does say twice ("it was the best of times, it was the worst of times"); 1.0 loops."""

FASTEST = 4.0
"""Words a second beyond which saying the same thing again and again is a loop of the decoder, not of the speaker."""

FASTEST_HAN = 6.0
"""The same in Chinese characters; somebody who speaks calmly says four or five in a second."""

GUESS = -2.0
"""Mean log probability given to what was cut from a loop: repeating itself makes the decoder sure of itself."""

KEPT_WINDOWS = 32
"""Whole windows whose words are kept: of a long turn, which is heard again with every draft, only its end is new."""

BEAM = 4
"""Hypotheses of a final transcript. On one core they cost a tenth more than one, because a step of the decoder is bound by
reading its weights."""


@dataclass(frozen=True)
class Whisper:
    """`whisper-base` for many languages, `whisper-tiny.en` for English at half the time."""

    model: str = "whisper-base"
    """A name from `cleans2s models list`."""

    language: str = "en"
    """Code of the language spoken. Several, such as `en,zh`: Whisper finds out for every turn which of them it is. "": which
    of all that it knows, and of a short turn it may not know it."""

    threads: int = 1
    """Threads of one run. With two, this model is slower on two cores than with one: it spends them on waiting."""

    def load(self) -> LoadedWhisper:
        extractor = imported("faster_whisper.feature_extractor:FeatureExtractor")
        tokenizer = imported("faster_whisper.tokenizer:Tokenizer")
        vocabulary = imported("tokenizers").Tokenizer
        folder = path(self.model)
        model = shared((folder, self.threads), lambda: _model(folder, self.threads))
        known = vocabulary.from_file(str(folder / "tokenizer.json"))
        languages = tuple(code.strip() for code in self.language.split(",")) if self.language.strip() else ()
        if not model.is_multilingual:
            languages = ("en",)
        elif strange := [code for code in languages if known.token_to_id(f"<|{code}|>") is None]:
            raise ConfigError(
                f"asr.language = {self.language!r}: Whisper does not know {strange[0]!r}; expected codes such as en,zh"
            )
        words = tokenizer(known, model.is_multilingual, task="transcribe", language=languages[0] if languages else "en")
        loaded = LoadedWhisper(model, words, extractor(), languages)
        loaded.transcribe(Audio(silence(1.0)))
        return loaded


def _model(folder: Path, threads: int) -> Any:
    """One set of weights for every language. Two workers: a partial transcript that is under way does not delay the final
    one."""
    whisper = imported("ctranslate2").models.Whisper
    return whisper(str(folder), device="cpu", compute_type="int8", intra_threads=threads, inter_threads=2)


@dataclass
class LoadedWhisper:
    model: Any
    tokenizer: Any
    features: Any
    languages: tuple[str, ...]
    """One; or those of which one is found out; () for all."""

    places = 2

    def __post_init__(self) -> None:
        self._kept: dict[tuple[bytes, str], Transcript] = {}

    def transcribe(self, audio: Audio, partial: bool = False) -> Transcript:
        language, beam = self.languages[0] if len(self.languages) == 1 else "", 1 if partial else BEAM
        before = list[Transcript]()
        *whole, rest = _windows(audio.samples)
        for samples in whole:
            before.append(said := self._whole_window(samples, language))
            language = (said.language or "") if said.text else language  # one speaker, one turn, one language
        last = self._window(rest, beam, language)
        if not before:
            return last
        head = [said.text for said in before]
        confidences = [said.confidence or 0.0 for said in (*before, last) if said.text]
        return replace(
            last,
            text=joined([*head, last.text]),
            confidence=min(confidences, default=None),
            alternatives=tuple((joined([*head, text]), weight) for text, weight in last.alternatives),
        )

    def _whole_window(self, samples: Samples, language: str) -> Transcript:
        """Heard once, by the first draft that reaches so far, and as well as for the final transcript, which then has only the
        end of the turn to hear."""
        key = hashlib.blake2b(samples.tobytes()).digest(), language
        said = self._kept.pop(key, None) or self._window(samples, BEAM, language)  # of two threads both hear it
        self._kept[key] = said
        for oldest in list(self._kept)[:-KEPT_WINDOWS]:
            self._kept.pop(oldest, None)
        return said

    def _window(self, samples: Samples, beam: int, language: str) -> Transcript:
        mel = self.features(np.concatenate([samples, silence(PADDING_S)]), padding=0)
        mel = np.ascontiguousarray(mel[None, :, : mel.shape[1] // 2 * 2])  # the encoder halves the number of frames
        encoded = self.model.encode(imported("ctranslate2").StorageView.from_array(mel))
        prompt = [*self.tokenizer.sot_sequence, self.tokenizer.no_timestamps]
        found, language = not language, language or self._spoken(encoded)
        if self.model.is_multilingual:
            prompt[1] = self.tokenizer.tokenizer.token_to_id(f"<|{language}|>")
        result = self.model.generate(
            encoded,
            [prompt],
            beam_size=beam,
            num_hypotheses=beam,
            repetition_penalty=REPETITION_PENALTY,
            max_length=len(prompt) + 12 + int(9 * len(samples) / RATE),  # fast speech has 6 tokens a second
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        if result.no_speech_prob - result.scores[0] / 4 > NO_SPEECH:
            return Transcript("", result.scores[0], result.no_speech_prob, language=language)
        texts = [self.tokenizer.decode(ids).strip() for ids in result.sequences_ids]
        if language == "zh":
            if found and "en" in (self.languages or ("en",)) and re.match(rf"[^{HAN}]*[a-zA-Z][^{HAN}]*$", texts[0]):
                return self._window(samples, beam, "en")
            texts = [simplified(joined(text.split())) for text in texts]  # it writes a pause as a space
        cut = [without_loop(text, len(samples) / RATE) for text in texts]
        readings = _merged(cut, [s * (len(ids) + 1) for s, ids in zip(result.scores, result.sequences_ids, strict=True)])
        confidence = result.scores[0] if cut[0] == texts[0] else min(GUESS, result.scores[0])
        return Transcript(readings[0][0], confidence, result.no_speech_prob, readings if readings[0][0] else (), language)

    def _spoken(self, encoded: Any) -> str:
        """The likeliest language of those that are allowed."""
        likeliest = (token.strip("<|>") for token, _ in self.model.detect_language(encoded)[0])
        return next(code for code in likeliest if code in self.languages or not self.languages)


def _merged(texts: list[str], log_probabilities: list[float]) -> tuple[tuple[str, float], ...]:
    """Readings that differ in more than marks and case, with their share of the probability; the best one first."""
    weights = np.exp(np.array(log_probabilities) - max(log_probabilities))
    readings: dict[tuple[str, ...], tuple[str, float]] = {}
    for text, weight in zip(texts, (weights / weights.sum()).tolist(), strict=True):
        key = tuple(words_of(text))  # marks without a word are what Whisper makes of music and hum
        first, so_far = readings.get(key, (text if key else "", 0.0))
        readings[key] = first, so_far + weight
    return tuple(readings.values())


def simplified(text: str) -> str:
    """Without traditional characters; as it is where OpenCC is not installed. Whisper base wrote some in 24 of the 30 sentences
    of `cleans2s bench chinese`. Prompts in simplified ones left 5 and none, and 9.6 and 9.8 % wrong characters instead of 8.6.
    """
    convert = _to_simplified()
    return convert(text) if convert else text


@functools.lru_cache(maxsize=1)
def _to_simplified() -> Callable[[str], str] | None:
    try:
        return imported("opencc:OpenCC")("tw2s").convert
    except ImportError:
        return None


def _windows(samples: Samples) -> Iterator[Samples]:
    limit, frame = int(WINDOW_S * RATE), RATE // 50
    while len(samples) > limit:
        tail = samples[limit * 2 // 3 : limit]
        energy = np.square(tail[: len(tail) // frame * frame]).reshape(-1, frame).mean(axis=1)
        cut = limit * 2 // 3 + int(energy.argmin()) * frame
        yield samples[:cut]
        samples = samples[cut:]
    yield samples


def without_loop(text: str, seconds: float) -> str:
    """Cuts a text that says the same thing over and over to its end, and is too long to have been said in the time. In
    Chinese a character counts as a word."""
    ends = [token.end() for token in re.finditer(rf"[^\w\s]*[{HAN}][^\w\s《“「（]*|[^\s{HAN}]+", text)]
    words = [" ".join(words_of(text[start:end])) for start, end in pairwise([0, *ends])]
    if sum(1 / (FASTEST_HAN if re.match(f"[{HAN}]", word) else FASTEST) for word in words) < seconds:
        return text
    for start in range(len(words)):
        for size in range(1, (len(words) - start) // 2 + 1):
            if all(word == words[start + i % size] for i, word in enumerate(words[start:])):
                return text[: ends[start + size - 1]]
    return text
