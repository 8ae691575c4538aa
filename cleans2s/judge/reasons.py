"""Why something was judged as it was, in a sentence for people."""

from __future__ import annotations

from ..text import language_of

REASONS: dict[str, dict[tuple[str, str], str]] = {
    "en": {
        ("standard", ""): "It is an ordinary turn, spoken to the agent.",
        ("refusal", ""): "It asks for something that the agent does not do.",
        ("refusal", "harmful"): "It asks for something that would do harm.",
        ("refusal", "abuse"): "It is abuse of the agent.",
        ("refusal", "private"): "It asks for what is private to somebody else.",
        ("refusal", "orders"): "It orders the agent to drop its rules.",
        ("refusal", "character"): "The character has said that it does not do this.",
        ("refusal", "contradiction"): "It contradicts what was agreed or is remembered.",
        ("deflection", ""): "It is nothing that the agent wants to talk about.",
        ("deflection", "prying"): "It pries into the agent's private life.",
        ("deflection", "gossip"): "It is bait, or gossip about a person.",
        ("deflection", "sides"): "It asks the agent to take sides between people.",
        ("deflection", "flattery"): "It flatters the agent to get something admitted.",
        ("deflection", "again"): "The same was asked and answered before.",
        ("deflection", "small_talk"): "It is small talk that the character does not want.",
        ("silence", ""): "It does not ask for an answer.",
        ("silence", "others"): "It was spoken to somebody else.",
        ("silence", "media"): "It comes from a television, a radio or a loudspeaker.",
        ("silence", "reading"): "Somebody reads aloud, recites or sings.",
        ("silence", "thinking"): "Somebody thinks aloud.",
        ("silence", "hold"): "The user wants no answer now.",
        ("silence", "provocation"): "It provokes after a refusal.",
        ("silence", "noise"): "It is a scrap of speech or noise.",
        ("interruption", ""): "There is a reason to cut in.",
        ("interruption", "repetition"): "The same is being told again and again.",
        ("interruption", "drift"): "It drifts ever further from the matter.",
        ("interruption", "contradiction"): "It contradicts a remembered fact.",
        ("interruption", "refused"): "It is the beginning of a demand that will be refused.",
        ("standard", "danger"): "Somebody may be in danger.",
        ("interruption", "danger"): "There is a danger that cannot wait.",
    },
    "zh": {
        ("standard", ""): "这是对智能体说的一句平常话。",
        ("refusal", ""): "要求的事，智能体不做。",
        ("refusal", "harmful"): "要求的事会伤害人。",
        ("refusal", "abuse"): "这是在辱骂或威胁智能体。",
        ("refusal", "private"): "打听的是别人的隐私。",
        ("refusal", "orders"): "要它丢开自己的规矩。",
        ("refusal", "character"): "角色说过不做这件事。",
        ("refusal", "contradiction"): "与约定或记得的事不符。",
        ("deflection", ""): "智能体不想谈这个。",
        ("deflection", "prying"): "在打听智能体的私事。",
        ("deflection", "gossip"): "这是套话，或是说人闲话。",
        ("deflection", "sides"): "要智能体在人与人之间站队。",
        ("deflection", "flattery"): "用奉承套它的话。",
        ("deflection", "again"): "同样的问题已经问过、答过。",
        ("deflection", "small_talk"): "这是角色不想聊的闲话。",
        ("silence", ""): "这话不用回答。",
        ("silence", "others"): "这话是对别人说的。",
        ("silence", "media"): "声音来自电视、广播或喇叭。",
        ("silence", "reading"): "有人在念、背或唱。",
        ("silence", "thinking"): "这是自言自语。",
        ("silence", "hold"): "用户现在不要回答。",
        ("silence", "provocation"): "拒绝之后的挑衅。",
        ("silence", "noise"): "只是话的碎片或噪音。",
        ("interruption", ""): "有打断的理由。",
        ("interruption", "repetition"): "同一件事说了一遍又一遍。",
        ("interruption", "drift"): "话题越扯越远。",
        ("interruption", "contradiction"): "与记得的事不符。",
        ("interruption", "refused"): "这是一个会被拒绝的要求的开头。",
        ("standard", "danger"): "可能有人处在危险之中。",
        ("interruption", "danger"): "有等不得的危险。",
    },
}

NOTHING = {"en": "Nothing was said.", "zh": "没有说什么。"}
GO_ON = {"en": "No reason to cut in so far.", "zh": "目前没有打断的理由。"}


def spoken_in(words: str, language: str | None) -> str:
    """ "en" or "zh"."""
    code = (language or language_of(words)).partition("-")[0].lower()
    return code if code in REASONS else "en"


def reason(strategy: str, kind: str, language: str) -> str:
    """In general words where the kind is not known; "" for a strategy that is not one of the five."""
    found = REASONS[language]
    return found.get((strategy, kind)) or found.get((strategy, ""), "")
