"""Chinese figures, read aloud as a speaker would."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

READINGS = """
2024年3月5日 二零二四年三月五日
2024-03-05 二零二四年三月五日
2024/3/5 二零二四年三月五日
2024-03那期 二零二四年三月那期
2000年 二零零零年
2000年前 两千年前
5000年历史 五千年历史
100年前 一百年前
1990年代 一九九零年代
20世纪90年代 二十世纪九十年代
90后 九零后
08年 零八年
98年6月 九八年六月
2019-2023年 二零一九到二零二三年
2018年到2020年 二零一八年到二零二零年
2月14号 二月十四号
14:30 十四点三十分
14:30分 十四点三十分
14:30:15 十四点三十分十五秒
8:05 八点零五分
9:00-17:00 九点到十七点
2:00 两点
12点30分 十二点三十分
比分3:2 比分三比二
以3-1获胜 以三比一获胜
16:9的屏幕 十六比九的屏幕
0 零
10 十
15个 十五个
110 一百一十
1001 一千零一
100001 十万零一
2000 两千
20000 两万
222 二百二十二
1,234,567 一百二十三万四千五百六十七
14亿 十四亿
2.5万 二点五万
3.14 三点一四
0.05 零点零五
气温-5度 气温零下五度
是-3 是负三
007 零零七
12345678901234567890 一二三四五六七八九零一二三四五六七八九零
50% 百分之五十
100% 百分之百
3.5% 百分之三点五
-2.5% 负百分之二点五
3%-5% 百分之三到百分之五
3-5% 百分之三到百分之五
2‰ 千分之二
12.5个百分点 十二点五个百分点
¥12.50 十二点五元
￥2 两元
2元 两元
$1,234.56 一千二百三十四点五六美元
€3.5万 三点五万欧元
-$5 负五美元
100USD 一百美元
25℃ 二十五摄氏度
-5℃ 零下五摄氏度
25~30℃ 二十五到三十摄氏度
120km/h 一百二十公里每小时
3.5kg 三点五公斤
2kg 两公斤
100㎡ 一百平方米
500mL 五百毫升
2.4GHz 二点四吉赫
1/2 二分之一
2/3的人 三分之二的人
3又1/2 三又二分之一
½杯 二分之一杯
3-5天 三到五天
2-3个 两到三个
10到20人 十到二十人
第3-5页 第三到五页
3+5=8 三加五等于八
12×3=36 十二乘以三等于三十六
1024×768 一千零二十四乘以七百六十八
第2名 第二名
第1,000名 第一千名
2个苹果和3个梨 两个苹果和三个梨
2岁 两岁
2位 两位
2楼 二楼
2年级 二年级
2年 两年
2月 二月
星期2 星期二
1或第2个 一或第二个
打8折 打八折
打85折 打八五折
打100个电话 打一百个电话
13800138000 幺三八，零零幺三，八零零零
138-0013-8000 幺三八，零零幺三，八零零零
010-62345678 零幺零，六二三四，五六七八
400-820-8820 四零零，八二零，八八二零
拨打110 拨打幺幺零
12345热线 幺二三四五热线
密码是1234 密码是幺二三四
302室 三零二室
302路公交 三零二路公交
G1234次 G幺二三四次
COVID-19 COVID-十九
A4纸 A四纸
9·11 九一一
1.2.3 一点二点三
192.168.1.1 一九二点一六八点一点一
１２３ 一百二十三
①首先 一首先
""".split()


@pytest.mark.parametrize(("written", "read"), list(zip(READINGS[::2], READINGS[1::2], strict=True)))
def test_figures_are_read_as_a_speaker_would(written, read):
    pytest.importorskip("cn2an")
    from cleans2s.chinese import spoken

    assert spoken(written) == read
    assert spoken(f"他说{written}。") == f"他说{read}。"


def test_spaces_around_figures_make_no_difference_and_other_text_stays():
    pytest.importorskip("cn2an")
    from cleans2s.chinese import spoken

    assert spoken("2024 年 3 月 5 日 14:30") == "二零二四年三月五日十四点三十分"
    assert spoken("我喜欢用 Python，你呢？") == "我喜欢用 Python，你呢？"
    assert spoken("iPhone 15 有 2 个颜色") == "iPhone 十五有两个颜色"


@given(st.text("0123456789.,:-/%年月日第个点℃¥$ +=×A", max_size=20))
def test_no_figure_is_left_whatever_is_written(text):
    pytest.importorskip("cn2an")
    from cleans2s.chinese import spoken

    assert not re.search(r"\d", spoken(text))
