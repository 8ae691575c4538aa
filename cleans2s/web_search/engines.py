"""The search engines: Serper (Google's results, needs a key), a SearXNG server, and `ddgs` (metasearch, keyless).

Each is a small class with `name` and `search`. To add one, write such a class and a line in `ENGINES` of websearch.py.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

from ..stages import imported
from .addresses import RefusedError, local
from .deadline import Deadline
from .found import Result, day, visible

ANSWER_BYTES = 2_000_000
"""Far above ten results of any engine."""


class EngineError(Exception):
    """What an engine did wrong, in a clause that names it and ends with the mend."""


class SearchEngine(Protocol):
    @property
    def name(self) -> str:
        """For messages."""
        ...

    def search(self, query: str, most: int, deadline: Deadline) -> list[Result]:
        """At most `most` results, the best first. Raises EngineError."""
        ...


@dataclass(frozen=True)
class Serper:
    """https://serper.dev: POST /search with the key in a header."""

    base_url: str
    region: str
    key: str = field(repr=False)

    @property
    def name(self) -> str:
        return urlsplit(self.base_url).netloc

    def search(self, query: str, most: int, deadline: Deadline) -> list[Result]:
        country, _, language = self.region.partition("-")
        asked = {"q": query, "num": most, "gl": country, "hl": language}
        answer = _asked(self, "POST", f"{self.base_url}/search", deadline, json=asked, headers={"X-API-KEY": self.key})
        rows = _rows(self, answer, "organic", missing_ok=True)  # a query without results has none
        if isinstance(best := answer.get("answerBox"), dict):
            box = cast("dict[str, Any]", best)
            rows.insert(0, {**box, "snippet": box.get("answer") or box.get("snippet")})
        return _results(rows, "link", "snippet", "date", most)

    def refusal(self, status: int) -> str:
        if status in (401, 403):
            return "does not accept the key; set a valid one in SERPER_API_KEY"
        if status == 400:
            return "refused the request (400); look whether the key in SERPER_API_KEY has credit left"
        return _refusal(status)


@dataclass(frozen=True)
class SearXNG:
    """A server of https://docs.searxng.org: GET /search?format=json."""

    base_url: str
    region: str

    @property
    def name(self) -> str:
        return urlsplit(self.base_url).netloc

    def search(self, query: str, most: int, deadline: Deadline) -> list[Result]:
        country, _, language = self.region.partition("-")
        asked = {"q": query, "format": "json", "language": f"{language}-{country.upper()}", "safesearch": "1"}
        answer = _asked(self, "GET", f"{self.base_url}/search", deadline, params=asked)
        rows = _rows(self, answer, "results")
        silent = answer.get("unresponsive_engines")
        if not rows and silent:
            raise EngineError(f"{self.name} found nothing because its own engines do not answer; see its status page")
        return _results(rows, "url", "content", "publishedDate", most)

    def refusal(self, status: int) -> str:
        if status == 403:
            return "does not answer in JSON; add `json` to search.formats in its settings.yml"
        return _refusal(status)


@dataclass(frozen=True)
class Ddgs:
    """The package `ddgs`: asks several public engines and merges what they find. It calls itself a browser to them."""

    region: str
    backend: str

    @property
    def name(self) -> str:
        return "ddgs"

    def search(self, query: str, most: int, deadline: Deadline) -> list[Result]:
        try:
            make, failure = imported("ddgs:DDGS"), imported("ddgs.exceptions:DDGSException")
        except ModuleNotFoundError:
            raise EngineError("the package `ddgs` is not installed; run `pip install ddgs`") from None
        try:
            patience_s = max(1, math.ceil(deadline.left_s))
            found = make(timeout=patience_s).text(query, region=self.region, max_results=most, backend=self.backend)
        except failure as error:
            if str(error) == "No results found.":
                return []
            raise EngineError(f"{self.name} got no answer from any engine; check the network, or try again later") from None
        return _results(found, "href", "body", "date", most)


def _asked(engine: Serper | SearXNG, method: str, url: str, deadline: Deadline, **sent: Any) -> dict[str, Any]:
    """The object in an engine's answer. Its words are not repeated: they may hold the key."""
    from .transport import FailedError, Way, Wire

    # The address is a setting, so it may be of this machine; the proxy of the environment is the way to all others.
    proxied = not local(urlsplit(url).hostname or "")
    try:
        answer = Wire(Way(deadline, trusted=None), ANSWER_BYTES, proxied=proxied).exchange(method, url, **sent)
    except FailedError as error:
        raise EngineError(f"{engine.name} {error}; check the network and its address, or try again later") from None
    except RefusedError as error:
        raise EngineError(f"{engine.name} gave an answer that is not taken: {error}; check its address") from None
    if answer.status != 200:
        raise EngineError(f"{engine.name} {engine.refusal(answer.status)}")
    try:
        found: Any = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise EngineError(f"{engine.name} answered something that is not its JSON; check its address")
    return cast("dict[str, Any]", found)


def _refusal(status: int) -> str:
    if status == 429:
        return "has had too many requests; try again later"
    if status >= 500:
        return f"failed with {status}; try again later"
    if 300 <= status < 400:
        return f"sent the request elsewhere ({status}); check its address"
    return f"refused the request with {status}; check its address"


def _rows(engine: SearchEngine, answer: Mapping[str, Any], name: str, missing_ok: bool = False) -> list[Any]:
    rows: Any = answer.get(name, [] if missing_ok else None)
    if not isinstance(rows, list):
        raise EngineError(f"{engine.name} answered without its list `{name}`; check its address")
    return list(cast("list[Any]", rows))


def _results(rows: list[Any], url: str, snippet: str, dated: str, most: int) -> list[Result]:
    """Rows that are none are left out, and so is an address that came before."""
    found: dict[str, Result] = {}
    for row in rows:
        if not isinstance(row, dict):
            continue
        fields = {name: value for name, value in cast("dict[str, Any]", row).items() if isinstance(value, str)}
        address = fields.get(url, "").strip()
        if not address.lower().startswith(("http://", "https://")) or address in found:
            continue
        title, words = (_line(fields.get(name, "")) for name in ("title", snippet))
        found[address] = Result(title or address, address, words, day(fields.get(dated, "")))
    return list(found.values())[:most]


def _line(text: str) -> str:
    return " ".join(visible(text).split())
