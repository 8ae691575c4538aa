"""The OpenAI Realtime protocol on one WebSocket; see docs/realtime.md for what is different and what is added.

connection.py   one client: its tasks, bounds and end
inbox.py        what the client asks → the session
narrator.py     what the session does → events for the client
settings.py     the Realtime session object ↔ Config and Request
items.py        conversation items ↔ messages
sound.py        pcm16 and g711 ↔ Audio
wire.py         checking and building events with the `openai` package's own types
"""
