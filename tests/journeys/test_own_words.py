"""Own words walked through time: partners change blocks, packs get revisions and never new mails, OM changes a text, somebody decides."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from om_campaigns import store
from om_campaigns.audience.vocabulary import Origin
from om_campaigns.errors import InputError, ProblemsError
from om_campaigns.partner.own_words import Acting, Action, BlockChange, change_block
from om_campaigns.partner.packs import RelayState, hand_over_pack, move_pack, write_pack
from om_campaigns.partner.show_own_words import OwnText, count_conflicts, find_text, list_own_words, load_own_history, show_blocks
from om_campaigns.staff.importing import check_workspace
from om_campaigns.staff.overlay_files import import_overlays
from tests.journeys.test_cascade import BODY, packs, series, taker, to_house
from tests.journeys.workspace import SQLITE, Workspace, local, person

pytestmark = pytest.mark.slow

TEXT = OwnText("amt", "reihe", "b1")
ANNA, STAFF = Acting("anna"), Acting("t")
FILE = "audiences/overlays/amt/reihe/b1.de.md"
OPTIONAL = BODY.replace("{#do editable}", "{#do optional}")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_office(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def office(prepared: Workspace, tmp_path: Path) -> Workspace:
    return prepared.copy(tmp_path)


def make_office(folder: Path, database: str = SQLITE) -> Workspace:
    """Two houses whose contacts have received the first pack of a series; *amt* may use own words, *starr* may not."""
    office = Workspace(folder, database=database)
    office.houses(taker("amt", forward_policy="edit_allowed"), taker("starr"))
    office.people(person("Anna Amt", "amt"), person("Stefan Starr", "starr"))
    series(office, text=OPTIONAL)
    office.tick(local("2027-01-05"))
    office.now = local("2027-01-06")
    return office


def files_of(office: Workspace, house: str, step: str = "b1") -> dict[str, str]:
    """The text files of a house's pack."""
    code = next(str(row["code"]) for row in packs(office) if (row["house"], row["step"]) == (house, step))
    paths = write_pack(office.app, code, office.folder / "out" / house, office.now)
    return {path.name: path.read_text(encoding="utf-8") for path in paths if path.suffix in (".txt", ".md")}


def say(office: Workspace, words: str, block: str = "say", text: OwnText = TEXT) -> bool:
    return change(office, Action.set, block, words, by=Acting("anna", Origin.partner), text=text)


def change(
    office: Workspace, action: Action, block: str, words: str = "", after: str = "", *, by: Acting = ANNA, text: OwnText = TEXT
) -> bool:
    return change_block(office.app, text, BlockChange(action, block, words, after), office.now, by)


def test_own_words_make_a_revision_and_never_a_new_mail(office: Workspace) -> None:
    """What is passed on changes in every form, for this house and this step only; nobody gets another mail."""
    before, mails = office.count("pack_revision"), len(office.transport.letters)
    assert say(office, "„Ich rufe *selbst* an.“")
    assert not say(office, "„Ich rufe *selbst* an.“  \r\n"), "the same words again are none"
    assert change(office, Action.add, "", "Fragen? **Anna Amt** hilft.", "do")
    assert change(office, Action.hide, "do")
    assert office.count("pack_revision") == before + 3
    files = files_of(office, "amt")
    assert "„Ich rufe *selbst* an.“" in files["baustein.md"]
    assert "Anna Amt" in files["baustein.md"]
    assert "Notieren Sie" not in files["weiterleiten.txt"]
    assert "Checks, mit denen" in files["weiterleiten.txt"], "locked words stay"
    assert "halbe Stunde" in files_of(office, "starr")["weiterleiten.txt"]
    office.walk(local("2027-01-20"))
    assert len(office.transport.letters) == mails + 4, "the second step: cover and ready mail for each house"
    assert "halbe Stunde" in files_of(office, "amt", "b2")["weiterleiten.txt"]
    assert office.count("pack_revision") == before + 5


def test_words_written_before_the_hand_over_are_in_the_ready_mail(office: Workspace) -> None:
    assert say(office, "„Unser Satz.“", text=OwnText("amt", "reihe", "b2"))
    office.walk(local("2027-01-20"))
    ready = to_house(office, "amt")[-1].get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "„Unser Satz.“" in ready
    assert "halbe Stunde" not in ready


def test_a_pack_that_was_passed_on_stays_as_it_was(office: Workspace) -> None:
    code = next(str(row["code"]) for row in packs(office) if row["house"] == "amt")
    move_pack(office.app, STAFF, code, RelayState.forwarded, office.now)
    before = office.count("pack_revision")
    assert say(office, "„Zu spät.“")
    assert office.count("pack_revision") == before


def test_the_log_keeps_everything_with_who_and_where_from(office: Workspace) -> None:
    say(office, "Erstens.")
    say(office, "Zweitens.")
    office.now += timedelta(hours=1)
    assert change(office, Action.reset, "say", by=Acting("otto"))
    assert not change(office, Action.reset, "say", by=Acting("otto"))
    with store.read(office.app.engine) as session:
        told = load_own_history(find_text(session, office.app, TEXT))
    assert [(row["kind"], row["text"], row["origin"], row["actor"]) for row in told] == [
        ("replaced", "Erstens.", "partner", "anna"),
        ("replaced", "Zweitens.", "partner", "anna"),
        ("reset", "", "staff", "otto"),
    ]
    assert "halbe Stunde" in files_of(office, "amt")["weiterleiten.txt"]


def test_sec_03_a_house_that_writes_templates_passes_on_braces(office: Workspace) -> None:
    """Markdown decodes what a look at the source cannot see; in every file of the pack it is text, and the locked block stands."""
    change(office, Action.add, "", "Anfang &lcub;#", "top")
    say(office, '#&rcub; [hier](https://x.example "&lcub;{ 7*193 }&rcub;"), {\\{ x }\\} und &#123;&#123; y')
    files = files_of(office, "amt")
    assert "Checks, mit denen" in files["weiterleiten.txt"]
    assert "Anfang {#" in files["weiterleiten.txt"]
    assert "{{ x }} und {{ y" in files["weiterleiten.txt"]
    assert "1351" not in "".join(files.values())


REFUSED = (
    ("offers", "Unsere Angebote", "is locked"),
    ("say", "[Hier](https://haus.example/?utm_source=x)", "counts its readers"),
    ("say", "{{ contact.full_name }}", "sign of templates"),
    ("sagt", "Etwas", "there is no block 'sagt'"),
    ("say", "", "no words"),
)


def test_what_is_refused_changes_nothing(office: Workspace) -> None:
    before = office.dump()
    for block, words, told in REFUSED:
        with pytest.raises(ProblemsError, match=told) as refused:
            say(office, words, block)
        assert refused.value.problems[0].file == "amt: reihe/b1"
    assert office.dump() == before


def test_a_house_that_passes_on_as_it_is_has_no_own_words(office: Workspace) -> None:
    with pytest.raises(ProblemsError, match="as it is"):
        say(office, "Etwas", text=OwnText("starr", "reihe", "b1"))


def test_an_unknown_text_is_named(office: Workspace) -> None:
    for text, told in (
        (OwnText("niemand", "reihe", "b1"), "no organisation"),
        (OwnText("amt", "rheihe", "b1"), "no campaign"),
        (OwnText("amt", "reihe", "b9"), "no step 'b9'"),
    ):
        with pytest.raises(InputError, match=told):
            say(office, "Etwas", text=text)


def change_base(office: Workspace, old: str, new: str) -> None:
    office.text("reihe", "b1.de", OPTIONAL.replace(old, new))
    office.publish()


def test_where_om_changes_a_replaced_block_one_decision_is_wanted(office: Workspace) -> None:
    """Theirs and OM's side by side; theirs hold until somebody decides; no texts are merged."""
    say(office, "„Unser Satz.“")
    change_base(office, "halbe Stunde", "Viertelstunde")
    with store.read(office.app.engine) as session:
        assert count_conflicts(session, office.app) == 1
        [row] = list_own_words(session, office.app, conflicts_only=True)
    assert (row["conflict"], row["own_text"], "Viertelstunde" in row["om_text"]) == ("changed", "„Unser Satz.“", True)
    assert "Unser Satz" in files_of(office, "amt")["weiterleiten.txt"]
    assert change(office, Action.keep, "say")
    assert not change(office, Action.keep, "say"), "decided already"
    assert "Unser Satz" in files_of(office, "amt")["weiterleiten.txt"]
    change_base(office, "halbe Stunde", "ganze Stunde")
    assert change(office, Action.take, "say")
    assert "ganze Stunde" in files_of(office, "amt")["weiterleiten.txt"]
    with store.read(office.app.engine) as session:
        assert list_own_words(session, office.app) == []


def test_words_in_a_block_that_becomes_locked_give_way_and_are_shown(office: Workspace) -> None:
    say(office, "„Unser Satz.“")
    change_base(office, "{#say editable}", "{#say locked}")
    assert "halbe Stunde" in files_of(office, "amt")["weiterleiten.txt"]
    with store.read(office.app.engine) as session:
        assert [row["conflict"] for row in list_own_words(session, office.app)] == ["locked"]
    with pytest.raises(ProblemsError, match="is locked"):
        change(office, Action.keep, "say")
    assert change(office, Action.take, "say")


def test_the_blocks_of_a_text_are_shown_with_names_filled_in(office: Workspace) -> None:
    office.text("reihe", "b1.de", OPTIONAL.replace("Checks,", "{{ org.name }}: Checks,"))
    office.publish()
    say(office, "„Unser Satz.“")
    with store.read(office.app.engine) as session:
        rows = show_blocks(find_text(session, office.app, TEXT))
    told = [(row["block"], row["title"], row["policy"], row["state"]) for row in rows]
    assert told == [
        ("offers", "Was die OM bietet", "locked", "om"),
        ("say", "Was Sie sagen können", "editable", "replaced"),
        ("do", "Was Sie tun können", "optional", "om"),
    ]
    assert rows[0]["om_text"].startswith("Haus amt: Checks,")
    assert rows[1]["om_text"].startswith("„Wollen wir")


def test_files_are_taken_over_once_and_leave_what_partners_wrote_alone(office: Workspace) -> None:
    office.write(FILE, "::: sagen\n„Aus der Datei.“\n:::\n\n::: eigen gruss\nHerzlich, Ihr Amt\n:::\n")
    first = import_overlays(office.app, [], office.now, "otto")
    assert (first.files, first.blocks, first.packs) == (1, 2, 1)
    assert import_overlays(office.app, [], office.now, "otto").blocks == 0
    say(office, "„Von Anna.“")
    assert import_overlays(office.app, [], office.now, "otto").blocks == 0, "the file says nothing new"
    assert "Von Anna" in files_of(office, "amt")["baustein.md"]
    office.write(FILE, "::: sagen\n„Neu aus der Datei.“\n:::\n")
    assert import_overlays(office.app, [], office.now, "otto").blocks == 2
    files = files_of(office, "amt")
    assert "Neu aus der Datei" in files["baustein.md"]
    assert "Herzlich" not in files["baustein.md"], "what a file no longer names goes back"


def test_bad_files_change_nothing_and_check_names_every_place(office: Workspace) -> None:
    office.write(FILE, "::: sagen\n„Gut.“\n:::\n\n::: offers\nUnseres\n:::\n")
    office.write("audiences/overlays/amt/reihe/b2.de.md", "::: say\n<b>fett</b>\n:::\n")
    office.write("audiences/overlays/niemand/reihe/b1.de.md", "::: say\nA\n:::\n")
    office.write("audiences/overlays/verirrt.md", "::: say\nA\n:::\n")
    office.write("audiences/overlays/starr/reihe/b1.de.md", "::: say\nA\n:::\n")
    before = office.dump()
    with pytest.raises(ProblemsError) as refused:
        import_overlays(office.app, [], office.now, "otto")
    assert office.dump() == before
    found = check_workspace(office.app, office.now)
    assert found.overlays == 5
    for problems in (refused.value.problems, found.errors):
        told = sorted({each.file.partition("overlays/")[2] for each in problems})
        assert told == ["amt/reihe/b1.de.md", "amt/reihe/b2.de.md", "niemand/reihe/b1.de.md", "starr/reihe/b1.de.md", "verirrt.md"]
        assert {("amt/reihe/b1.de.md", 5), ("amt/reihe/b2.de.md", 2)} <= {
            (each.file.partition("overlays/")[2], each.line) for each in problems
        }


@pytest.mark.slow
def test_own_words_and_handing_over_on_postgresql(tmp_path: Path, empty_postgres: str) -> None:
    office = make_office(tmp_path, empty_postgres)
    office.people(person("Dirk Deputy", "amt", roles="deputy"))
    test_own_words_make_a_revision_and_never_a_new_mail(office)
    change_base(office, "halbe Stunde", "Viertelstunde")
    assert change(office, Action.take, "say")
    with store.read(office.app.engine) as session:
        assert [row["block"] for row in list_own_words(session, office.app)] == ["do", "own-1"]
    code = next(str(row["code"]) for row in packs(office) if (row["house"], row["step"]) == ("amt", "b2"))
    assert hand_over_pack(office.app, STAFF, code, office.now).receiver == "Dirk Deputy"
    assert not hand_over_pack(office.app, STAFF, code, office.now, to="dirk.deputy@amt.example").is_new
    again = hand_over_pack(office.app, STAFF, code, office.now)
    assert (again.receiver, again.is_new) == ("Dirk Deputy", False), "asked twice, it does not wander on"
    mails = len(office.transport.letters)
    office.tick()
    assert len(office.transport.letters) == mails + 2
    assert not hand_over_pack(office.app, STAFF, code, office.now).is_new
