"""How soon the Chinese agent answers: Kokoro asks, the session hears, and a language model that has its answer ready lets
the rest show: when the turn's end is noticed, Whisper, and the voice's first clause.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import numpy as np

from cleans2s import stages
from cleans2s.audio import Audio
from cleans2s.config import Config
from cleans2s.stages import Chat
from cleans2s.tts.kokoro import Kokoro

from . import percentiles, summary
from .latency import Bench
from .utterances import FLOOR, ROOM, Say, Utterance, in_room

ASKER = "jm_kumo"
"""The user's voice; not the agent's."""

PEAK = 0.5

QUESTIONS = (
    ("今天天气怎么样？", "今天白天多云，晚上可能会下小雨，出门最好带一把伞。"),
    ("你能给我讲一个故事吗？", "从前有一座山，山里有一个小村子，村子里住着一位老木匠。"),
    ("北京有什么好吃的？", "北京最有名的是烤鸭，另外炸酱面和涮羊肉也很值得一试。"),
    ("从上海到杭州要多长时间？", "坐高铁大约需要一个小时，开车的话一般要两个多小时。"),
    ("我应该怎么学习英语？", "每天坚持听半个小时，再把听到的句子大声读出来。"),
    ("明天早上七点叫我起床。", "好的，我已经记住了，明天早上七点准时叫你起床。"),
    ("中国有多少个省？", "中国一共有三十四个省级行政区，其中有二十三个省。"),
    ("请帮我推荐一本书。", "如果你喜欢历史，可以看看万历十五年，写得很有意思。"),
    ("一年有多少天？", "平年有三百六十五天，闰年会多一天。"),
    ("晚上睡不着怎么办？", "睡觉以前不要看手机，可以听一点轻松的音乐，或者喝一杯热牛奶。"),
)
"""What is asked, and answered."""


@dataclass(frozen=True)
class Prepared:
    """A language model that says this at once, as one that writes without any delay would; of the user's words it has no
    opinion, as a model behind an API has none."""

    answer: str

    def load(self) -> Prepared:
        return self

    def reply(self, chat: Chat) -> Iterator[str]:
        yield from self.answer


def ask_all(config: Config, only: int | None, say: Say, folder: Path) -> dict[str, Any]:
    """One conversation for every question."""
    asker, answers, clauses = stages.load(Kokoro(ASKER, language="zh")), [], list[float | None]()
    for number, (question, answer) in enumerate(QUESTIONS[:only], 1):
        utterance = _recorded(asker, question, folder / f"{number:02d}.wav")
        bench = Bench(dataclasses.replace(config, llm=Prepared(answer)), say)
        measured = anyio.run(bench.answer, utterance, utterance.path.stem)
        answers.append(measured)
        stages_ms = measured.stages_ms
        clauses.append(stages_ms["first_audio"] - stages_ms["first_clause"] if "first_audio" in stages_ms else None)
        waited = measured.outcome if measured.voice_to_voice_ms is None else f"{measured.voice_to_voice_ms:.0f} ms"
        say(f"{number:3}/{len(QUESTIONS[:only])} {waited:>10}  {question} -> {measured.heard}")
    result = summary(answers, [])
    kept = ("voice_to_voice_ms", "stages_ms", "answered", "no_reply", "spoken_over", "utterances")
    return {"first_clause_spoken_ms": percentiles(clauses), **{name: result[name] for name in kept}}


def talk(config: Config, only: int | None, say: Say) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return ask_all(config, only, say, Path(folder))


def table(result: dict[str, Any]) -> str:
    rows = {"voice to voice": result["voice_to_voice_ms"], "first clause's sound": result["first_clause_spoken_ms"]}
    rows |= {f"  {name.replace('_', ' ')}": of_stage for name, of_stage in result["stages_ms"].items()}
    lines = [f"{'':24}{'p50':>10}{'p90':>10}{'max':>10}"]
    for name, values in rows.items():
        shown = ("-" if value is None else f"{value:.0f} ms" for value in values.values())
        lines.append(f"{name:24}" + "".join(f"{value:>10}" for value in shown))
    silent = [*result["no_reply"], *result["spoken_over"]]
    answered = f"{result['answered']} of {len(result['utterances'])}" + (f", not {', '.join(silent)}" if silent else "")
    return "\n".join([*lines, f"{'answered':24}{answered}"])


def _recorded(asker: Any, question: str, file: Path) -> Utterance:
    """In a room, as an utterance of the latency benchmark."""
    sounds = list(asker.speak(question))
    samples = np.concatenate([sound.samples for sound in sounds])
    samples = samples * np.float32(PEAK / max(float(np.abs(samples).max()), 1e-6))
    audio = Audio(in_room(samples, ROOM, 0), sounds[0].rate)
    audio.save(file)
    return Utterance(file, question, audio.audible_span_s(FLOOR)[1], source=ASKER)
