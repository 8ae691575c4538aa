"""What a client may ask about what is remembered of it, as events (`docs/realtime.md` has their answers)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

MOST_EPISODES = 200
TEXT_CHARS = 20_000
ID_CHARS = 100


class List(BaseModel):
    search: str = Field("", max_length=200)
    limit: int = Field(100, ge=1, le=MOST_EPISODES)


class Edit(BaseModel):
    id: str = Field(max_length=ID_CHARS)
    text: str = Field(max_length=TEXT_CHARS)


class Forget(BaseModel):
    id: str = Field(max_length=ID_CHARS)


class ForgetAll(BaseModel):
    pass


class Export(BaseModel):
    pass


class Import(BaseModel):
    memory: dict[str, Any]


class Unblock(BaseModel):
    pass


Asked = List | Edit | Forget | ForgetAll | Export | Import | Unblock

MEMORY: dict[str, type[BaseModel]] = {
    "cleans2s.memory.list": List,
    "cleans2s.memory.edit": Edit,
    "cleans2s.memory.forget": Forget,
    "cleans2s.memory.forget_all": ForgetAll,
    "cleans2s.memory.export": Export,
    "cleans2s.memory.import": Import,
    "cleans2s.memory.unblock": Unblock,
}
