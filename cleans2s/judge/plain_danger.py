"""Dangers that are told plainly while one talks on: "there are flames coming out of the pan, anyway, the soup needs carrots".

They are cut into without a model. Writers of examples think of sly ones, and of as many that are past or in a film; a model
that has learnt from them is in doubt where nobody would be: it let these flames pass, and a child that had just swallowed a
battery. Only what is happening now, in so many words, is found.
"""

from __future__ import annotations

import re

_WHAT = (
    r"(?:curtains?|kitchen|house|flat|apartment|room|roof|shed|barn|garage|car|engine|oven|stove|hob|cooker|pan|pot|oil|fat|toaster|"
    r"microwave|kettle|dryer|heater|socket|outlet|plug|cables?|charger|battery|phone|laptop|television|telly|tv|sofa|couch|carpet|rug|"
    r"bed|mattress|blanket|pillow|table ?cloth|towel|bin|tree|sleeve|shirt|dress|scarf|hair)"
)
_NOW = r"(?:'s|'re|'m| is| are| am)(?: (?:now|already|suddenly|just|really|all|kind of))*"
_JUST = r"(?:(?:'s| has| have|'ve)(?: just| now)?| just)"
_SWALLOWED = (
    r"(?:batter(?:y|ies)|bleach|detergent|antifreeze|(?:drain|oven|toilet) cleaner|descaler|weed ?killer|rat poison|lamp oil|"
    r"petrol|lighter fluid|white spirit|paint thinner|magnets?|dishwasher tablets?|washing capsules?|laundry pods?|"
    r"(?:all|whole|bottle of|packet of|pack of|box of|handful of)(?: \w+){0,4} (?:pills|tablets|painkillers))"
)
_WHO = (
    r"(?:he|she|someone|somebody|guest|man|woman|lady|person|boy|girl|child|kid|baby|dad|father|mum|mom|mother|husband|wife|son|"
    r"daughter|brother|sister|uncle|aunt|gran\w*|neighbour|neighbor|friend|colleague|boss|partner)"
)
_ENGLISH = re.compile(
    r"\b(?:"
    r"(?:flames|smoke|sparks)(?: (?:is|are))?(?: now)? "
    r"(?:coming|pouring|shooting|billowing|leaping|creeping|bursting|rising|flying) "
    r"(?:out|up|from|through|under|across)(?! of the (?:chimney|stack))|"
    rf"{_WHAT}(?:{_NOW} (?:burning|smoking|in flames)|{_NOW} on fire|{_JUST} caught fire|{_NOW} catching fire)|"
    r"(?:i|we) (?:can )?smell gas\b|smells? (?:strongly )?of gas\b|smell of gas (?:here|in)|gas is (?:leaking|hissing)|"
    rf"\w+{_JUST} (?:swallowed|drunk|drank|eaten|ate)(?: \w+){{0,4}} {_SWALLOWED}|"
    r"\w+(?:'s| is)(?: \w+){0,2} (?:not breathing|choking|unconscious|(?:turning|going) blue)|"
    r"(?:he|she|it|i|baby|dad|mum|mom)(?: really)? (?:can't|can hardly|cannot) breathe\b|(?:has|'s) stopped breathing|"
    rf"{_WHO}(?: has|'s)(?: just)? (?:collapsed|passed out)|(?:isn't|is not|'s not) (?:responding|waking up)|"
    r"(?:pain|pressure|tightness) in my chest\b.*\b(?:arm|jaw|sweating|sweat|breath|dizzy)|"
    r"(?:bleeding|blood)(?: \w+){0,4} (?:won't stop|doesn't stop|isn't stopping|gushing|spurting)|"
    r"water(?:'s| is)? (?:running|dripping|pouring|leaking|coming)(?: \w+){0,2} (?:into|onto|over|out of|through) the "
    r"(?:socket|plugs?|outlet|fuse box|power strip|extension lead)"
    r")",
    re.IGNORECASE,
)
_CHINESE = re.compile(
    r"(?:(?<!打不)着火|起火|(?<!脸)(?<!脸都)烧起来|烧着)了|冒(?:黑|浓)?烟了|(?:在|直|一直|开始)冒(?:着)?(?:黑|浓|大)?烟|"
    r"(?:闻到|(?<!没)有|一)股?(?:很浓的?)?(?:煤气|燃气|天然气)味|(?:煤气|燃气|天然气)(?:在|一直)?(?:泄漏|漏)|"
    r"(?:吞|咽|喝|吃)(?:了|下去?了?|进去了?)[^，。？！]{0,8}(?:电池|磁铁|硬币|洁厕灵|消毒液|漂白水|洗衣液|洗衣凝珠|老鼠药|农药|安眠药)|"
    r"(?:没|没有|不|停止)呼吸了|(?<!得)(?<!得我)(?<!得人)(?:喘|透)不(?:上|过)(?:来)?气(?:来)?了?|噎(?:住|着)了|卡在?(?:喉咙|嗓子)|(?:脸|嘴唇)(?:都|已经|开始)?(?:发)?(?:紫|青)了|"
    r"(?:晕|昏)(?:倒|过去)了|(?:在|开始|一直)抽搐|胸口[^。？！]{0,8}(?:疼|痛|闷|压)[^。？！]{0,24}(?:左胳膊|左臂|左手|冷汗|喘)|"
    r"血(?:一直|怎么都)?止不住|(?:漏|触)电了"
)
_NOT_NOW = re.compile(
    r"\b(?:yesterday|last (?:night|week|weekend|month|year|summer|winter|spring|autumn|time)|ago|once|back then|when i was|"
    r"used to|was|were|had|if|imagine|suppose|would|whenever|sometimes|always|never|put out|out again|drill|dream\w*)\b",
    re.IGNORECASE,
)
"""In the same clause: it is past, over, or only thought of."""

_NOT_HERE = re.compile(
    r"\b(?:novel|story|stories|book|game|film|movie|cinema|play|script|chapter|level|scene|character|episode|series|poem|song|lyrics|"
    r"headline|news|documentary|painting|photo|picture|video|report|laugh\w*|jokes?|giggl\w*|breathing a word|how do(?:es)?)\b|"
    r"小说|故事|游戏|电影|电视|剧|角色|关卡|新闻|报道|听说|历史|视频|照片|歌|画|凶手|"
    r"昨|前天|去年|前年|当年|上次|上个?月|上周|以前|从前|小时候|那次|那年|那天|后来|当时|要是|如果|万一|演习|梦|每次|有时|总是|灭了|没事了|"
    r"工位|压力|不是|装|像|过一回|哈|笑|吓|帅|辣|都要|快要|怎么知道",
    re.IGNORECASE,
)
"""Anywhere before: it is told or made up. In Chinese no tense would say so."""

_CLAUSE = re.compile(r"[.,?!;。？！，；]|\b(?:and|but|so|because|anyway)\b", re.IGNORECASE)


def plainly_dangerous(words: str) -> bool:
    """Of the beginning of a turn."""
    found = _ENGLISH.search(words) or _CHINESE.search(words)
    if not found or _NOT_HERE.search(words):
        return False
    clause = _CLAUSE.split(words[: found.start()])[-1]
    return not _NOT_NOW.search(clause + found[0])
