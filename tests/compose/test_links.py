"""Tokens open one door each, for ever, and cannot be forged; return paths name one message (UNS-06, UNS-10, SEC-08, FWD-03, FWD-04)."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from om_campaigns.compose.links import (
    Door,
    make_leave_address,
    make_links,
    make_return_path,
    make_token,
    read_leave_addresses,
    read_return_path,
    read_token,
)
from om_campaigns.errors import InstallationError
from om_campaigns.keyring import Keyring

FIRST = Keyring("k1", {"k1": b"1" * 32})
ROTATED = Keyring("k2", {"k1": b"1" * 32, "k2": b"2" * 32})
FORGOTTEN = Keyring("k2", {"k2": b"2" * 32})
PARTS = ("mfzwizlbonxw2zlt", "ojsxg5ldorsw4zzq", "wir-gedanke")
IDS = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=24)


@given(st.lists(IDS, min_size=1, max_size=8), st.sampled_from(list(Door)))
def test_what_was_written_is_read(parts: list[str], door: Door) -> None:
    token = make_token(FIRST, door, *parts)
    assert read_token(FIRST, door, token) == tuple(parts)
    assert set(token) <= set(string.ascii_letters + string.digits + "-_.")


def test_tokens_are_short_and_end_in_no_character_a_mail_client_would_cut() -> None:
    token = make_token(FIRST, Door.unsubscribe, *PARTS)
    assert len(token) < 90
    assert token[-1].isalnum()


@pytest.mark.parametrize("door", list(Door))
def test_sec_08_a_token_opens_no_other_door(door: Door) -> None:
    """UNS-06: a body token replayed as one-click is refused."""
    token = make_token(FIRST, door, *PARTS)
    for other in [*Door, "opt-in", "click", "", "inert", f"inert-{door}", f"{door} "]:
        assert (read_token(FIRST, other, token) is not None) == (other == door)


def test_sec_08_every_flipped_bit_is_found() -> None:
    token = make_token(FIRST, Door.one_click, *PARTS)
    for place in range(len(token)):
        for bit in range(7):
            forged = token[:place] + chr(ord(token[place]) ^ (1 << bit)) + token[place + 1 :]
            assert read_token(FIRST, Door.one_click, forged) is None


def test_sec_08_every_cut_and_every_addition_is_found() -> None:
    token = make_token(FIRST, Door.one_click, *PARTS)
    for length in range(len(token)):
        assert read_token(FIRST, Door.one_click, token[:length]) is None
        assert read_token(FIRST, Door.one_click, token[length:][1:]) is None
    for more in ("=", ".", "\n", " ", "a", ".x", "%00", "\u00e4", "A" * 100_000):
        assert read_token(FIRST, Door.one_click, token + more) is None
        assert read_token(FIRST, Door.one_click, more + token) is None


def test_sec_08_payloads_cannot_be_swapped() -> None:
    """Neither another person, another house, another list, nor the same letters cut elsewhere."""
    key_id, signature, *_ = make_token(FIRST, Door.one_click, *PARTS).split(".")
    for parts in [("aaaa", *PARTS[1:]), (PARTS[0], "aaaa", PARTS[2]), (*PARTS[:2], "x"), PARTS[::-1], (*PARTS, "x"), PARTS[:2]]:
        assert read_token(FIRST, Door.one_click, ".".join((key_id, signature, *parts))) is None


@given(st.text(max_size=120))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert read_token(FIRST, Door.one_click, text) is None


def test_uns_10_old_tokens_work_after_the_key_has_changed() -> None:
    old = make_token(FIRST, Door.unsubscribe, *PARTS)
    new = make_token(ROTATED, Door.unsubscribe, *PARTS)
    assert old != new
    assert read_token(ROTATED, Door.unsubscribe, old) == read_token(ROTATED, Door.unsubscribe, new) == PARTS


def test_a_token_of_an_unknown_key_is_refused_like_any_other() -> None:
    """Also where its secret is one we know under another name: then the name is what is wrong."""
    old = make_token(FIRST, Door.unsubscribe, *PARTS)
    assert read_token(FORGOTTEN, Door.unsubscribe, old) is None
    assert read_token(Keyring("k1", {"k1": b"2" * 32}), Door.unsubscribe, old) is None
    renamed = make_token(Keyring("k9", {"k9": b"2" * 32}), Door.unsubscribe, *PARTS)
    assert read_token(FORGOTTEN, Door.unsubscribe, renamed) is None


@pytest.mark.parametrize("parts", [(), ("",), ("a.b",), ("a b",), ("ä",), ("a\n",), ("x" * 81,), ("a",) * 9])
def test_only_ids_and_slugs_go_into_a_token(parts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="token"):
        make_token(FIRST, Door.unsubscribe, *parts)


def test_a_missing_current_key_cannot_be_constructed() -> None:
    with pytest.raises(InstallationError):
        Keyring("k3", {"k1": b"1" * 32})


def test_the_links_of_a_letter() -> None:
    links = make_links("https://om-mail.example/", FIRST, *PARTS)
    assert set(links.slots) == {"links.unsubscribe", "links.preferences", "links.web"}
    for door, url in [
        (Door.unsubscribe, links.slots["links.unsubscribe"]),
        (Door.preferences, links.slots["links.preferences"]),
        (Door.one_click, links.one_click),
    ]:
        base, _, token = url.rpartition("/")
        assert base == f"https://om-mail.example/{door}"
        assert read_token(FIRST, door, token) == PARTS
    assert links == make_links("https://om-mail.example", FIRST, *PARTS)


def test_fwd_04_the_web_version_carries_nothing_of_its_reader() -> None:
    one = make_links("https://om-mail.example", FIRST, *PARTS).slots["links.web"]
    other = make_links("https://om-mail.example", FIRST, "another", "house", PARTS[2]).slots["links.web"]
    assert one == other == "https://om-mail.example/archiv/" + PARTS[2]
    one, other = (make_links("https://om-mail.example", FIRST, *each, PARTS[2], letter="reihe/a1").slots["links.web"]
                  for each in (PARTS[:2], ("another", "house")))  # fmt: skip
    assert one == other == f"https://om-mail.example/archiv/{PARTS[2]}/reihe/a1"


def test_msg_26_inert_tokens_look_alike_and_open_nothing() -> None:
    real, inert = (make_links("https://om-mail.example", FIRST, *PARTS, inert=inert) for inert in (False, True))
    for url, other in zip([*real.slots.values(), real.one_click], [*inert.slots.values(), inert.one_click], strict=True):
        assert len(url) == len(other)
        assert all(read_token(FIRST, door, other.rpartition("/")[2]) is None for door in Door)


def test_rfc_8058_no_one_click_without_https() -> None:
    """A rehearsal on this machine has pages, but no button in the mail client."""
    assert make_links("http://127.0.0.1:8080", FIRST, *PARTS).one_click == ""
    for base in ("", "om-mail.example", "ftp://om-mail.example", "javascript:x"):
        with pytest.raises(ValueError, match="base"):
            make_links(base, FIRST, *PARTS)


def test_a_return_path_names_its_message_in_any_case() -> None:
    path = make_return_path(FIRST, PARTS[0], "om-mail.example")
    local = path.partition("@")[0]
    assert len(local) <= 64
    assert read_return_path(FIRST, path) == read_return_path(FIRST, path.upper()) == PARTS[0]
    assert read_return_path(ROTATED, path) == PARTS[0]
    assert read_return_path(FORGOTTEN, path) is None


def test_nobody_invents_a_bounce_for_another_message() -> None:
    path = make_return_path(FIRST, PARTS[0], "om-mail.example")
    forged = [path.replace(PARTS[0], PARTS[1]), path[1:], path.replace("@", "a@"), path.partition("@")[0], "", "bounce--@x", "ä@x"]
    assert [read_return_path(FIRST, each) for each in forged] == [None] * len(forged)


@pytest.mark.slow
def test_a_token_costs_under_forty_microseconds() -> None:
    """Measured 6 to 11 µs each way; three of them stand in a letter."""
    best = 9.0
    for _ in range(5):
        start = time.process_time()
        for _ in range(2_000):
            read_token(FIRST, Door.one_click, make_token(FIRST, Door.one_click, *PARTS))
        best = min(best, (time.process_time() - start) / 4_000)
    assert best < 40e-6


def test_uns_11_an_address_for_leaving_is_read_in_any_case_and_place() -> None:
    address = make_leave_address(FIRST, *PARTS, "om-mail.example")
    assert len(address.partition("@")[0]) == 64  # as many as a local part may have
    for words in (address, address.upper(), f"Abmelden <{address}>, other@x.example", f"re: {address.partition('@')[0]}"):
        assert read_leave_addresses(FIRST, words, ["monatsbrief", "wir-gedanke"]) == [PARTS]
        assert read_leave_addresses(ROTATED, words, ["wir-gedanke"]) == [PARTS]  # UNS-10
    assert read_leave_addresses(FORGOTTEN, address, ["wir-gedanke"]) == []
    assert read_leave_addresses(FIRST, address, ["monatsbrief"]) == []


def test_sec_08_nobody_invents_an_address_for_leaving() -> None:
    address = make_leave_address(FIRST, *PARTS, "om-mail.example")
    local = address.partition("@")[0]
    for at in range(4, 64):
        for sign in "a7":
            if local[at] != sign:
                assert read_leave_addresses(FIRST, local[:at] + sign + local[at + 1 :], ["wir-gedanke"]) == []
    for forged in (local[:-1], f"{local}a", f"x{local}", local.replace("off", "bounce"), ""):
        assert read_leave_addresses(FIRST, forged, ["wir-gedanke"]) == []
    inert = make_leave_address(FIRST, *PARTS, "om-mail.example", inert=True)
    assert len(inert) == len(address)
    assert read_leave_addresses(FIRST, inert, ["wir-gedanke"]) == []
