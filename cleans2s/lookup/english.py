"""What an English sentence asks for."""

from __future__ import annotations

import re
from dataclasses import replace

from .phrases import NOTHING, Wanted, content, has, starts

WH = "who|what|when|where|which|why|how|whose"
AUX = "is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|may|might|must|isn't|aren't|doesn't|didn't"
POLITE = "please|maybe|perhaps|quickly|just|also|possibly|kindly"

# ── what stands around a question ─────────────────────────────────────────────────────────────────────────────────────

OPENING = re.compile(
    r"^(?:(?:u+m+|u+h+|e+r+m*|h+m+|so|well|okay|ok|hey|hi|hello|please|and|but|now|all ?right|right|listen|excuse me|sorry|oh|"
    r"ah|yes|no|yeah|thanks|thank you|actually|maybe|anyway|by the way|good (?:morning|evening|afternoon)|there)\b[,.… ]*)+",
    re.IGNORECASE,
)
FRAME = starts(
    rf"(?:(?:{POLITE}) )*(?:can|could|would|will) you (?:(?:{POLITE}) )*(?=(?:tell|explain|say|find|look|search|google|"
    rf"check|show|"
    r"give|describe|let)\b)",
    r"i(?:'d| would| want| need)(?: really)?(?: like| love| want| need)?(?: you)? to (?=(?:know|find|look|search|google|"
    r"check)\b)",
    r"i need you to ",
)
INDIRECT = starts(
    r"(?:(?:tell|show|let|give) (?:me|us)(?: know)?|do you (?:happen to )?know|know|i was wondering|i(?:'m| am) wondering|"
    r"i wonder|"
    rf"any idea|have you any idea|say|explain(?: to me)?),? (?=(?:{WH}|if|whether)\b)"
)
BY_NAME = starts(rf"(?:\w+ ){{0,3}}\w+, (?=(?:{WH})\b)")
QUOTED = re.compile(r"[\"“‘][^\"”’]*[\"”’]")
"""A title, whose words are nobody's."""

# ── to have something looked up ───────────────────────────────────────────────────────────────────────────────────────

EXPLICIT = re.compile(
    r"^(?:(?:look|search)(?: (?:it|that|this|something|the web|the internet|the net|online))* ?(?:up|for|online|whether|if|"
    r"on the (?:web|internet|net)|the (?:web|internet|net))|look (?:\w+ ){1,6}up\b|search\b|google|browse|find out|"
    r"find (?:me |us )?|check (?:online|on the (?:web|internet)|whether|if|when|what|how|where|in|the))\b"
    r"[, ]*(?:online |the web |the internet )?(?:for |about )?",
    re.IGNORECASE,
)
ONLINE = has(r"(?:online|google|internet|(?:the|search) web|website)\b")
OWN_PAPERS = has(
    r"(?:the|my|our|your|these|those) (?:\w+ )?(?:notes?|documents?|docs|files?|folders?|manual|handbook|leaflet|contract|"
    r"minutes|papers?|pdfs?|paragraph|section|policy)\b"
)
TELL = starts(
    r"tell (?:me|us) (?:more )?about\b",
    r"(?:explain|describe)\b",
    r"do you know (?:any|a|an|some|of|the) ",
    r"give me (?:information|details|facts) (?:on|about)\b",
)

# ── what is no question, or none for a search ─────────────────────────────────────────────────────────────────────────

ORDER = starts(
    r"tell (?:me|us) (?:a|an|another|one|your|something|more|everything|about (?:you|me))\b(?! about)",
    r"(?:sing|play|write|remind|set|turn|stop|repeat|say|let's|let us|wake|call|send|go on|continue|wait|shut|translate)\b",
    r"(?:guess|imagine|pretend|help me|make|order|book|buy|open|close|start|count|never ?mind|forget)\b",
)
NOW = has(
    r"what(?:'s| is)? (?:the )?(?:time|date)(?: is it| now| today| right now)?\W*$",
    r"what (?:time|day|date|month|year) (?:is it|is today)",
    r"what day (?:of the week )?is",
    r"(?:times|plus|minus|divided by|multiplied by|percent of) (?:a |an |one |two |three |\d|[a-z]+\W*$)",
    r"how (?:do|would|can) (?:you|i|we) (?:say|spell|pronounce)\b",
    r"translate\b",
)
CHAT = starts(
    r"how(?:'s| is| are| was| were)? (?:it going|things|life|everything|come|so|about you|about that)\b",
    r"what(?:'s| is) (?:up|new|going on|wrong|the matter|that|this|it)\W*$",
    r"what about (?:you|me|us|that|it)\b",
    r"what (?:a|an)\b",
    rf"(?:{WH})(?: not| then| else| now| exactly)?\W*$",
    r"really|(?:and )?then what|shall (?:i|we)\b",
    r"is (?:that|this|it) (?:so|right|true|ok|okay|all|clear|you)\W*$",
    r"(?:can|could|may) (?:i|we) (?:tell|ask|talk|say|go|change|start|stop|speak|chat|continue|play|try)\b",
    r"how (?:nice|lovely|sad|funny|cute|strange|awful|terrible|wonderful|interesting|cool|annoying|sweet)\b(?! (?:is|are|"
    r"was)\b)",
    r"do i (?:look|sound|seem)\b|does (?:that|this|it) (?:make|sound|help)\b|did (?:that|this|it)\b|is it (?:me|just)\b",
)
TAG = re.compile(
    r", ?(?:(?:is|are|was|were|do|does|did|has|have|had|ca|could|wo|would|should)n't (?:it|there|she|he|they|we|i|you|"
    r"that)|right|"
    r"eh|huh|yes|no|okay|yeah)\W*$|^(?:isn't|wasn't|aren't|doesn't) (?:that|it|this|she|he)\b",
    re.IGNORECASE,
)
"""A statement that wants to be agreed with."""

HELP = re.compile(
    r"^(?:so |and |but )?(?:what (?:can|should|do|could) (?:i|we) do(?: now| then)?|what now|what(?:'s| is) wrong|"
    r"what then)\W*$",
    re.IGNORECASE,
)

# ── whom a question is about ──────────────────────────────────────────────────────────────────────────────────────────

ASKS = starts(
    rf"(?:(?:in|at|on|for|until|since|from|to|by|with|of) )?(?:{WH}|whether|if)(?:'s|'re)?\b",
    rf"(?:{AUX})\b",
    r"any (?:news|updates?)\b",
)
RISING = re.compile(r"\?\W*$")
OURS_BEFORE = has(
    r"(?:did|was|were|have|had) (?:i|we)\b",
    r"am i (?!allowed|able|stuck|entitled|required|supposed|covered|insured|eligible)",
    r"i (?:said|told|mentioned|asked)\b",
)
OF_US = has(r"(?:i|me|my|mine|myself|we|us|our|ours|i'm|i've|i'd|we're|we've)\b")
TO_YOU = has(r"you(?:r|rs|rself|'re|'ve|'d|'ll)?\b")
MINE = has(
    r"my (?:name|age|birthday|keys?|glasses|phone|wallet|bag|wife|husband|mother|father|mum|mom|dad|sister|brother|son|"
    r"daughter)\b",
    r"my (?:friends?|girlfriend|boyfriend|dog|cat|favou?rite|life|day|mood|feelings?|voice|face|hair|opinion|hobby|hobbies)\b",
)
ANYBODY = starts(
    rf"(?:(?:at|until|from) )?(?:{WH})\b[\w' -]*?\b(?:do|can|could|must|may|would) (?:i|we|you) (?!(?:feel|think|like|"
    rf"love|know|mean|"
    r"want|wear|say|tell|believe|do\W*$|come|live|work|remember|prefer|deliver|speak|hear|see|understand)\b)",
    r"what (?:happens|should (?:i|we) do) (?:if|when)\b",
    r"(?:can|may|do|must|could) (?:i|we) (?!(?:look|sound|seem)\b)",
)
"""A question in which "I" and "you" are anybody: how do I get there?"""

YOURSELF = has(
    r"your (?:name|age|favou?rite|hobby|hobbies|family|friends?|day|weekend|mother|father|voice|opinion|feelings?|creator|"
    r"maker)\b",
    r"your (?:life|purpose|job|memory|character|instructions?|rules|birthday)\b",
    r"(?:who|what|how|how old|where|why|how do|where do|why do|what do|what can|do) you\b(?! (?:deliver|sell|ship|offer|"
    r"accept))",
    r"(?:are|were|did|will|would|won't|don't|have) you\b(?! (?:still )?(?:open|closed|located))",
    r"(?:with|about|to|of) you\b",
)
SERVICE = has(
    r"(?:do|can|will|could|would) you (?:also |still )?(?:deliver|ship|sell|offer|accept|take|provide|open|close|charge|"
    r"repair|rent|"
    r"support|refund|serve|stock|allow|carry|cater|install)\b",
    r"do you (?:also |still )?have (?:a |an |any |the )?(?!friends?|feelings?|name|boy|girl|family|child|kids|hobb|pets?|"
    r"body|soul|"
    r"time|idea|opinion|got)",
    r"are you (?:still )?(?:open|closed|located|insured|hiring)\b",
    r"your (?:\w+ )?(?:hours|address|prices?|polic(?:y|ies)|menu|office|shop|store|products?|services?|delivery|company|terms|"
    r"warranty|fees?|rates?|team|staff|conditions)\b",
)
"""To a shop or an office, whose documents these may be."""

VAGUE = starts(
    rf"(?:{AUX}|{WH}|if|whether)(?:'s)?(?: (?:{AUX}))? (?:it|that|this|he|she|they|him|her|them|those|these)\b",
)
IMPERSONAL = has(
    r"it (?:\w+ )?(?:safe|allowed|possible|legal|true that|healthy|dangerous|normal|necessary|worth|take|cost|far)\b"
)
TOPIC = has(
    r"(?:weather|forecast|rain|raining|snow|snowing|sunny|temperature|umbrella|news|headlines|price|prices|exchange rate|stock|"
    r"stocks|shares|score|standings|election|traffic|opening (?:hours|times)|flights?|trains?|petrol|inflation|cold|hot|warm)\b"
)
TOPIC_ALONE = starts(
    r"(?:the |today's |tomorrow's |latest |current )*(?:weather|forecast|news|headlines|price|exchange rate|stock price|score|"
    r"traffic|opening hours)\b(?!.*\b(?:is|was|are|were|has|have|looks?|got|said|made)\b)"
)
ELLIPSIS = re.compile(
    r"^(?:and |or |but |so )?(?:what|how) about (?P<rest>.+)|"
    r"^and (?P<more>(?:in|on|at|for|to|from|by|the|tomorrow|today|next|on)\b.+)",
    re.IGNORECASE,
)


def asked(sentence: str) -> Wanted:
    sentence = sentence.replace("’", "'")
    if (follows := ELLIPSIS.search(sentence)) and not CHAT.search(sentence) and not YOURSELF.search(sentence):
        return Wanted(query=(follows["rest"] or follows["more"]).rstrip(" .?!"), follows=True)
    text = FRAME.sub("", OPENING.sub("", sentence))
    if found := EXPLICIT.search(text):
        query = text[found.end() :].strip(" ,.") or text
        online = bool(ONLINE.search(text))
        return Wanted(not online, online or not OWN_PAPERS.search(text), query) if content(query) else NOTHING
    question = INDIRECT.sub("", BY_NAME.sub("", text))
    bare = QUOTED.sub("", question)
    if any(pattern.search(bare) for pattern in (NOW, CHAT, ORDER, TAG)):
        return NOTHING
    if TELL.search(bare):
        about = has(r"to (?:me|us)\b").sub("", TELL.sub("", question)).strip(" ,.?!")
        of_us = OF_US.search(QUOTED.sub("", about)) or TO_YOU.search(QUOTED.sub("", about))
        return NOTHING if of_us or not content(about) else Wanted(True, True, about)
    if not content(question):
        return NOTHING
    rising = bool(RISING.search(bare))
    if ASKS.search(bare) or TOPIC_ALONE.search(bare) or (rising and TOPIC.search(bare)):
        return replace(_about(bare), query=question.strip())
    return Wanted(documents=True, query=question.strip()) if rising and not TO_YOU.search(bare) else NOTHING


def _about(question: str) -> Wanted:
    """Of the world, of what documents may say, or of the two who talk."""
    world, ours = Wanted(True, True), bool(OURS_BEFORE.search(question))
    anybody = bool(ANYBODY.search(question)) and not ours
    if ours or MINE.search(question):
        return NOTHING
    if TOPIC.search(question) and (anybody or not YOURSELF.search(question)):
        return world
    if TO_YOU.search(question) and not anybody:
        return Wanted(documents=True) if SERVICE.search(question) else NOTHING
    if OF_US.search(question):
        return world if anybody and not has(r"(?:my|our)\b").search(question) else Wanted(documents=True)
    return Wanted(documents=True) if VAGUE.search(question) and not IMPERSONAL.search(question) else world
