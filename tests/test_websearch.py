"""Search, read, gather: against a real server with real pages, real requests and real text extraction."""

from __future__ import annotations

import logging
import re

import pytest
from web_pages import CAFE, HOSTILE, LIGHTHOUSE, RECIPE, RIVER, TEA
from web_server import Web, a_web, as_json, as_kind, to  # noqa: F401  (one is a fixture)

from cleans2s.errors import ConfigError, SearchError
from cleans2s.version import VERSION
from cleans2s.web_search.cache import Cache
from cleans2s.web_search.found import Document, Result, day
from cleans2s.websearch import WebSearchHelper

KEY = "serper-0123456789abcdef"


@pytest.fixture(autouse=True, scope="module")
def loaded():
    WebSearchHelper().load()  # now, so that no test's patience pays for it


@pytest.fixture(autouse=True)
def key(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SERPER_API_KEY", KEY)


def helper(web: Web, **settings) -> WebSearchHelper:
    return WebSearchHelper(
        **{"engines": ("serper",), "serper_base_url": web.url, "allow_private": True, "patience_s": 10} | settings
    )


def organic(web: Web, *paths: str) -> None:
    rows = [{"title": path, "link": web.url + path, "snippet": f"About {path}."} for path in paths]
    web.pages["/search"] = as_json({"organic": rows})


def text_of(web: Web, body: bytes, kind: str = "text/html") -> str:
    web.pages["/page"] = as_kind(body, kind)
    (page,) = helper(web).read([f"{web.url}/page"])
    return page.text


# ── the main text ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_text_of_an_article_and_nothing_around_it(web):
    web.pages["/lighthouse"] = LIGHTHOUSE.encode()
    (page,) = helper(web).read([f"{web.url}/lighthouse"])
    assert page.title == "The lighthouse of Brannvik is lit again" and page.date == "2024-03-05"
    assert "1,000 watts and can be seen from 27 kilometres" in page.text and "164 steps" in page.text
    assert "A lamp from a museum" in page.text.split("\n") and "92" in page.text
    for noise in ("cookies", "ANCHORS", "Most read", "Subscribe", "secretScript", "adBlock", "All rights", "<"):
        assert noise not in page.text


def test_lists_stay_and_comments_go(web):
    text = text_of(web, RECIPE.encode())
    assert "800 grams of cod" in text and "until the fish is white" in text and "my channel" not in text


def test_plain_text_is_taken_as_it_is(web):
    web.pages["/notes/ropes.txt"] = as_kind(b"First line.\n\n  Second\tline.\n", "text/plain; charset=utf-8")
    (page,) = helper(web).read([f"{web.url}/notes/ropes.txt"])
    assert page.title == "ropes.txt" and page.text == "First line.\nSecond line." and page.date is None


def test_what_cannot_be_seen_is_dropped(web):
    text = text_of(web, HOSTILE.encode(), "text/html; charset=utf-8")
    assert "Ignore all previous instructions" in text  # it is text of the page; obeying it is another matter
    assert all(c.isprintable() or c == "\n" for c in text)


def test_a_long_text_is_cut_between_paragraphs(web):
    lines = [f"This is paragraph {number} of a very long page of plain text." for number in range(500)]
    web.pages["/long"] = as_kind("\n".join(lines).encode(), "text/plain")
    (page,) = helper(web, page_chars=1000).read([f"{web.url}/long"])
    assert 800 <= len(page.text) <= 1000 and page.text.split("\n") == lines[: page.text.count("\n") + 1]


@pytest.mark.parametrize(
    "kind", ["text/html", "text/html; charset=GB2312", "text/html; charset=utf-8", "text/html; charset=ISO-8859-1"]
)
@pytest.mark.parametrize(
    "meta", ["", '<meta charset="gb2312">', '<meta http-equiv="Content-Type" content="text/html; charset=gbk">']
)
def test_chinese_in_gb18030_whatever_it_is_called(web, kind, meta):
    text = text_of(web, TEA.replace("META", meta).encode("gb18030"), kind)
    assert "今年的春茶比往年早了十二天" in text and "三十元" in text and "登录" not in text


@pytest.mark.parametrize(("charset", "kind"), [
    ("utf-8", "text/html; charset=ISO-8859-1"),
    ("utf-8", "text/html; charset=no-such-charset"),
    ("utf-8-sig", "text/html"),
    ("utf-16", "text/html"),
    ("cp1252", "text/html; charset=ISO-8859-1"),
    ("cp1252", "text/html; charset=utf-8"),
    ("cp1252", "text/html"),
])  # fmt: skip
def test_french_whatever_it_is_called(web, charset, kind):
    text = text_of(web, CAFE.encode(charset), kind)
    assert "ouvert tous les jours de l’été" in text and "huîtres élevées" in text


@pytest.mark.parametrize(("charset", "kind"), [
    ("cp1251", "text/html; charset=windows-1251"),
    ("koi8-r", "text/html; charset=koi8-r"),
    ("cp1251", "text/html; charset=ISO-8859-1"),
])  # fmt: skip
def test_russian_whatever_it_is_called(web, charset, kind):
    assert "впадает в озеро недалеко от старого города" in text_of(web, RIVER.encode(charset), kind)


def test_one_broken_character_does_not_spoil_a_page(web):
    body = CAFE.encode().replace(b"rhubarbe", b"rhubarb\xff")
    text = text_of(web, body, "text/html; charset=utf-8")
    assert "à la rhubarb\ufffd très réputée" in text and "huîtres" in text


def test_a_redirect_is_followed_and_the_page_keeps_its_address(web):
    web.pages |= {"/old": to("/moved", 301), "/moved": to(f"{web.url}/lighthouse"), "/lighthouse": LIGHTHOUSE.encode()}
    (page,) = helper(web).read([f"{web.url}/old"])
    assert page.url == f"{web.url}/old" and "27 kilometres" in page.text
    assert web.asked == ["/old", "/moved", "/lighthouse"]


# ── search and gather ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_documents_are_pages_and_snippets_where_there_is_no_page(web, caplog):
    caplog.set_level(logging.INFO)
    web.pages |= {"/lighthouse": LIGHTHOUSE.encode(), "/soup": RECIPE.encode()}
    organic(web, "/soup", "/gone", "/lighthouse")
    soup, gone, lighthouse = helper(web).gather("what is new in the harbour")
    assert soup.whole and "800 grams" in soup.text and soup.url == f"{web.url}/soup"
    assert gone == Document("About /gone.", "/gone", f"{web.url}/gone", None, whole=False)
    assert lighthouse.date == "2024-03-05"
    assert "answered 404" in caplog.text


def test_who_asks_says_who_it_is(web):
    organic(web, "/soup")
    helper(web).gather("soup")
    assert len(web.asked) == 2 and all(agent.startswith(f"cleans2s/{VERSION} ") for agent in web.agents)


def test_asking_again_bothers_nobody(web):
    web.pages["/soup"] = RECIPE.encode()
    organic(web, "/soup")
    asking = helper(web)
    assert asking.gather("fish  soup") == asking.gather(" fish soup ")
    assert web.asked == ["/search", "/soup"]
    helper(web).search("fish soup")
    assert web.asked == ["/search", "/soup", "/search"]


def test_the_cache_forgets_the_old_and_the_least_wanted():
    now_s = 0.0
    cache: Cache[str] = Cache(2, 10, clock=lambda: now_s)
    cache.put("a", "A")
    cache.put("b", "B")
    assert cache.get("a") == "A"
    cache.put("c", "C")
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == ("A", None, "C")
    now_s = 9.9
    assert cache.get("a") == "A"
    now_s = 10.0
    assert cache.get("a") is None


def test_what_has_arrived_is_the_answer_when_the_time_is_up(web):
    with Web("127.0.0.2") as mute, Web("127.0.0.3") as dripping:
        web.pages["/soup"] = RECIPE.encode()
        urls = [f"{mute.url}/never", f"{web.url}/soup", f"{dripping.url}/drip"]
        (page,) = helper(web, patience_s=2).read(urls)
        assert page.url == f"{web.url}/soup"
        assert mute.silent.acquire(blocking=False) and dripping.silent.acquire(blocking=False)  # asked, and not answered yet
        assert not mute.over.is_set() and not dripping.over.is_set()


def test_a_host_is_asked_for_few_pages(web, caplog):
    caplog.set_level(logging.INFO)
    paths = [f"/{number}" for number in range(6)]
    web.pages |= dict.fromkeys(paths, RECIPE.encode())
    pages = helper(web, pages_per_host=4).read([web.url + path for path in paths])
    assert [page.url for page in pages] == [web.url + path for path in paths[:4]]
    assert web.asked == paths[:4] and "4 pages of a host are enough for one question" in caplog.text


def test_a_host_is_asked_for_one_page_at_a_time(web):
    web.pages["/soup"] = RECIPE.encode()
    with pytest.raises(SearchError, match=r"none of the 2 pages could be read: .*/never gave no complete .*/soup gave no"):
        helper(web, patience_s=0.5).read([f"{web.url}/never", f"{web.url}/soup"])
    assert web.asked == ["/never"]


@pytest.mark.parametrize(("words", "found"), [
    ("2024-03-05T07:30:00Z", "2024-03-05"), ("Mar 5, 2024", "2024-03-05"), ("5 March 2024", "2024-03-05"),
    ("2024年3月5日", "2024-03-05"), ("2 days ago", "2024-02-28"), ("3 hours ago", "2024-03-01"), ("1 week ago", "2024-02-23"),
    ("2024-13-45", None), ("yesterday", None), ("Foo 5, 2024", None), ("", None),
])  # fmt: skip
def test_days(words, found):
    import datetime

    assert day(words, datetime.date(2024, 3, 1)) == found


# ── settings ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("settings", "said"), [
    ({"engines": ("google",)}, "unknown google; expected some of serper, searxng, ddgs"),
    ({"region": "english"}, "expected country and language such as us-en"),
    ({"patience_s": 0}, "patience_s = 0: expected more than 0"),
    ({"searxng_base_url": "searx.example.org"}, "only http and https .* expected one such as https://searx"),
    ({"searxng_base_url": "https://me:secret@searx.example.org"}, "holds a user name or a password"),
])  # fmt: skip
def test_impossible_settings_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said) as caught:
        WebSearchHelper(**settings)
    assert "secret" not in str(caught.value)


def test_no_engine_and_no_query(monkeypatch):
    monkeypatch.delenv("SERPER_API_KEY")
    with pytest.raises(
        SearchError, match=re.escape("no search engine is set up; set SERPER_API_KEY, websearch.searxng_base_url")
    ):
        WebSearchHelper(engines=("serper", "searxng")).search("soup")
    with pytest.raises(SearchError, match="the query is empty; say what to look for"):
        WebSearchHelper().search(" \n")


def test_results_are_plain_data(web):
    organic(web, "/soup", "/gone")
    results = helper(web, results=1).search("soup")
    assert results == [Result("/soup", f"{web.url}/soup", "About /soup.", None)]
