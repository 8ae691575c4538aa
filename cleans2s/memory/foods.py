"""What is eaten and drunk, by family, in English and Chinese: what a diet forbids."""

from __future__ import annotations

MEAT = (
    "steak beef pork bacon ham chicken turkey lamb sausage sausages salami burger hamburger schnitzel ribs meat duck veal "
    "kebab 牛排 牛肉 猪肉 羊肉 鸡肉 火腿 培根 香肠 烤鸭 肉 排骨 红烧肉 鸡翅".split()
)
FISH = "fish salmon tuna cod trout sushi herring sardines anchovies 鱼 三文鱼 寿司 金枪鱼".split()
SEAFOOD = (
    "seafood shellfish shrimp shrimps prawn prawns crab lobster oysters mussels clams squid "
    "海鲜 虾 螃蟹 蟹 龙虾 生蚝 贝".split()
)
DAIRY = "milk cheese butter yoghurt yogurt cream milkshake dairy 牛奶 奶酪 黄油 酸奶 奶油 芝士".split()
EGGS = "egg eggs omelette omelet 鸡蛋 蛋".split()
ALCOHOL = (
    "alcohol beer wine whisky whiskey vodka gin rum champagne cocktail cocktails 酒 啤酒 红酒 白酒 威士忌 香槟 鸡尾酒".split()
)
NUTS = (
    "nuts nut peanut peanuts almond almonds walnut walnuts cashew cashews hazelnut hazelnuts 花生 坚果 杏仁 核桃 腰果".split()
)
GLUTEN = "gluten bread pasta wheat noodles pizza 面包 面条 小麦 麸质".split()
FAMILIES = (MEAT, FISH, SEAFOOD, DAIRY, EGGS, ALCOHOL, NUTS, GLUTEN)

GENERAL = frozenset(
    "meat fish seafood shellfish dairy alcohol nuts nut gluten egg eggs 肉 鱼 海鲜 坚果 酒 蛋 鸡蛋 麸质".split()
)
"""Names of whole families: who does not eat these eats none of the family. Who does not eat salmon may eat cod."""

DIETS = {
    "vegetarian": (MEAT, FISH, SEAFOOD),
    "vegan": (MEAT, FISH, SEAFOOD, DAIRY, EGGS),
    "pescatarian": (MEAT,),
    "teetotal": (ALCOHOL,),
    "素": (MEAT, FISH, SEAFOOD),
}
"""By a piece of the word for the diet."""
