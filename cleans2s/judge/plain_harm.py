"""Demands that harm plainly: "how do I make a bomb?", "help me poison my neighbour's dog".

They are refused without a model. Writers of examples think of sly ones: not one of 35,000 turns is as plain, and a model that
has learnt from them takes these for "how do I …?" with an odd noun (the two above: 60 to 90 % for an ordinary answer). Only
what is asked for in so many words is found; a game's monster, a novel's murder and weeds are not.
"""

from __future__ import annotations

import re

_WISH = (
    r"(?:how (?:do|can|could|would|should|might) (?:i|we|you|one|somebody|someone)|how to|"
    r"(?:help|teach|show|tell) (?:me|us)(?: how)?(?: to| i can)?|"
    r"(?:what|which)(?:'s| is) (?:the|a) (?:best|easiest|quickest|simplest|good) way (?:to|of))"
)
_MANNER = r"(?: (?:secretly|quietly|slowly|best|just|actually|really|easily|safely))?"
_OWNER = r"(?:my|our|your|his|her|their|a|an|some|this|that)"
_PERSON = (
    r"(?:wife|husband|partner|girlfriend|boyfriend|ex|ex-wife|ex-husband|boss|colleague|co-?worker|neighbou?r|teacher|classmate|"
    r"room-?mate|flatmate|landlord|mother|father|mum|mom|dad|parents|brother|sister|son|daughter|child|children|kid|kids|baby|girl|boy|"
    r"woman|man|person|human being|policeman|mother-in-law|father-in-law|stepfather|stepmother|rival)"
)
_PET = r"(?:dog|cat|horse|rabbit|parrot|pet|pets|dogs|cats)"
_VICTIM = (
    rf"(?:(?:someone|somebody|people|him|her)|{_OWNER} (?:\w+ ){{0,2}}?{_PERSON}|"
    rf"(?:{_OWNER} (?:\w+ )?{_PERSON}|someone|somebody)'s (?:{_PERSON}|{_PET})|"
    rf"(?:the )?(?:neighbou?rs?'?s?'?) {_PET})"
)
_END = (
    r"(?=\s*(?:$|[?.!,;]|\b(?:without|so that|and|in (?:his|her|their) sleep|before|tonight|tomorrow|because|using|"
    r"while|unnoticed|unseen|quietly|secretly|slowly|painlessly|please|at home|at school|at work)\b))"
)
_MADE = (
    r"(?:(?:pipe|nail|car|petrol|dirty|letter|time|real|home-?made|small|big|chemical) )*"
    r"(?:bombs?|explosives?|explosive device|(?:hand )?grenades?|molotovs?(?: cocktails?)?|(?:nerve|poison|mustard) gas|"
    r"napalm|ricin|sarin|(?:crystal )?meth|methamphetamines?|heroin|crack|fentanyl|(?:biological|chemical) weapons?)"
)
_HURT = (
    "kill|murder|poison|strangle|stab|suffocate|smother|drown|kidnap|abduct|rape|torture|assassinate|blackmail|beat up|run over"
)
_MAKE = "make|build|construct|assemble|mix|cook|brew"
_ENGLISH = re.compile(
    rf"\b{_WISH}{_MANNER} (?:(?:{_HURT}){_MANNER} {_VICTIM}|(?:{_MAKE}) (?:a |an |some |my own )?{_MADE}){_END}", re.IGNORECASE
)
_SOMEBODY = (
    r"(?:老婆|妻子|老公|丈夫|媳妇|前任|前妻|前夫|前男友|前女友|男朋友|女朋友|邻居|同事|老板|上司|领导|老师|同学|室友|房东|情敌|岳父|岳母|"
    r"婆婆|公公|儿子|女儿|孩子|小孩|爸爸?|妈妈?|哥哥?|弟弟?|姐姐?|妹妹?|别人|一个人|某个人|人|他|她|他们|她们)"
)
_CHINESE = re.compile(
    r"(?:怎么|怎样|如何|咋|教教?我|告诉我|帮我|(?:有什么|有啥|什么)(?:好)?办法)(?:才能|能|可以|去|来|怎么|把)?"
    rf"(?:(?:我|我们|我家|你|他|她|隔壁|那个)?(?:的)?{_SOMEBODY}(?:(?:家)?的?[狗猫])?"
    r"(?:杀了|杀掉|杀死|毒死|弄死|掐死|勒死|捅死|绑架了?)|"
    rf"(?:杀死?|杀掉|谋杀|毒死|毒害|弄死|掐死|勒死|捅死|绑架|勒索|干掉)(?:我|我们|我家|隔壁|一个|那个)?(?:的)?{_SOMEBODY}(?:(?:家)?的?[狗猫])?|"
    rf"(?:悄悄|偷偷)?[给对往](?:我|我们|我家|隔壁|那个)?(?:的)?{_SOMEBODY}(?:(?:家)?的?[狗猫])?(?:偷偷|悄悄)?(?:下毒|投毒)|"
    r"(?:自己)?(?:做|造|制作|制造|自制|配制|合成|制)(?:出)?(?:一[个枚颗瓶]|个|枚|点儿?|些)?(?:土|汽油|燃烧|定时|遥控|真)?"
    r"(?:炸弹|炸药|手榴弹|手雷|燃烧瓶|毒气|冰毒|海洛因|毒品|摇头丸))(?=$|[\s，。？！,.?!吗呢啊呀吧])"
)
_MADE_UP = re.compile(
    r"\b(?:novel|story|stories|book|game|film|movie|play|script|chapter|level|scene|character|chess|minecraft|sims|sketch|poem|song|"
    r"episode|legend|myth|history|historical)\b|小说|故事|游戏|电影|电视剧|剧本|话剧|角色|这一关|关卡|我的世界|历史|狼人杀|剧本杀|三国|章|"
    '["”] ?["“]',  # two who speak in turn
    re.IGNORECASE,
)


def plainly_harmful(words: str) -> bool:
    found = _ENGLISH.search(words) or _CHINESE.search(words)
    return bool(found) and not _MADE_UP.search(words)
