"""The page's words, in English and Chinese."""

from __future__ import annotations

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "talk": "Talk",
        "compare": "Compare",
        "offline": "Offline",
        "connect": "API",
        "settings": "Settings (act at once)",
        "interruption": "You can interrupt",
        "interruption_info": "Off: the agent finishes first; what you said meanwhile is answered then.",
        "eagerness": "Turn-taking",
        "eagerness_info": "How soon a pause is taken for the end of your turn.",
        "relaxed": "patient",
        "balanced": "balanced",
        "quick": "quick",
        "proactive": "It takes the initiative",
        "proactive_info": "It may greet, cut in, show that it listens, and speak up when it is quiet for long.",
        "ways": "Besides answering, it may",
        "ways_info": "What it chose, and why, stands beside the conversation.",
        "way_refusal": "refuse",
        "way_deflection": "deflect",
        "way_silence": "stay silent",
        "way_interruption": "cut in",
        "who": "Character",
        "who_info": "Who speaks with you.",
        "plain": "plain assistant",
        "write_character": "Write a character of your own",
        "write_character_text": (
            "Begin with the text of the character above: a name, then for each language who it is, what it stands for, what it "
            "refuses. The text is kept on this server as long as it is used, and a day longer."
        ),
        "character_file": "The character, in Markdown",
        "use_character": "Use this character",
        "character": "Who the agent is",
        "character_info": (
            "The system prompt of the plain assistant; a character brings its own. The small built-in model follows it only "
            "roughly."
        ),
        "length": "Length of answers",
        "length_info": "Tokens at the most; a word has about 1.3.",
        "speed": "Speed of the voice",
        "speed_info": "1 is the voice's own.",
        "volume_db": "Volume",
        "volume_db_info": "Decibels; 6 is twice as loud.",
        "pitch": "Pitch",
        "pitch_info": "Semitones; 12 is an octave higher.",
        "recogniser": "Speech recognition",
        "recogniser_info": "base: many languages, more accurate; tiny.en: English, faster.",
        "voice": "Voice",
        "reference": "Reference voice",
        "reference_info": "The clip that the voice speaks like.",
        "at_random": "at random",
        "no_reference": (
            "The voice of these engines cannot speak like a reference; choose engines that can, such as CosyVoice in the "
            "profile `paper`."
        ),
        "own_voice": "A reference voice of your own",
        "own_voice_text": (
            "Read something aloud for 10 to 20 seconds, in a quiet room; only your own voice, or one that you may use. "
            "The clip is kept on this server for a day, under a name that only this page knows, and then removed."
        ),
        "clip": "Clip",
        "clip_text": "What is said in it",
        "clip_text_info": "Word for word; left empty, it is what the speech recognition hears.",
        "use_clip": "Use this voice",
        "profile": "Engines",
        "profile_info": "Another profile acts on the next conversation; it may need keys or packages.",
        "own_profile": "as started",
        "offline_text": "Upload a question or record one; it is played to the agent in real time.",
        "question": "Your question",
        "ask": "Ask",
        "heard": "You said",
        "agent": "The agent",
        "answer": "The answer",
        "picture": "What happened when",
        "log": "Event log",
        "connect_text": (
            "This server speaks the OpenAI Realtime protocol at `/v1/realtime`, and `/v1/audio/transcriptions`, "
            "`/v1/audio/speech`, `/v1/chat/completions` and `/v1/models` beside it. Any client of that API can talk to it; "
            "if the server has a key (`CLEANS2S_API_KEY`), give that instead of `none`."
        ),
        "example": "With the official client: pip install 'openai[realtime]'",
    },
    "zh": {
        "talk": "对话",
        "compare": "对比",
        "offline": "离线",
        "connect": "接口",
        "settings": "设置（立即生效）",
        "interruption": "可以打断",
        "interruption_info": "关闭后，它会先把话说完，再回答你在此期间说的话。",
        "eagerness": "接话节奏",
        "eagerness_info": "停顿多久算你说完了。",
        "relaxed": "耐心",
        "balanced": "适中",
        "quick": "敏捷",
        "proactive": "主动",
        "proactive_info": "它会打招呼、插话、表示在听，安静久了也会主动开口。",
        "ways": "除了回答，它还可以",
        "ways_info": "它选了什么、为什么，显示在对话旁边。",
        "way_refusal": "拒绝",
        "way_deflection": "岔开",
        "way_silence": "沉默",
        "way_interruption": "插话",
        "who": "角色",
        "who_info": "与你说话的是谁。",
        "plain": "普通助手",
        "write_character": "写一个自己的角色",
        "write_character_text": (
            "可以从上面所选角色的文字开始：先写名字，再按语言写它是谁、立场如何、拒绝什么。"
            "这段文字在使用期间保存在本服务器上，之后再保留一天。"
        ),
        "character_file": "角色（Markdown）",
        "use_character": "使用这个角色",
        "character": "它是谁",
        "character_info": "普通助手的系统提示词；角色自带提示词。内置的小模型只能大致遵循。",
        "length": "回答长度",
        "length_info": "最多的词元数；一个英文词约 1.3 个。",
        "speed": "语速",
        "speed_info": "1 为原速。",
        "volume_db": "音量",
        "volume_db_info": "分贝；6 约为两倍响。",
        "pitch": "音高",
        "pitch_info": "半音；12 为高一个八度。",
        "recogniser": "语音识别",
        "recogniser_info": "base：多语言，更准；tiny.en：仅英文，更快。",
        "voice": "声音",
        "reference": "参考音色",
        "reference_info": "让声音像这段录音。",
        "at_random": "随机",
        "no_reference": "这套引擎的声音不能模仿参考录音；请换用可以的引擎，例如 `paper` 配置中的 CosyVoice。",
        "own_voice": "用自己的参考录音",
        "own_voice_text": (
            "在安静的地方朗读 10 到 20 秒；请只用自己的声音，或您有权使用的声音。"
            "录音在本服务器上保存一天，其名称只有本页面知道，之后删除。"
        ),
        "clip": "录音",
        "clip_text": "录音中说的话",
        "clip_text_info": "请逐字填写；留空则由语音识别填写。",
        "use_clip": "使用这个声音",
        "profile": "引擎",
        "profile_info": "换一套引擎，从下一次对话起生效；可能需要密钥或软件包。",
        "own_profile": "启动时的设置",
        "offline_text": "上传或录一个问题，它会实时播放给助手听。",
        "question": "你的问题",
        "ask": "提问",
        "heard": "你说",
        "agent": "助手",
        "answer": "回答",
        "picture": "时间线",
        "log": "事件日志",
        "connect_text": (
            "本服务器在 `/v1/realtime` 提供 OpenAI Realtime 协议，并提供 `/v1/audio/transcriptions`、`/v1/audio/speech`、"
            "`/v1/chat/completions` 和 `/v1/models`。任何该接口的客户端都可以与它对话；"
            "如果服务器设有密钥（`CLEANS2S_API_KEY`），请用它代替 `none`。"
        ),
        "example": "使用官方客户端：pip install 'openai[realtime]'",
    },
}

CONNECT = """\
import asyncio
import base64

from openai import AsyncOpenAI

client = AsyncOpenAI(base_url="http://127.0.0.1:7860/v1", api_key="none")


async def main():
    async with client.realtime.connect(model="cleans2s") as connection:
        # Speak: pcm16, mono, 24 kHz, in pieces as the microphone gives them, silence included.
        #   await connection.input_audio_buffer.append(audio=base64.b64encode(pcm).decode())
        # Or write:
        text = {"type": "input_text", "text": "What is the capital of France?"}
        await connection.conversation.item.create(item={"type": "message", "role": "user", "content": [text]})
        await connection.response.create()
        sound = b""
        async for event in connection:
            if event.type == "response.output_audio.delta":
                sound += base64.b64decode(event.delta)  # pcm16, 24 kHz
            elif event.type == "response.output_audio_transcript.done":
                print(event.transcript)
            elif event.type == "response.done":
                break


asyncio.run(main())
"""
