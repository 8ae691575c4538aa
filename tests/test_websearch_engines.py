"""The search engines' answers and faults: a real server in the forms of Serper and SearXNG, and the real `ddgs` asking it."""

from __future__ import annotations

import logging
from typing import ClassVar

import pytest
from web_server import Web, a_web, as_json, as_kind, drip, never, to  # noqa: F401  (one is a fixture)

from cleans2s.errors import ConfigError, SearchError
from cleans2s.web_search import transport  # noqa: F401  (loaded now, so that no test's patience pays for it)
from cleans2s.web_search.found import Result
from cleans2s.websearch import WebSearchHelper

KEY = "serper-0123456789abcdef"

SERPER = {
    "searchParameters": {"q": "tides in brannvik", "type": "search", "num": 3},
    "answerBox": {"title": "Tides in Brannvik", "link": "https://tides.example/brannvik", "answer": "High water at 14:20"},
    "organic": [
        {
            "title": "Tides <b>today</b>",
            "link": "https://a.example/1",
            "snippet": "High  water\u200b",
            "date": "Mar 5, 2024",
        },
        {"title": "Tides in Brannvik", "link": "https://tides.example/brannvik", "snippet": "A second time.", "position": 2},
        {"title": "No address", "snippet": "?"},
        {"title": "Not of the web", "link": "javascript:alert(1)", "snippet": "?"},
        "not a row",
        {"link": "https://b.example/2", "snippet": None, "date": "soon"},
    ],
    "credits": 1,
}

SEARXNG = {
    "query": "tides in brannvik",
    "number_of_results": 2,
    "results": [
        {
            "url": "https://a.example/1",
            "title": "Tides",
            "content": "High water at",
            "engines": ["brave"],
            "publishedDate": "2024-03-05T00:00:00",
        },
        {"url": "https://b.example/2", "title": "潮汐", "content": "", "publishedDate": None},
    ],
    "unresponsive_engines": [["google", "access denied"]],
}


@pytest.fixture(autouse=True)
def key(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SERPER_API_KEY", KEY)


def serper(web: Web, **settings) -> WebSearchHelper:
    return WebSearchHelper(**{"engines": ("serper",), "serper_base_url": web.url, "patience_s": 10} | settings)


def searxng(web: Web, **settings) -> WebSearchHelper:
    return WebSearchHelper(**{"engines": ("searxng",), "searxng_base_url": f"{web.url}/", "patience_s": 10} | settings)


def fault(asking: WebSearchHelper) -> str:
    with pytest.raises(SearchError) as caught:
        asking.search("tides in brannvik")
    assert KEY not in f"{caught.value!r} {caught.value.__cause__!r} {asking!r}"
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ── their forms ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_serper(web):
    web.pages["/search"] = as_json(SERPER)
    assert serper(web, results=3, region="cn-zh").search("tides in brannvik") == [
        Result("Tides in Brannvik", "https://tides.example/brannvik", "High water at 14:20"),
        Result("Tides <b>today</b>", "https://a.example/1", "High water", "2024-03-05"),
        Result("https://b.example/2", "https://b.example/2", ""),
    ]
    assert web.posted == [{"q": "tides in brannvik", "num": 3, "gl": "cn", "hl": "zh"}]
    (headers,) = web.headers
    assert headers["X-API-KEY"] == KEY and headers["Content-Type"] == "application/json"


def test_serper_that_knows_nothing(web):
    web.pages["/search"] = as_json({"searchParameters": {}, "credits": 1})
    assert serper(web).search("tides in brannvik") == []


def test_searxng(web):
    web.pages["/search"] = as_json(SEARXNG)
    assert searxng(web).search("tides in brannvik") == [
        Result("Tides", "https://a.example/1", "High water at", "2024-03-05"),
        Result("潮汐", "https://b.example/2", ""),
    ]
    assert web.asked == ["/search?q=tides+in+brannvik&format=json&language=en-US&safesearch=1"]
    assert "X-API-KEY" not in web.headers[0]


def test_searxng_whose_engines_are_silent(web):
    web.pages["/search"] = as_json(SEARXNG | {"results": []})
    assert "found nothing because its own engines do not answer; see its status page" in fault(searxng(web))
    web.pages["/search"] = as_json({"results": [], "unresponsive_engines": []})
    assert searxng(web).search("tides in brannvik") == []


def test_the_real_ddgs_with_an_engine_of_this_server(web, monkeypatch):
    base, registry = pytest.importorskip("ddgs.base"), pytest.importorskip("ddgs.engines")
    from ddgs.results import TextResult

    class Local(base.BaseSearchEngine):
        name, category, provider, search_method = "local", "text", "local", "GET"
        search_url = f"{web.url}/search"
        items_xpath = "//li"
        elements_xpath: ClassVar = {"title": ".//a/text()", "href": ".//a/@href", "body": ".//p/text()"}

        def build_payload(self, query, region, **_):
            return {"q": query, "in": region}

        @property
        def result_type(self):
            return TextResult

    monkeypatch.setitem(registry.ENGINES["text"], "local", Local)
    rows = "".join(
        f"<li><a href='https://a.example/{n}'>Tides {n}</a><p>Tides in   Brannvik, part {n}.</p></li>" for n in (1, 2)
    )
    web.pages["/search"] = f"<html><body><ol>{rows}</ol></body></html>".encode()
    asking = WebSearchHelper(engines=("ddgs",), ddgs_backend="local", patience_s=10)
    assert sorted(asking.search("tides in brannvik"), key=lambda result: result.url) == [
        Result("Tides 1", "https://a.example/1", "Tides in Brannvik, part 1."),
        Result("Tides 2", "https://a.example/2", "Tides in Brannvik, part 2."),
    ]
    assert web.asked == ["/search?q=tides+in+brannvik&in=us-en"]
    web.pages["/search"] = b"<html><body><ol></ol></body></html>"
    assert asking.search("no such tides") == []


def test_the_real_ddgs_without_a_network(web, monkeypatch):
    pytest.importorskip("ddgs")
    with Web("127.0.0.4") as closed:
        nowhere = closed.url
    monkeypatch.setenv("DDGS_PROXY", nowhere)
    said = fault(WebSearchHelper(engines=("ddgs",), patience_s=20))
    assert "ddgs got no answer from any engine; check the network, or try again later" in said


# ── their faults ──────────────────────────────────────────────────────────────────────────────────────────────────────

ECHO = f'{{"message": "Unauthorized: {KEY} is not a key"}}'.encode()

FAULTS = [
    (as_kind(ECHO, "application/json", 401), "does not accept the key; set a valid one in SERPER_API_KEY"),
    (as_kind(ECHO, "application/json", 403), "does not accept the key; set a valid one in SERPER_API_KEY"),
    (as_kind(ECHO, "application/json", 400), "look whether the key in SERPER_API_KEY has credit left"),
    (as_kind(b"", None, 429), "has had too many requests; try again later"),
    (as_kind(b"<h1>Oh</h1>", "text/html", 500), "failed with 500; try again later"),
    (as_kind(b"", None, 503), "failed with 503; try again later"),
    (as_kind(b"", None, 404), "refused the request with 404; check its address"),
    (to("https://elsewhere.example/"), "sent the request elsewhere (302); check its address"),
    (as_kind(b"<html>Log in first</html>", "text/html"), "answered something that is not its JSON; check its address"),
    (as_kind(b'{"organic": [{"tit', "application/json"), "answered something that is not its JSON; check its address"),
    (as_kind(b"[" * 100_000, "application/json"), "answered something that is not its JSON; check its address"),
    (as_kind(b"\xff\xfe\x00", "application/json"), "answered something that is not its JSON; check its address"),
    (as_kind(b"", "application/json"), "answered something that is not its JSON; check its address"),
    (as_json(["a list"]), "answered something that is not its JSON; check its address"),
    (as_json({"organic": "none"}), "answered without its list `organic`; check its address"),
    (as_kind(b'"' + b"a" * 3_000_000, "application/json"), "it is longer than 2,000,000 bytes; check its address"),
    (lambda request: None, "cannot be reached, or broke the connection off; check the network and its address"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "said"), FAULTS)
def test_what_serper_does_wrong_is_told_in_a_sentence(web, caplog, answer, said):
    caplog.set_level(logging.DEBUG)
    web.pages["/search"] = answer
    assert fault(serper(web)).startswith("the web could not be searched: 127.0.0.1:") and said in fault(serper(web))
    assert KEY not in caplog.text


@pytest.mark.parametrize(("answer", "said"), [
    (as_kind(b"Forbidden", "text/html", 403), "does not answer in JSON; add `json` to search.formats in its settings.yml"),
    (as_kind(b"", None, 429), "has had too many requests; try again later"),
    (as_json({"organic": []}), "answered without its list `results`; check its address"),
])  # fmt: skip
def test_what_searxng_does_wrong_is_told_in_a_sentence(web, answer, said):
    web.pages["/search"] = answer
    assert said in fault(searxng(web))


@pytest.mark.parametrize("silence", [never, drip])
def test_an_engine_that_never_answers(web, silence):
    web.pages["/search"] = silence
    said = fault(serper(web, patience_s=0.4))
    assert "gave no " in said and "answer in" in said
    assert not web.over.is_set()


def test_the_key_does_not_follow_a_redirect(web):
    with Web("127.0.0.2") as elsewhere:
        web.pages["/search"] = to(f"{elsewhere.url}/search", 307)
        assert "sent the request elsewhere (307)" in fault(serper(web))
        assert elsewhere.asked == []


# ── one after the other ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_next_engine_is_asked_where_one_fails(web, caplog):
    with Web("127.0.0.2") as second:
        web.pages["/search"] = as_kind(ECHO, "application/json", 401)
        second.pages["/search"] = as_json(SEARXNG)
        asking = serper(web, engines=("serper", "searxng"), searxng_base_url=second.url)
        assert asking.search("tides in brannvik")[0].title == "Tides"
    (told,) = [record.getMessage() for record in caplog.records]
    assert "Searched with 127.0.0.2" in told and "does not accept the key" in told and KEY not in told


def test_the_next_engine_is_asked_where_one_never_answers(web):
    with Web("127.0.0.2") as second:
        web.pages["/search"] = never
        second.pages["/search"] = as_json(SEARXNG)
        asking = serper(web, engines=("serper", "searxng"), searxng_base_url=second.url, patience_s=3)
        assert asking.search("tides in brannvik")[0].title == "Tides"
    assert web.silent.acquire(blocking=False) and not web.over.is_set()


def test_all_that_failed_are_named(web):
    with Web("127.0.0.2") as second:
        web.pages["/search"], second.pages["/search"] = as_kind(b"", None, 429), as_kind(b"", None, 500)
        said = fault(serper(web, engines=("searxng", "serper"), searxng_base_url=second.url))
    assert said == (
        f"the web could not be searched: 127.0.0.2:{second.port} failed with 500; try again later; "
        f"127.0.0.1:{web.port} has had too many requests; try again later"
    )


def test_without_a_key_serper_is_not_asked(web, monkeypatch):
    monkeypatch.setenv("SERPER_API_KEY", "  ")
    web.pages["/search"] = as_json(SEARXNG)
    assert serper(web, engines=("serper", "searxng"), searxng_base_url=web.url).search("tides")
    assert web.posted == []


@pytest.mark.parametrize("bad", ["two words", "schlüssel", "a\tb"])
def test_a_key_that_is_none(web, monkeypatch, bad):
    monkeypatch.setenv("SERPER_API_KEY", bad)
    with pytest.raises(ConfigError, match="SERPER_API_KEY is not a key") as caught:
        serper(web).search("tides")
    assert bad not in str(caught.value) and web.posted == []


def test_the_key_does_not_travel_unencrypted():
    with pytest.raises(ConfigError, match="would send the key unencrypted; expected an https address"):
        WebSearchHelper(serper_base_url="http://google.serper.example").search("tides")


def test_a_proxy_of_the_environment_is_no_way_to_this_machine(web, monkeypatch):
    with Web("127.0.0.2") as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        web.pages["/search"] = as_json(SERPER)
        assert serper(web).search("tides") and proxy.asked == []


def test_a_proxy_of_the_environment_is_the_way_to_other_engines(web, monkeypatch):
    monkeypatch.setenv("http_proxy", web.url)
    web.pages["/search"] = as_json(SEARXNG)
    asking = WebSearchHelper(engines=("searxng",), searxng_base_url="http://searx.example", patience_s=10)
    assert asking.search("tides")[0].title == "Tides"
    assert web.asked[0].startswith("http://searx.example/search?q=tides")
