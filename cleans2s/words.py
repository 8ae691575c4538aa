"""The page's words, in English and Chinese."""

from __future__ import annotations

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "talk": "Talk",
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
        "character": "Who the agent is",
        "character_info": "The system prompt. The small built-in model follows it only roughly.",
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
        "character": "它是谁",
        "character_info": "系统提示词。内置的小模型只能大致遵循。",
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
