"""What people say to a voice agent, by where an answer would be looked for. Written before the rules that they measure."""

from __future__ import annotations

WEB = {
    "en": """\
Look up when the next train to Bergen leaves.
Can you search for a good dentist near the central station?
Google the name of the actor who plays the butler.
Could you check online whether the museum is closed on Mondays?
Please find out how much a ferry ticket to Tallinn costs.
Search the web for reviews of the new electric Volvo.
Look it up on the internet, what year was the bridge built?
I need you to look up the phone number of the tax office.
What's the weather going to be like tomorrow?
Is it going to rain this afternoon in Manchester?
Do I need an umbrella today?
How cold does it get in Oslo tonight?
What's the latest news from Brazil?
What happened in the election yesterday?
Any news about the strike at the airport?
Who won the match last night?
What was the score of the Liverpool game?
When does the Champions League final start?
How much is a litre of petrol right now?
What does a ticket to the zoo cost?
What's the price of gold at the moment?
How is the Dow Jones doing today?
What's the exchange rate of the euro to the yen?
When does the supermarket on Main Street open on Sundays?
Is the post office still open?
Until what time is the swimming pool open?
Who is the prime minister of Canada?
Who was Ada Lovelace?
Who invented the zipper?
Who wrote The Master and Margarita?
Who is the head of the World Bank now?
What is the capital of Mongolia?
What's the population of Lagos?
How tall is the Eiffel Tower?
How far is it from Vienna to Prague?
How long does it take to fly to Tokyo?
When was the Berlin Wall built?
In which year did the Titanic sink?
Where is the nearest pharmacy?
Where was Marie Curie born?
Which is the longest river in Europe?
How many people live in Iceland?
How many legs does a lobster have?
What is photosynthesis?
What does the word serendipity mean?
Why is the sky blue?
Why do cats purr?
How do vaccines work?
How do you make a good pizza dough?
What are the symptoms of the flu?
Is ibuprofen safe during pregnancy?
Can dogs eat grapes?
Does the number nine bus still go to the harbour?
Are there any flights from Geneva to Lisbon on Friday?
Tell me about the history of the Suez Canal.
Tell me who painted the Girl with a Pearl Earring.
Do you know what time the shops close on Christmas Eve?
I'd like to know what films are on at the Odeon tonight.
I was wondering how many calories there are in an avocado.
Could you tell me what the speed limit is on German motorways?
What's the best way to get from the airport to the city centre in Lisbon?
Has the new iPhone come out yet?
Did the government resign?
Is there a pharmacy open tonight in the old town?
What's on television tonight?
Which team is leading the league?
Explain how a heat pump works.
What was the name of the first dog in space?
When is the next solar eclipse in Spain?
Um, so, what's the, what's the current inflation rate in Turkey?
""",
    "zh": """\
帮我查一下明天去上海的高铁。
你能不能搜一下附近有没有药店？
上网查查这部电影的评分。
麻烦查一下这个快递公司的电话。
搜索一下最近的台风消息。
百度一下红烧肉怎么做。
帮我找找看北京有什么好吃的烤鸭店。
给我查一下今天的油价。
明天天气怎么样？
今天下午会下雨吗？
北京现在多少度？
周末适合去爬山吗，天气好不好？
今天有什么新闻？
昨天的选举结果出来了吗？
昨晚的比赛谁赢了？
中国队几比几赢的？
世界杯决赛是什么时候？
今天黄金多少钱一克？
现在一美元换多少人民币？
苹果的股价是多少？
去动物园的门票多少钱？
故宫周一开门吗？
图书馆几点关门？
邮局现在还营业吗？
加拿大的总理是谁？
鲁迅是谁？
谁发明了电话？
红楼梦是谁写的？
蒙古的首都是哪里？
印度有多少人口？
珠穆朗玛峰有多高？
从广州到深圳有多远？
飞东京要多长时间？
长城是什么时候建的？
泰坦尼克号是哪一年沉的？
附近哪里有加油站？
居里夫人是哪国人？
世界上最长的河是哪条？
冰岛有多少人？
蜘蛛有几条腿？
什么是光合作用？
量子计算是什么意思？
天空为什么是蓝色的？
猫为什么会打呼噜？
疫苗是怎么起作用的？
怎么做西红柿炒鸡蛋？
流感有什么症状？
怀孕可以吃布洛芬吗？
狗能吃葡萄吗？
九路公交车还到码头吗？
星期五有从成都到昆明的航班吗？
给我讲讲苏伊士运河的历史。
你知道圣诞节商店几点关门吗？
我想知道今晚电影院放什么片子。
请问一个牛油果有多少卡路里？
能告诉我高速公路限速是多少吗？
从机场到市中心怎么走最方便？
新款手机上市了吗？
今晚电视上有什么节目？
现在联赛谁排第一？
下一次日食是什么时候？
土耳其现在的通货膨胀率是多少？
介绍一下敦煌莫高窟。
春节是几月几号？
诺贝尔文学奖今年给了谁？
""",
}
"""Questions about the world, and wishes to have something looked up."""

DOCUMENTS = {
    "en": """\
What does the warranty cover?
How do I reset the device?
How long is the guarantee?
What is the notice period in the contract?
How many days of holiday do employees get?
Who do I call when the heating fails?
Can I bring a guest to the canteen?
What should I do if the alarm goes off?
How do I change the filter?
Where do I find the serial number?
When is the rent due?
What are the rules for working from home?
Does the insurance pay for glasses?
Is parking included?
How do you descale the coffee machine?
What does the red light on the front mean?
Which cable goes into the blue socket?
What's the password policy?
Are pets allowed in the flat?
Do you deliver to Sweden?
What are your opening hours?
Do you have vegetarian dishes?
How much is the deposit?
When was the company founded?
Who is responsible for data protection?
What did the committee decide about the playground?
What does chapter three say about interest rates?
Tell me about the return policy.
Tell me how to connect the printer.
Explain the difference between the two tariffs.
I'd like to know how to cancel my subscription.
I need to know when the bins are collected.
Could you tell me the maximum load of the lift?
Do you know whether the shuttle runs on Sundays?
Can you explain how the bonus is calculated?
What happens if I miss the deadline?
Is there a discount for students?
Can the battery be replaced?
How often should the oil be changed?
Which documents do I need for the application?
What's the difference between the basic and the premium plan?
How do we apply for parental leave?
Where can I leave my bicycle?
At what temperature do I wash the blanket?
May I smoke on the balcony?
How many litres does the kettle hold?
Who was at the meeting in March?
What was the result of the survey?
Why was the project delayed?
What time is check-out?
Is breakfast served on Sundays?
Look up the torque for the wheel bolts.
Find the paragraph about liability.
Can you check in the manual how the timer is set?
Search the notes for the name of the plumber.
What does our policy say about gifts?
Does my contract allow a second job?
How do I get a new badge?
What is error code E17?
When do the summer holidays begin at our school?
Who signed the agreement?
Please tell me what the leaflet says about side effects.
""",
    "zh": """\
保修期是多久？
怎么恢复出厂设置？
保修包括哪些部件？
合同里的通知期是多长？
员工一年有多少天年假？
暖气坏了应该打哪个电话？
食堂可以带客人去吗？
警报响了该怎么办？
滤芯怎么换？
序列号在哪里找？
房租什么时候交？
在家办公有什么规定？
保险报销眼镜吗？
停车费包含在内吗？
咖啡机怎么除垢？
前面的红灯是什么意思？
蓝色插口接哪根线？
密码有什么要求？
公寓里可以养宠物吗？
你们送货到新疆吗？
你们几点开门？
有素食吗？
押金是多少？
公司是哪年成立的？
谁负责数据保护？
委员会对操场是怎么决定的？
第三章怎么讲利率的？
给我讲讲退货政策。
告诉我怎么连接打印机。
解释一下两种套餐的区别。
我想知道怎么取消订阅。
我要知道垃圾什么时候收。
电梯的最大载重是多少？
你知道班车星期天开吗？
能解释一下奖金怎么算的吗？
错过截止日期会怎么样？
学生有优惠吗？
电池可以更换吗？
多久换一次机油？
申请需要哪些材料？
基础版和高级版有什么不同？
育儿假怎么申请？
自行车可以停在哪里？
毯子用多少度的水洗？
阳台上可以抽烟吗？
水壶能装几升水？
三月的会议有谁参加了？
问卷的结果怎么样？
项目为什么延期了？
几点退房？
星期天有早餐吗？
查一下车轮螺栓的扭矩。
找一下关于责任的那一段。
在说明书里查查定时器怎么设置。
公司对送礼有什么规定？
我的合同允许做第二份工作吗？
新的门卡怎么领？
错误代码E17是什么？
学校暑假什么时候开始？
协议是谁签的？
请告诉我说明书上怎么说副作用的。
""",
}
"""Questions that a folder of documents may answer: they are put to the index, which says whether it knows."""

NEITHER = {
    "en": """\
Hello, how are you?
Good morning!
How was your day?
What's your name?
Who are you?
Are you a robot?
How old are you?
Where do you come from?
Do you like music?
What's your favourite colour?
Can you sing?
What can you do?
Do you remember me?
Do you know my name?
What did I tell you about my sister?
What was I saying just now?
When did I say I would go to the dentist?
Where did I leave my keys?
What should I wear tonight?
Should I call him back?
Am I boring you?
What do you think about that?
What do you mean?
Why did you say that?
Can you repeat that, please?
Could you speak a little slower?
Say that again.
Sorry?
Really?
Why not?
And then what?
Is that so?
Okay, thanks.
Thank you very much, that was helpful.
Never mind.
Stop talking.
Tell me a joke.
Tell me a story about a dragon.
Sing me a song.
Let's play a game.
Write a short poem about autumn.
Remind me to call my mother at six.
Set a timer for ten minutes.
Turn the volume down.
What time is it?
What day is it today?
What is seven times eight?
How do you say good night in French?
I'm so tired today.
I had a terrible day at work.
My daughter starts school on Monday.
We went to the zoo and saw the penguins.
The weather is lovely today.
I've been searching for my glasses all morning.
I always looked up to my grandfather.
I think the museum was closed when we were there.
I read in the news that they want to build a new bridge.
I don't know what to cook tonight.
I wonder if she still likes me.
You know what, I'll do it tomorrow.
Guess what happened to me yesterday.
It was so cold last night that the pipes froze.
My favourite team lost again.
Can I tell you something?
Can we talk about something else?
Would you like to hear a riddle?
Do you think I should quit my job?
I love you.
You're funny.
That's wrong, I never said that.
Hmm, let me think.
So anyway, we were sitting there and
No, not that one.
Do you ever get lonely?
Nice to meet you, I'm Peter.
Shall we go on?
""",
    "zh": """\
你好，最近怎么样？
早上好！
你今天过得好吗？
你叫什么名字？
你是谁？
你是机器人吗？
你几岁了？
你是哪里人？
你喜欢音乐吗？
你最喜欢什么颜色？
你会唱歌吗？
你会做什么？
你还记得我吗？
你知道我叫什么吗？
我跟你说过我妹妹什么？
我刚才说到哪儿了？
我什么时候说过要去看牙？
我把钥匙放哪儿了？
我今晚穿什么好？
我该给他回电话吗？
我是不是很无聊？
你怎么看？
你是什么意思？
你为什么这么说？
能再说一遍吗？
你说慢一点好吗？
再说一次。
什么？
真的吗？
为什么不行？
然后呢？
是这样吗？
好的，谢谢。
太感谢了，帮了大忙。
算了，没事。
别说了。
给我讲个笑话。
给我讲个龙的故事。
唱首歌给我听。
我们玩个游戏吧。
写一首关于秋天的小诗。
六点提醒我给妈妈打电话。
定一个十分钟的闹钟。
声音小一点。
现在几点了？
今天星期几？
七乘八等于多少？
晚安用法语怎么说？
我今天好累啊。
今天上班糟透了。
我女儿星期一开始上学。
我们去了动物园，看到了企鹅。
今天天气真好。
我找眼镜找了一上午。
我在公司负责检查一下质量。
我们去的时候博物馆关门了。
我在新闻里看到他们要建新桥。
不知道今晚做什么饭好。
不知道她还喜不喜欢我。
你知道吗，我决定明天再做。
你猜我昨天遇到了谁。
昨晚太冷了，水管都冻住了。
我喜欢的球队又输了。
我能跟你说件事吗？
我们聊点别的好吗？
你想听个谜语吗？
你觉得我该辞职吗？
我爱你。
你真有意思。
不对，我没这么说过。
嗯，让我想想。
后来呢，我们就坐在那里，然后
不是那个。
你会觉得孤单吗？
很高兴认识你，我叫彼得。
我们继续好吗？
你吃饭了吗？
""",
}
"""What is answered as it is: talk, about the two of them, what nobody else knows, and orders that are no questions."""


def lines(text: str) -> list[str]:
    return text.strip().split("\n")
