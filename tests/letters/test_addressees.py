"""outgoing: what a letter says about its reader is true for that reader."""

from __future__ import annotations

from om_campaigns.letters.recipients import Recipient, slot_values


def test_a_reader_without_a_name_has_no_name_to_print() -> None:
    """Domain rule 9: a missing value holds the letter back, so it must be missing and not a blank."""
    values = slot_values(Recipient(1, "info@haus.example", "ref", "", "contact"), "de")
    assert values["contact.full_name"] == ""
    assert values["contact.greeting"] == "Guten Tag"


def test_the_masked_address_shows_one_letter_fwd_04() -> None:
    values = slot_values(Recipient(1, "mira@haus.example", "ref", "Mira Feldkamp", "contact"), "en")
    assert values["contact.masked_email"] == "m…@haus.example"
    assert values["contact.greeting"] == "Hello Mira Feldkamp"
