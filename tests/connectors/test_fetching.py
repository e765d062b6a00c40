"""Pictures by their address: from known hosts alone, wherever redirects and names lead."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from service_stand_in import StandIn
from web_house import png

from saccade.connectors import fetching
from saccade.connectors.fetching import Fetcher, Refused, is_public


class Host(StandIn):
    """A host with a picture, and addresses that lead elsewhere."""

    def __init__(self):
        self.asked = []
        super().__init__()

    def give(self, handler):
        port = self.server.server_port
        path = urlsplit(handler.path).path
        self.asked.append((handler.headers["Host"], path))
        leads = {
            "/moved": f"http://pictures.example:{port}/a.png",
            "/away": f"http://elsewhere.example:{port}/a.png",
            "/inside": f"http://127.0.0.1:{port}/a.png",
            "/round": "/round",
            "/login": f"http://me:secret@pictures.example:{port}/a.png",
        }
        if path in leads:
            return self.send(handler, 302, b"", {"Location": leads[path]})
        if path == "/page":
            return self.send(handler, 200, b"<html>", {"Content-Type": "text/html; charset=utf-8"})
        return self.send(handler, 200 if path == "/a.png" else 404, png(), {"Content-Type": "image/png"})


@pytest.fixture
def host(opened):
    return opened(Host())


@pytest.fixture
def fetcher(host, monkeypatch):
    """One for which this machine is the public network."""
    monkeypatch.setattr(fetching, "is_public", lambda address: address == "127.0.0.1")
    return Fetcher({"pictures.example"}, plain=True, resolve=lambda name, port: ["127.0.0.1"])


def url(host, path, name="pictures.example"):
    return f"http://{name}:{host.server.server_port}{path}"


@pytest.mark.parametrize("path", ["/a.png", "/moved", "/a.png?width=3#part"])
def test_a_picture_of_a_known_host_is_fetched_under_its_name(host, fetcher, path):
    assert fetcher.fetch(url(host, path)) == png()
    assert host.asked[-1] == (f"pictures.example:{host.server.server_port}", "/a.png")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/away", "host"),
        ("/inside", "host"),
        ("/login", "host"),
        ("/round", "hops"),
        ("/page", "page"),
        ("/x", "status"),
    ],
)
def test_what_a_known_host_leads_to_is_judged_too(host, fetcher, path, why):
    with pytest.raises(Refused) as refused:
        fetcher.fetch(url(host, path))
    assert refused.value.why == why


@pytest.mark.parametrize(
    "address",
    ["http://elsewhere.example/a.png", "http://pictures.example.evil/a.png", "file:///etc/passwd", "http://[::1]/a.png",
     "ftp://pictures.example/a.png", "gopher://pictures.example", "//pictures.example/a.png", "", "http://[", "a b",
     "http://pictures.example:99999/a.png", "http://user@pictures.example/a.png"],
)  # fmt: skip
def test_other_hosts_and_other_protocols_are_never_asked(host, fetcher, address):
    with pytest.raises(Refused) as refused:
        fetcher.fetch(address)
    assert refused.value.why == "host"
    assert not host.asked


def test_only_https_unless_a_stand_in_is_on_this_machine(host):
    for address in (url(host, "/a.png"), "https://pictures.example:8443/a.png"):
        with pytest.raises(Refused, match="host"):
            Fetcher({"pictures.example"}).fetch(address)


def test_a_name_that_leads_into_a_private_network_is_refused_and_nothing_is_sent(host):
    answers = [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], []]
    for found in answers:
        inside = Fetcher({"pictures.example"}, plain=True, resolve=lambda name, port, found=found: found)
        with pytest.raises(Refused) as refused:
            inside.fetch(url(host, "/a.png"))
        assert refused.value.why == "private"
    assert not host.asked


def test_the_address_that_was_checked_is_the_one_that_is_asked(host, monkeypatch):
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])  # a moment later the name means another
    monkeypatch.setattr(fetching, "is_public", lambda address: address == "127.0.0.1")
    fetcher = Fetcher({"pictures.example"}, plain=True, resolve=lambda name, port: next(answers))
    assert fetcher.fetch(url(host, "/a.png")) == png()
    assert next(answers) == ["10.0.0.1"], "it was resolved once"


def test_what_is_too_large_is_left_in_the_middle(host, fetcher, monkeypatch):
    small = Fetcher(fetcher.hosts, most_bytes=100, plain=True, resolve=fetcher.resolve)
    with pytest.raises(Refused, match="size"):
        small.fetch(url(host, "/a.png"))


def test_a_host_that_does_not_answer(monkeypatch):
    def unknown(name, port):
        raise OSError("Name or service not known")

    with pytest.raises(Refused) as refused:
        Fetcher({"pictures.example"}, resolve=unknown).fetch("https://pictures.example/a.png")
    assert refused.value.why == "unreachable"


PRIVATE = """
127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 255.255.255.255 ::1 ::
fe80::1%eth0 fd00::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1:: ff02::1
"""


def test_which_addresses_are_public():
    assert not [one for one in PRIVATE.split() if is_public(one)]
    assert is_public("93.184.215.14")
    assert is_public("2606:4700::1111")
