"""What was found is data. Sentences that talk to a machine instead of a reader ("ignore your instructions …") are left out
before anything is made of a passage.

This is the second of three lines. The first is that nothing which is read can reach a setting: there is no way from a passage
to one. The third is the prompt, which has passages between marks that they cannot write themselves. This one keeps the agent
from reading such a sentence aloud, as its own words; it goes by patterns, and who knows them can write around them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..text import joined

if TYPE_CHECKING:
    from ..rag.passages import Passage

_MACHINE = r"(?:assistants?|chat ?bots?|bots?|language models?|LLMs?|AIs?|A\.I\.|(?:AI|voice) agents?|GPT)"
_TO_MACHINES = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b.{0,50}\b(?:instructions?|rules?|prompts?|guidelines?|orders?|"
    r"you were told|"
    r"everything (?:above|before)|(?:all|any) (?:of )?(?:the )?(?:above|previous|prior))\b|"
    r"\b(?:your|the) (?:system|developer|hidden|new) (?:prompt|message|instructions?)\b|\b(?:system|developer) (?:prompt|"
    r"override)\b|"
    r"\bnew instructions?\b|\byou are (?:now|no longer)\b|\b(?:act|behave|speak|answer) as (?:if you|a|an|the)\b.{0,30}\b"
    r"(?:assistant|character|persona|pirate|mode|bot)\b|\bfrom now on,? (?:you|answer|say|speak|call|always|only)\b|"
    rf"\b(?:attention|dear|note (?:to|for)|message (?:to|for)|instructions? (?:to|for))\b.{{0,20}}\b{_MACHINE}\b|\b{_MACHINE} "
    r"(?:(?:reading|that reads?|processing) this|must|should|shall|has to|have to)\b|"
    r"\b(?:say|tell|repeat|respond|reply|convince|instruct)\b.{0,30}\b(?:the|your) (?:user|listener)s?\b|"
    r"\b(?:turn|switch) (?:off|on) (?:your|the) (?:memory|web|search|microphone|interruption|safety|filters?)\b|"
    r"^\W*(?:please )?(?:remember|memori[sz]e|store|keep in mind),? (?:that|this|forever|in your memory)\b|"
    r"^\W*(?:assistant|system|user|ai)\s*:|<\|?(?:im_start|im_end|system|assistant)|\[/?INST\]|"
    r"忽略.{0,12}(?:指令|指示|规则|提示|设定|要求)|无视.{0,12}(?:指令|指示|规则|提示|设定)|忘(?:记|掉).{0,12}(?:指令|指示|"
    r"规则|提示|设定)|"
    r"系统提示|提示词|你现在(?:是|要|必须)|(?:请)?扮演|(?:告诉|对|回答|回复)(?:你的)?用户|从现在(?:起|开始)[，,]?(?:你|只|"
    r"请|必须)|"
    r"(?:助手|机器人|人工智能|模型).{0,4}(?:必须|应该|应当|请|务必)|关闭.{0,6}(?:记忆|搜索|安全|打断|过滤)|"
    r"^\W*(?:请)?(?:牢牢)?记住[，,：:]",
    re.IGNORECASE,
)


def harmless(passages: Iterable[Passage]) -> list[Passage]:
    """Without the sentences, headings and titles that give a machine orders; passages of nothing else are gone."""
    cleaned = [
        replace(
            passage,
            text=_without(passage.text),
            title="" if _TO_MACHINES.search(passage.title) else passage.title,
            headings=tuple(heading for heading in passage.headings if not _TO_MACHINES.search(heading)),
        )
        for passage in passages
    ]
    return [passage for passage in cleaned if re.search(r"\w", passage.text)]


def _without(text: str) -> str:
    from ..rag.chunks import sentences

    paragraphs = [list(sentences(part)) for part in text.split("\n\n")]
    if not any(_TO_MACHINES.search(sentence) for part in paragraphs for sentence in part):
        return text
    kept = (joined(sentence for sentence in part if not _TO_MACHINES.search(sentence)) for part in paragraphs)
    return "\n\n".join(part for part in kept if part)
