"""``person``: look at people; stop mail to one; erase one."""

from __future__ import annotations

import click

from om_campaigns.cli import Group, State, pass_state
from om_campaigns.cli.output import format_option, print_facts, print_json, print_rows

TABLE_ROWS = 100
ROLES = ("contact", "deputy", "distributor", "leadership", "ambassador", "multiplier", "press", "adviser")
KEYS = ("id", "staff_key", "name", "email", "organisations", "roles", "language", "status", "has_basis", "suppressed")
LISTS = {
    "seats": {"organisation": "organisation", "roles": "roles", "primary": "home", "since": "since", "until": "until"},
    "enrolments": {"campaign": "campaign", "state": "state", "reason": "reason", "entered_at": "entered", "next_step": "next step",
                   "next_due_at": "due"},
    "touches": {"at": "at", "campaign": "campaign", "step": "step", "route": "route", "certain": "certain"},
}  # fmt: skip
BASES = {"kind": "basis", "mailing_list": "mailing list", "collected_by": "by", "obtained_on": "on", "source": "source",
         "withdrawn_at": "withdrawn"}  # fmt: skip


@click.group(cls=Group)
def person() -> None:
    """Look at people; stop mail to one; erase one."""


@person.command("list")
@click.argument("text", default="")
@click.option("--org", "house", default="", metavar="WHO", help="Only people of this organisation, by slug or name.")
@click.option("--role", type=click.Choice(ROLES), help="Only people with this role.")
@click.option("--status", type=click.Choice(("active", "paused", "left", "erased")), help="Only this status.")
@click.option("--limit", type=click.IntRange(min=0), help=f"At most so many; 0 is all (tables: {TABLE_ROWS}, data: all).")
@format_option
@pass_state
def list_(state: State, text: str, house: str, role: str | None, status: str | None, limit: int | None, format_: str) -> None:
    """People, or those with TEXT in name or address.

    JSON: id, staff_key, name, email, organisations, roles, language, status, has_basis, suppressed.
    """
    from om_campaigns.audience.finding import find_organisation
    from om_campaigns.cli.output import looking
    from om_campaigns.staff.show_people import load_people

    wanted = (TABLE_ROWS if format_ == "table" else 0) if limit is None else limit
    with looking(state) as (app, session):
        house_id = find_organisation(session, house) if house else None
        rows, total = load_people(
            session, app.today(app.now()), text=text, organisation_id=house_id, role=role or "", status=status or "", limit=wanted
        )
    columns = {"name": "name", "email": "address", "organisations": "organisations", "roles": "roles", "has_basis": "basis"}
    columns |= {"status": "status"} if any(row["status"] != "active" for row in rows) else {}
    print_rows(rows, format_, columns, keys=KEYS, empty="nobody like that; 'om-campaigns audience import' brings people in")
    if total > len(rows):
        click.echo(f"{len(rows)} of {total}; --limit 0 shows all", err=True)


@person.command()
@click.argument("who")
@format_option
@pass_state
def show(state: State, who: str, format_: str) -> None:
    """One person by address, name or id: seats, addresses with bases and suppressions, campaigns, touches.

    Where several fit the name, a part of it or a shared address, a table lists them.
    """
    from om_campaigns.audience.finding import find_namesakes, find_person
    from om_campaigns.cli.output import looking
    from om_campaigns.staff.show_people import load_people, load_person

    with looking(state) as (app, session):
        if format_ == "table" and (several := find_namesakes(session, who)):
            rows, _ = load_people(session, app.today(app.now()), ids=several)
            print_namesakes(who, rows, "person show")
            return
        found = load_person(session, find_person(session, who, by_part=True))
        zone = app.settings.zone_info
    if format_ == "json":
        print_json(found)
        return
    if format_ == "csv":
        print_rows(found["touches"], "csv", LISTS["touches"])
        return
    print_facts({name.replace("_", " "): value for name, value in found.items() if name not in (*LISTS, "addresses")}, zone=zone)
    for address in found["addresses"]:
        marks = [address["kind"], *(["main"] if address["main"] else []), *([f"{address['bounce_state']} bounce"] * bounced(address))]
        click.echo(f"\n{address['address']} ({', '.join(marks)})")
        print_rows(address["bases"], "table", BASES, zone=zone, empty="  without basis: nobody may write here")
        for each in address["suppressions"]:
            where = f"{each['scope_kind']} {each['scope']}".strip()
            but = f"; subscribed to again: {', '.join(each['reopened'])}" if each["reopened"] else ""
            click.echo(f"  suppressed for {where}: {each['reason']}, {each['at']:%Y-%m-%d}{but}")
    for name, columns in LISTS.items():
        if found[name]:
            click.echo()
            print_rows(found[name], "table", columns, zone=zone)


def print_namesakes(who: str, rows: list[dict[str, object]], command: str) -> None:
    """Several people fit: each with what tells them apart, and the command for the first."""
    from om_campaigns.cli.screen import print_headline, print_next

    print_headline(f"'{who}' is {len(rows)} people.")
    print_rows(rows, "table", {"id": "id", "name": "name", "email": "address", "organisations": "organisations", "status": "status"})
    print_next(f"{command} {rows[0]['id']}")


def bounced(address: dict[str, object]) -> bool:
    """Whether the address has a bounce to tell of."""
    return address["bounce_state"] != "none"


PROOF = {"address": "address", "name": "name", "mailing_lists": "mailing lists", "organisation": "through", "asked_at": "asked",
         "form_url": "on the page", "mail_sent_at": "mail sent", "mail_id": "Message-ID", "mail_hash": "hash of the mail",
         "confirmed_at": "confirmed", "withdrawn": "withdrawn", "consent_text": "agreed to"}  # fmt: skip


@person.command()
@click.argument("address")
@format_option
@pass_state
def proof(state: State, address: str, format_: str) -> None:
    """Print what proves the consent of ADDRESS: words, times, mail, confirmation, withdrawal (LAW-05).

    JSON: address, name, mailing_lists, organisation, language, consent_text, text_version, form_url, asked_at, mail_sent_at,
    mail_id, mail_hash, confirmed_at, withdrawn [{mailing_list, at, through}].
    """
    from om_campaigns.cli.output import looking
    from om_campaigns.operate.proofs import load_proofs

    with looking(state) as (app, session):
        found = load_proofs(session, address)
        zone = app.settings.zone_info
    if format_ == "json":
        print_json(found)
        return
    if format_ == "csv":
        print_rows([each | {"withdrawn": _told(each["withdrawn"])} for each in found], "csv", PROOF)
        return
    for number, each in enumerate(found):
        click.echo("\n" if number else "", nl=False)
        shown = each | {"mailing_lists": ", ".join(each["mailing_lists"]), "withdrawn": _told(each["withdrawn"])}
        print_facts({words: shown[name] for name, words in PROOF.items()}, zone=zone)
    if not found:
        click.echo("no consent was given on our pages; 'person show' lists every basis")


def _told(withdrawn: list[dict[str, object]]) -> str:
    return "; ".join(f"{each['mailing_list']} {each['at']:%Y-%m-%d %H:%M} UTC ({each['through']})" for each in withdrawn)


@person.command()
@click.argument("address")
@click.option("--mailing-list", default="", metavar="SLUG", help="Only mail of this list.")
@click.option("--org", "house", default="", metavar="WHO", help="Only what comes through this organisation.")
@pass_state
def unsubscribe(state: State, address: str, mailing_list: str, house: str) -> None:
    """Stop all mail to ADDRESS, because its reader asked for it: on the phone, by letter, in person.

    Works at once, also for letters that wait, and for an address that nobody knows yet. No later file takes it back; only its
    reader can, by subscribing again.
    """
    from om_campaigns.audience.finding import find_organisation
    from om_campaigns.cli.output import looking
    from om_campaigns.reader.leaving_page import unsubscribe as stop_mail
    from om_campaigns.staff.importing import load_actor

    if mailing_list and house:
        raise click.UsageError("--mailing-list and --org are two scopes; name one, and the other in a second command")
    with looking(state) as (app, session):
        house_id = find_organisation(session, house) if house else None
    is_new = stop_mail(app, address, app.now(), load_actor(), mailing_list=mailing_list, organisation_id=house_id)
    scope = f"of the list {mailing_list}" if mailing_list else f"through {house}" if house else "at all"
    click.echo(f"{address}: no mail {scope} from now on" if is_new else f"{address}: no mail {scope} (already)")


@person.command()
@click.argument("who")
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option
@pass_state
def erase(state: State, who: str, yes: bool, format_: str) -> None:
    """Forget a person for good (GDPR, Article 17): name, addresses, bases, values in mails; says what stays and why.

    JSON: {"erased": {what: number}, "stays": [{"what", "number", "why"}]}.
    """
    from om_campaigns.audience.finding import find_person
    from om_campaigns.cli.output import looking
    from om_campaigns.cli.screen import confirm, quoted
    from om_campaigns.reader.erasure import erase_person
    from om_campaigns.staff.importing import load_actor
    from om_campaigns.staff.show_people import load_person

    with looking(state) as (app, session):
        person_id = find_person(session, who)
        found = load_person(session, person_id)
    if not yes:
        houses = ", ".join(seat["organisation"] for seat in found["seats"])
        click.echo(f"{found['name']} ({houses}), {len(found['addresses'])} addresses, {len(found['touches'])} touches", err=True)
        confirm(
            "Erase this person for good? It cannot be undone.",
            answer=f"person erase {quoted(who)} --yes",
            what=f"{found['name']} would be erased for good",
        )
    done = erase_person(app, person_id, app.now(), load_actor())
    stays = [{"what": each.what, "number": each.number, "why": each.why} for each in done.stays]
    if format_ == "json":
        print_json({"erased": done.erased, "stays": stays})
        return
    if format_ == "table":
        click.echo("erased: " + ", ".join(f"{number} {what.replace('_', ' ')}" for what, number in done.erased.items() if number))
        click.echo("what stays:")
    print_rows(stays, format_, {"what": "what", "number": "number", "why": "why"})
