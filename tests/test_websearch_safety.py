"""What must not be fetched, and servers that would never end: against real servers on several addresses of loopback."""

from __future__ import annotations

import gzip
import ipaddress
import shutil
import ssl
import subprocess
import threading
import urllib.request
import zlib

import pytest
from web_pages import LIGHTHOUSE, RECIPE
from web_server import Web, a_web, as_kind, drip_header, gzipped, to  # noqa: F401  (one is a fixture)

from cleans2s.errors import SearchError
from cleans2s.web_search import reading
from cleans2s.web_search.addresses import EVERYWHERE, RefusedError, admitted, checked, public
from cleans2s.web_search.deadline import Deadline, merged
from cleans2s.web_search.transport import FailedError, Way, Wire
from cleans2s.websearch import WebSearchHelper

INNER = "127.0.0.2"
ONLY_OUTER = (ipaddress.ip_network("127.0.0.1/32"),)
"""The test's internet is 127.0.0.1; the other addresses of loopback are what must not be reached."""


def read(web: Web, path: str, **settings):
    return WebSearchHelper(**{"allow_private": True, "patience_s": 10} | settings).read([web.url + path])


def refused(web: Web, path: str, **settings) -> str:
    with pytest.raises(SearchError) as caught:
        read(web, path, **settings)
    return str(caught.value)


@pytest.fixture(autouse=True, scope="module")
def loaded():
    WebSearchHelper().load()  # now, so that no test's patience pays for it


@pytest.fixture
def inner(web):
    """A server on another address, with the same port: as a router's, behind the name of a public one."""
    with Web(INNER, web.port) as server:
        server.pages["/lighthouse"] = RECIPE.encode()
        yield server


def untouched(web: Web) -> bool:
    """Nobody even connected before this question: connections are taken in the order in which they come."""
    urllib.request.urlopen(f"{web.url}/lighthouse").close()
    return web.connections == 1


@pytest.fixture
def deadline():
    with Deadline(10) as moment:
        yield moment


# ── addresses ─────────────────────────────────────────────────────────────────────────────────────────────────────────

PRIVATE = """127.0.0.1 127.8.9.1 0.0.0.0 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1
100.127.255.255 192.0.0.8 192.0.2.1 192.88.99.1 198.18.0.1 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.250 240.0.0.1
255.255.255.255 ::1 :: ::ffff:127.0.0.1 ::ffff:8.8.8.8
::127.0.0.1 64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1 fe80::1 fe80::1%eth0 fec0::1
fc00::1 fd12:3456::1 ff02::1 2001::1 2001:db8::1 2002:7f00:1:: 3fff::1 100::1""".split()

PUBLIC = (
    "1.1.1.1 8.8.8.8 93.184.216.34 172.32.0.1 100.128.0.1 2606:4700:4700::1111 2a00:1450:4001:80b::200e 2400:3200::1".split()
)


def test_only_the_public_internet():
    assert [text for text in PRIVATE if public(ipaddress.ip_address(text))] == []
    assert [text for text in PUBLIC if not public(ipaddress.ip_address(text))] == []


def test_one_private_address_among_public_ones_is_enough():
    assert admitted("a.example", ["1.1.1.1", "8.8.8.8"]) == ["1.1.1.1", "8.8.8.8"]
    with pytest.raises(RefusedError, match=r"a\.example \(10\.0\.0\.1\) is not an address of the public internet"):
        admitted("a.example", ["1.1.1.1", "10.0.0.1"])


@pytest.mark.parametrize(
    "form", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "localhost.", "0"]
)
def test_this_machine_under_all_its_names(web, form):
    web.pages["/lighthouse"] = LIGHTHOUSE.encode()
    with pytest.raises(SearchError, match="is not an address of the public internet"):
        WebSearchHelper().read([f"http://{form}:{web.port}/lighthouse"])
    assert untouched(web)


@pytest.mark.parametrize("url", [
    "file:///etc/passwd", "ftp://example.org/a", "gopher://example.org", "data:text/html,<p>a", "javascript:alert(1)",
    "example.org/a", "", "http://", "http://[::1", "http://a b/", "http://example.org:99999/", "http://exa\nmple.org/",
    "http://user:secret@example.org/", "http://example.org:25/",
])  # fmt: skip
def test_what_is_no_web_address_is_refused(url):
    with pytest.raises(SearchError, match=r"could not be read: .* is refused: .*try another address") as caught:
        WebSearchHelper().read([url])
    assert "secret" not in str(caught.value) and "\n" not in str(caught.value)


def test_intranets_are_a_matter_of_trust(web):
    web.pages["/lighthouse"] = LIGHTHOUSE.encode()
    assert "27 kilometres" in read(web, "/lighthouse")[0].text
    assert "is not an address of the public internet" in refused(web, "/lighthouse", allow_private=False)


# ── redirects and names ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("place", [
    "http://127.0.0.2:{port}/lighthouse", "//127.0.0.2:{port}/lighthouse",
    "http://169.254.169.254/latest/meta-data/", "http://[::ffff:127.0.0.2]:{port}/lighthouse",
])  # fmt: skip
def test_a_redirect_to_a_private_address_is_refused(web, inner, deadline, place):
    web.pages |= {"/a": to("/b"), "/b": to(place.format(port=web.port), 307)}
    with pytest.raises(RefusedError, match="is not an address of the public internet"):
        reading.read(Wire(Way(deadline, ONLY_OUTER), 10_000, redirects=5), f"{web.url}/a", 1000)
    assert web.asked == ["/a", "/b"] and untouched(inner)


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "http://a:b@127.0.0.1/"])
def test_a_redirect_to_another_scheme_is_refused(web, place):
    web.pages["/a"] = to(place)
    said = refused(web, "/a")
    assert "127.0.0.1/a is refused: " in said and ("only http and https are read" in said or "user name" in said)


def test_endless_redirects_end(web):
    web.pages["/round"] = to("/round")
    assert "redirects more than 5 times" in refused(web, "/round")
    assert len(web.asked) == 6


class Names:
    """A name server that gives one answer after the other, and the last for ever."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.asked = list(answers), 0

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return [self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]]


def test_a_name_is_looked_up_once_and_the_checked_address_is_the_one_connected_to(web, inner, deadline):
    web.pages["/lighthouse"] = LIGHTHOUSE.encode()
    names = Names("127.0.0.1", INNER)
    wire = Wire(Way(deadline, ONLY_OUTER, names), 100_000)
    page = reading.read(wire, f"http://rebinding.example:{web.port}/lighthouse", 10_000)
    assert "27 kilometres" in page.text and names.asked == 1 and untouched(inner)


def test_a_name_that_is_bound_again_is_refused(web, inner, deadline):
    web.pages["/a"] = to("/lighthouse")  # the same name, looked up again
    names = Names("127.0.0.1", INNER)
    wire = Wire(Way(deadline, ONLY_OUTER, names), 100_000, redirects=5)
    with pytest.raises(RefusedError, match=r"rebinding\.example \(127\.0\.0\.2\) is not an address of the public internet"):
        reading.read(wire, f"http://rebinding.example:{web.port}/a", 10_000)
    assert names.asked == 2 and web.asked == ["/a"] and untouched(inner)


def test_a_name_that_is_none(deadline):
    def unknown(host: str, port: int) -> list[str]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(FailedError, match="cannot be reached"):
        reading.read(Wire(Way(deadline, (), unknown), 1000), "http://nowhere.example/", 1000)


def test_a_proxy_of_the_environment_is_not_asked_for_pages(web, monkeypatch):
    with Web("127.0.0.3") as proxy:
        for name in ("http_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        web.pages["/lighthouse"] = LIGHTHOUSE.encode()
        assert read(web, "/lighthouse") and proxy.asked == []


# ── size, kind and time ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_page_of_50_mb_is_refused_unread(web):
    sent = threading.Event()

    def huge(request):
        request.send_response(200)
        request.send_header("Content-Type", "text/html")
        request.send_header("Content-Length", str(50_000_000))
        request.end_headers()
        for _ in range(50):
            request.wfile.write(b"<p>a</p>" * 125_000)
        sent.set()

    web.pages["/huge"] = huge
    assert "it is longer than 4,000,000 bytes" in refused(web, "/huge")
    assert not sent.is_set()


def test_a_page_that_does_not_say_its_length(web):
    def endless(request):
        request.send_response(200)
        request.send_header("Content-Type", "text/html")
        request.end_headers()
        while not request.server.over.is_set():
            request.wfile.write(b"<p>a</p>" * 10_000)

    web.pages["/endless"] = endless
    assert "it is longer than 4,000,000 bytes" in refused(web, "/endless")


def test_what_is_counted_is_what_a_page_unpacks_to(web):
    bomb = b"<p>" + bytes(50_000_000)
    web.pages["/bomb"] = gzipped(bomb)
    assert len(gzip.compress(bomb, 1)) < 1_000_000 and "it is longer than 4,000,000 bytes" in refused(web, "/bomb")


def test_compression_is_read_one_layer_deep(web):
    web.pages |= {"/gzip": gzipped(LIGHTHOUSE.encode()), "/twice": gzipped(b"", "gzip, gzip"), "/br": gzipped(b"", "br")}
    web.pages["/deflate"] = lambda request: request.answer(zlib.compress(LIGHTHOUSE.encode()), Content_Encoding="deflate")
    assert "27 kilometres" in read(web, "/gzip")[0].text and "27 kilometres" in read(web, "/deflate")[0].text
    assert "it is packed as gzip, gzip, expected gzip or deflate" in refused(web, "/twice")
    assert "it is packed as br" in refused(web, "/br")


def test_compression_that_is_broken(web):
    web.pages["/broken"] = lambda request: request.answer(b"\x1f\x8b this is no gzip", Content_Encoding="gzip")
    assert "gave an answer that is broken" in refused(web, "/broken")


@pytest.mark.parametrize(
    "kind", ["application/pdf", "image/png", "application/octet-stream", "video/mp4", "application/json", None]
)
def test_what_is_no_page_of_text_is_refused(web, kind):
    web.pages["/file"] = as_kind(b"%PDF-1.7 not a page", kind)
    assert f"it is {kind or 'of no declared type'}, not a page of text" in refused(web, "/file")


@pytest.mark.parametrize(("body", "said"), [
    (b"\x89PNG\r\n\0\0\0\rIHDR\0\0", "it calls itself text and is not"),
    (b"", "gave a page that holds no text"),
    (b"<html><body><script>app()</script></body></html>", "gave a page that holds no text"),
    (b"<div>" * 20_000, "gave a page that holds no text"),
    (b"<!--" + b"<p " * 10_000, "gave a page that holds no text"),
])  # fmt: skip
def test_pages_without_text(web, body, said):
    web.pages["/page"] = body
    assert said in refused(web, "/page")


def test_entities_do_not_reach_into_files(web):
    xml = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><html><body><article>
    <p>It says &x; here at some length, and that is all there is to be read on this page.</p></article></body></html>"""
    web.pages["/xml"] = as_kind(xml.encode(), "application/xhtml+xml")
    (page,) = read(web, "/xml")
    assert "root:" not in page.text and "all there is to be read" in page.text


@pytest.mark.parametrize("path", ["/never", "/drip", "/drip-header"])
def test_a_server_that_never_ends_is_left_and_hung_up_on(web, path):
    web.pages["/drip-header"] = drip_header
    before = set(threading.enumerate())
    assert "gave no complete answer in time" in refused(web, path, patience_s=0.5)
    assert web.silent.acquire(blocking=False) and not web.over.is_set()
    for thread in set(threading.enumerate()) - before:
        if thread.name == "cleans2s-web":
            thread.join(20)
            assert not thread.is_alive()  # although the server still does not end


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of one's own for `secure.example`, as an intranet has it."""
    if not (openssl := shutil.which("openssl")):
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificate")
    command = [openssl, *"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=secure.example".split()]
    extra = ["-addext", "subjectAltName=DNS:secure.example", "-keyout", folder / "key.pem", "-out", folder / "own.pem"]
    subprocess.run([*command, *extra], check=True, capture_output=True)
    return folder


@pytest.fixture
def secure(web, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "own.pem", certificate / "key.pem")
    web.socket = context.wrap_socket(web.socket, server_side=True)
    web.pages["/lighthouse"] = LIGHTHOUSE.encode()
    return web


def over_tls(web: Web, path: str, patience_s: float) -> str:
    with Deadline(patience_s) as deadline:
        wire = Wire(Way(deadline, ONLY_OUTER, Names("127.0.0.1", INNER)), 100_000)
        return reading.read(wire, f"https://secure.example:{web.port}{path}", 10_000).text


def test_a_server_must_show_who_it_is(secure, certificate, monkeypatch):
    with pytest.raises(FailedError, match="shows no certificate that is trusted"):
        over_tls(secure, "/lighthouse", 10)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "own.pem"))
    assert "27 kilometres" in over_tls(secure, "/lighthouse", 10)


@pytest.mark.parametrize("path", ["/never", "/drip"])
def test_an_encrypted_connection_is_cut_as_well(secure, certificate, monkeypatch, path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "own.pem"))
    with Deadline(10) as deadline:
        threading.Thread(target=lambda: (secure.silent.acquire(), deadline.cut())).start()
        wire = Wire(Way(deadline, ONLY_OUTER, Names("127.0.0.1")), 10_000_000)
        with pytest.raises(FailedError, match="gave no complete answer in time"):
            reading.read(wire, f"https://secure.example:{secure.port}{path}", 10_000)
        assert not secure.over.is_set()


def test_a_page_that_was_cut_is_no_page(web, deadline):
    threading.Thread(target=lambda: (web.silent.acquire(), deadline.cut())).start()
    with pytest.raises(FailedError, match="gave no complete answer in time"):
        reading.read(Wire(Way(deadline, ONLY_OUTER), 10_000_000), f"{web.url}/drip", 10_000)


def test_servers_that_break_off(web):
    def half(request):
        request.send_response(200)
        request.send_header("Content-Type", "text/html")
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.write(b"<p>half a page")

    web.pages |= {"/half": half, "/nothing": lambda request: None}
    web.pages["/garbage"] = lambda request: request.wfile.write(b"\x00\x01 this is no HTTP\r\n\r\n")
    for path in ("/half", "/nothing", "/garbage"):
        said = refused(web, path)
        assert "broke the connection off" in said or "gave an answer that is broken" in said


def test_nobody_listens():
    with Web() as closed:
        url = closed.url
    with pytest.raises(SearchError, match="cannot be reached"):
        WebSearchHelper(allow_private=True).read(url)


def test_a_mistake_in_a_lane_is_not_swallowed(deadline):
    def lane():
        yield 1
        raise ZeroDivisionError

    found = merged([lane()], deadline)
    assert next(found) == 1
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_a_page_of_nothing_but_tags_is_cut():
    page = reading.extracted(
        "<html><body>" + "".join(f"<p>Word {n}" for n in range(3 * reading.MOST_TAGS)), "http://a.example/"
    )
    assert "Word 1\n" in page.text and f"Word {reading.MOST_TAGS - 3}" in page.text
    assert f"Word {reading.MOST_TAGS}" not in page.text


def test_addresses_keep_all_but_their_fragment():
    assert checked("HTTPS://Example.org:443/a?b=c#d") == ("https://Example.org:443/a?b=c", "example.org")
    assert checked("http://a.example:25/", EVERYWHERE)[1] == "a.example"
