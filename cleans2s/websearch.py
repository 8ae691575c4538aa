"""Looking into the web: search, read the pages' main text, gather both as documents.

    web = WebSearchHelper()
    for document in web.gather("When does the Louvre open on Fridays?"):
        print(document.title, document.url, document.text[:200])

With a key in `SERPER_API_KEY` Google is asked through Serper, without one the public engines through `ddgs`; a SearXNG server
is asked when its address is set. Everything has one time budget, and what has arrived when it is over is the answer. What
comes back is data from strangers: to be quoted and cited, never to be obeyed.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

from .errors import ConfigError, SearchError
from .web_search.addresses import EVERYWHERE, RefusedError, checked, local
from .web_search.cache import Cache
from .web_search.deadline import Deadline, merged
from .web_search.engines import Ddgs, EngineError, SearchEngine, SearXNG, Serper
from .web_search.found import Document, Page, Result

__all__ = ["ENGINES", "Document", "Page", "Result", "WebSearchHelper"]

ENGINES = ("serper", "searxng", "ddgs")
KEY = "SERPER_API_KEY"

QUERY_CHARS = 400
"""More is no query but a text; the rest is dropped."""

SEARCH_SHARE = 0.5
"""Of the time for `gather`, the most that the search itself may take; the rest is for the pages."""

LANES = 8
"""Hosts that are asked at the same time. Each is asked for one page after the other."""

REDIRECTS = 5
SEARCHES_KEPT, PAGES_KEPT = 256, 256

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WebSearchHelper:
    """Settings, and what can be done with them. Blocking, and safe from several threads. Nothing is loaded before it is used;
    equal questions are answered from a cache in memory that belongs to this object."""

    engines: tuple[str, ...] = ENGINES
    """Whom to ask, in this order: "serper" if there is a key, "searxng" if its address is set, "ddgs". The next is asked where
    one fails; to keep queries from the others, name one only."""

    serper_base_url: str = "https://google.serper.dev"
    searxng_base_url: str = ""
    """Such as https://searx.example.org; its settings.yml must have `json` among search.formats."""

    ddgs_backend: str = "auto"
    """Engines that `ddgs` asks, separated by commas ("brave, mojeek"); "auto" leaves the choice to it."""

    region: str = "us-en"
    """Country and language that results are for."""

    results: int = 5
    patience_s: float = 6.0
    """For the whole of a call: search, pages, all engines together."""

    fresh_s: float = 600.0
    """How long results and pages are kept."""

    page_bytes: int = 4_000_000
    """A longer page is refused, compressed or not."""

    page_chars: int = 50_000
    """A longer text is cut, between paragraphs if possible."""

    pages_per_host: int = 3
    """The most that one call reads from one host."""

    allow_private: bool = False
    """Whether pages may lie on this machine and its private network: for tests and intranets. Whoever can put a link into
    search results or a conversation then reaches what this machine reaches."""

    def __post_init__(self) -> None:
        if unknown := [name for name in self.engines if name not in ENGINES]:
            raise ConfigError(f"websearch.engines: unknown {', '.join(unknown)}; expected some of {', '.join(ENGINES)}")
        country, _, language = self.region.partition("-")
        if not (len(country) == 2 and len(language) == 2 and (country + language).isalpha()):
            raise ConfigError(f"websearch.region = {self.region!r}: expected country and language such as us-en or cn-zh")
        for name in ("results", "patience_s", "fresh_s", "page_bytes", "page_chars", "pages_per_host"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"websearch.{name} = {getattr(self, name)!r}: expected more than 0")
        _check_address("serper_base_url", self.serper_base_url, "https://google.serper.dev")
        if self.searxng_base_url:
            _check_address("searxng_base_url", self.searxng_base_url, "https://searx.example.org")

    def load(self) -> WebSearchHelper:
        """Import ahead what the first call would otherwise wait for. Once per process; not necessary."""
        from .web_search.reading import warm

        warm()
        return self

    # ── what it does ──────────────────────────────────────────────────────────────────────────────────────────────────

    def search(self, query: str) -> list[Result]:
        """The best results first, none where the engine knows none. Raises SearchError if no engine answers in time,
        ConfigError for a key that is none."""
        with Deadline(self.patience_s) as deadline:
            return self._searched(query, deadline)

    def read(self, urls: Sequence[str]) -> list[Page]:
        """The pages that could be read in time, in the order of their addresses; why the others could not is logged. Only
        http and https addresses of the public internet are read. Raises SearchError if there is no page at all."""
        asked = [urls] if isinstance(urls, str) else list(dict.fromkeys(urls))
        with Deadline(self.patience_s) as deadline:
            found = self._read(asked, deadline)
        pages = [found[url] for url in asked if url in found]
        outcome = [page for page in pages if isinstance(page, Page)]
        faults = [fault for fault in pages if isinstance(fault, str)]
        if faults and not outcome:
            what = "the page" if len(faults) == 1 else f"none of the {len(faults)} pages"
            verb = "could not be read" if len(faults) == 1 else "could be read"
            raise SearchError(f"{what} {verb}: {'; '.join(dict.fromkeys(faults[:3]))}; try another address")
        for fault in faults:
            _log.info("A page could not be read: %s", fault)
        return outcome

    def gather(self, query: str) -> list[Document]:
        """Search, and read what is found: the pages' text, or the engine's snippet where a page could not be read in time.
        Raises SearchError if the search fails; that pages fail is no error."""
        with Deadline(self.patience_s) as deadline:
            with Deadline(self.patience_s * SEARCH_SHARE) as searching:
                results = self._searched(query, searching)
            pages = self._read([result.url for result in results], deadline)
        documents: list[Document] = []
        for result in results:
            page = pages.get(result.url)
            if isinstance(page, Page):
                documents.append(Document(page.text, page.title, result.url, page.date or result.date))
            elif result.snippet:
                _log.info("A page could not be read, its snippet stands for it: %s", page)
                documents.append(Document(result.snippet, result.title, result.url, result.date, whole=False))
        return documents

    # ── searching ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _searches(self) -> Cache[list[Result]]:
        return Cache(SEARCHES_KEPT, self.fresh_s)

    @cached_property
    def _pages(self) -> Cache[Page]:
        return Cache(PAGES_KEPT, self.fresh_s)

    def _engines(self) -> list[SearchEngine]:
        usable: list[SearchEngine] = []
        for name in self.engines:
            if name == "serper" and (key := _key(self.serper_base_url)):
                usable.append(Serper(self.serper_base_url.rstrip("/"), self.region, key))
            elif name == "searxng" and self.searxng_base_url:
                usable.append(SearXNG(self.searxng_base_url.rstrip("/"), self.region))
            elif name == "ddgs":
                usable.append(Ddgs(self.region, self.ddgs_backend))
        return usable

    def _searched(self, query: str, deadline: Deadline) -> list[Result]:
        if not (words := " ".join(query.split())[:QUERY_CHARS]):
            raise SearchError("the query is empty; say what to look for")
        if known := self._searches.get(words):
            return list(known)
        engines = self._engines()
        faults: list[str] = []
        for place, engine in enumerate(engines):
            try:
                found = self._asked(engine, words, deadline.left_s / (len(engines) - place))
            except EngineError as error:
                faults.append(str(error))
                continue
            if faults:
                _log.warning("Searched with %s, because %s", engine.name, "; ".join(faults))
            if found:
                self._searches.put(words, found)
            return list(found)
        mend = f"set {KEY}, websearch.searxng_base_url, or name `ddgs` among websearch.engines"
        raise SearchError(f"the web could not be searched: {'; '.join(faults) or f'no search engine is set up; {mend}'}")

    def _asked(self, engine: SearchEngine, words: str, share_s: float) -> list[Result]:
        """One engine gets its share of the time, so that there is some left for the next when it never answers."""
        with Deadline(share_s) as deadline:
            answers = merged([(engine.search(words, self.results, deadline) for _ in range(1))], deadline)
            if (found := next(answers, None)) is None:
                raise EngineError(f"{engine.name} gave no answer in {share_s:.2g} s; raise websearch.patience_s, or try again")
            return found

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _read(self, urls: Sequence[str], deadline: Deadline) -> dict[str, Page | str]:
        """A page, or why there is none, by address."""
        found: dict[str, Page | str] = {}
        by_host: dict[str, list[str]] = {}
        for url in urls:
            if page := self._pages.get(url):
                found[url] = page
                continue
            try:
                host = checked(url, self._trusted)[1]
            except RefusedError as refusal:
                found[url] = f"{_shown(url)} is refused: {refusal}"
                continue
            queue = by_host.setdefault(host, [])
            if len(queue) == self.pages_per_host:
                found[url] = f"{_shown(url)} is left out: {self.pages_per_host} pages of a host are enough for one question"
            else:
                queue.append(url)
                found[url] = f"{_shown(url)} gave no complete answer in time"
        waiting = deque(by_host.values())
        lanes = [self._lane(waiting, deadline) for _ in range(min(LANES, len(waiting)))]
        found.update(merged(lanes, deadline))
        return found

    def _lane(self, waiting: deque[list[str]], deadline: Deadline) -> Iterator[tuple[str, Page | str]]:
        """Host after host, as long as one waits."""
        while True:
            try:
                urls = waiting.popleft()
            except IndexError:
                return
            for url in urls:
                if not deadline.left_s:
                    return
                yield url, self._page(url, deadline)

    def _page(self, url: str, deadline: Deadline) -> Page | str:
        from .web_search.reading import read
        from .web_search.transport import FailedError, Way, Wire

        wire = Wire(Way(deadline, self._trusted), self.page_bytes, REDIRECTS)
        try:
            page = read(wire, url, self.page_chars)
        except RefusedError as error:
            return f"{_shown(url)} is refused: {error}"
        except FailedError as error:
            return f"{_shown(url)} {error}"
        self._pages.put(url, page)
        return page

    @property
    def _trusted(self):
        return EVERYWHERE if self.allow_private else ()


def _key(base_url: str) -> str:
    """From the environment: the only place where it is read."""
    key = os.environ.get(KEY, "").strip()
    if key and (not (key.isascii() and key.isprintable()) or " " in key):
        raise ConfigError(f"{KEY} is not a key: it holds blanks or characters beyond ASCII; copy it again")
    parts = urlsplit(base_url)
    if key and parts.scheme != "https" and not local(parts.hostname or ""):
        raise ConfigError("websearch.serper_base_url would send the key unencrypted; expected an https address")
    return key


def _check_address(name: str, url: str, example: str) -> None:
    try:
        checked(url, EVERYWHERE)
    except RefusedError as error:
        raise ConfigError(f"websearch.{name} cannot be used: {error}; expected one such as {example}") from None


def _shown(url: str) -> str:
    """Host and path, for a message: without what may be secret, on one line."""
    try:
        parts = urlsplit(url)
        shown = f"{parts.hostname or ''}{parts.path}" or url
    except ValueError:
        shown = url
    return "".join(c for c in shown if c.isprintable())[:100] or "an empty address"
