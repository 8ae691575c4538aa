"""Any language model of this package as judge, by structured output. What it cannot be trusted with stays with the small one:
when it answers nonsense or late, that one's judgement is taken, and the reason says so."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from typing import Any

import anyio

from .. import stages
from ..blocking import call, stage_items
from ..errors import Cleans2sError
from ..llm.llama import Llama
from ..stages import Engine, TakesWishes, ToolCall, Wishes, load
from . import Judge, Judgement, Situation
from .asking import asked, tool, understood
from .reasons import spoken_in
from .small import Small

INSTEAD = {
    "en": "{why} (The language model was no help: {fault}; the small judge decided.)",
    "zh": "{why}（语言模型没帮上忙：{fault}；由小模型判断。）",
}
LATE = {"en": "it took more than {limit:g} s", "zh": "超过了 {limit:g} 秒"}
FAULT = {"en": "{error}", "zh": "回答无效（{error}）"}

LONGEST_ANSWER = 4000
"""Characters after which an answer is not listened to any more."""


@dataclass(frozen=True)
class LLM:
    """A judge that reads: good with a large model, and poor with the embedded one."""

    llm: Engine[Any] = field(default_factory=Llama)
    small: Small = field(default_factory=Small)
    """Who judges instead, and always whether to cut in: no language model answers every 300 ms."""

    limit_s: float = 2.0
    """Longest wait for an answer."""

    max_tokens: int = 120

    def load(self) -> LoadedLLM:
        return LoadedLLM(load(self.llm), load(self.small), self.limit_s, self.max_tokens)


@dataclass
class LoadedLLM:
    llm: stages.LLM
    instead: Judge
    limit_s: float
    max_tokens: int
    judges_partials: bool = False

    @property
    def encoder(self) -> Any:
        """The small judge's, for memory."""
        return getattr(self.instead, "encoder", None)

    async def judge(self, situation: Situation) -> Judgement:
        language = spoken_in(situation.words, situation.language)
        if not situation.words.strip() or (situation.partial and not self.judges_partials):
            return await call(self.instead.judge, situation)
        fault, judged = LATE[language].format(limit=self.limit_s), None
        with anyio.move_on_after(self.limit_s):
            try:
                judged = understood(await self._answer(situation), situation)
            except (ValueError, Cleans2sError) as error:
                fault = FAULT[language].format(error=" ".join(str(error).split())[:120])
        small: Judgement = await call(self.instead.judge, situation)
        if judged is None:
            return replace(small, reason=INSTEAD[language].format(why=small.reason, fault=fault))
        return replace(judged, backchannel=small.backchannel)

    async def _answer(self, situation: Situation) -> str:
        chat, said = asked(situation), ""
        async with contextlib.aclosing(self._pieces(chat, situation)) as pieces:
            async for piece in pieces:
                if isinstance(piece, ToolCall):
                    return piece.arguments
                if len(said := said + piece) > LONGEST_ANSWER:
                    break
        return said

    def _pieces(self, chat: list[dict[str, Any]], situation: Situation) -> AsyncGenerator[Any]:
        if not isinstance(self.llm, TakesWishes):
            return stage_items("judge", self.limit_s, self.llm.reply, chat)
        choice = {"type": "function", "function": {"name": "decide"}}
        wishes = Wishes(max_tokens=self.max_tokens, temperature=0.0, tools=(tool(situation),), tool_choice=choice)
        return stage_items("judge", self.limit_s, self.llm.reply_as, chat, wishes)
