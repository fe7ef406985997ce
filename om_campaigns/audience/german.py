"""What offices write, in German and everyday words: names of columns and values, numbers and days.

All names are compared folded: lower case, umlauts written out, everything but letters and digits dropped. So
``E-Mail-Adresse``, ``e_mail_adresse`` and ``EMailAdresse`` are one name.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from enum import StrEnum
from functools import cache

from om_campaigns.audience.vocabulary import (
    IDEA_NAMES,
    LAENDER,
    NATIONWIDE,
    ORGANISATION_TYPES,
    BasisKind,
    ChangeKind,
    DataRole,
    ForwardPolicy,
    Level,
    NetworkKind,
    OrganisationStatus,
    PackDelivery,
    PersonStatus,
    Relay,
    Rhythm,
    Role,
    Route,
    ToolkitStatus,
)

_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_REST = re.compile(r"[^a-z0-9]+")


def fold(text: str) -> str:
    """The form in which names of columns and values are compared."""
    return _REST.sub("", text.casefold().translate(_UMLAUTS))


def name_key(name: str) -> str:
    """The form in which names are compared: NFC, case folded, blanks single."""
    return " ".join((name if name.isascii() else unicodedata.normalize("NFC", name)).casefold().split())


def make_slug(text: str) -> str:
    """A slug from a name: ``Handwerkskammer Süd`` → ``handwerkskammer-sued``."""
    return _REST.sub("-", text.casefold().translate(_UMLAUTS)).strip("-")[:80]


COLUMNS: dict[str, str] = {
    "slug": "kuerzel kurzname_im_system schluessel kennung code_haus",
    "name": "bezeichnung vollstaendiger_name vor_und_nachname vollname full_name ansprechpartner ansprechpartnerin anlaufstelle",
    "first_name": "vorname",
    "last_name": "nachname familienname zuname surname",
    "name_de": "name_deutsch deutscher_name",
    "name_en": "name_englisch englischer_name",
    "description_de": "beschreibung beschreibung_de beschreibung_deutsch",
    "description_en": "beschreibung_en beschreibung_englisch",
    "short_name": "kurzname abkuerzung kurzbezeichnung",
    "type": "typ art organisationstyp organisationsart art_der_organisation org_type organisation_type",
    "level": "ebene stufe",
    "parent": "uebergeordnet uebergeordnete_organisation dach dachorganisation gehoert_zu dachverband mutter parent_slug",
    "region": "",
    "regions": "regionen region bundesland bundeslaender land laender gebiet gebiete ags",
    "sectors": "branchen branche wirtschaftszweige wirtschaftszweig sector sektoren",
    "status": "stand zustand",
    "joined_on": "beigetreten beigetreten_am beitritt beitrittsdatum partner_seit joined",
    "left_on": "ausgetreten ausgetreten_am austritt austrittsdatum left",
    "language": "sprache lang",
    "languages": "sprachen",
    "routes": "wege weg versandwege versandweg zustellwege route zustellung",
    "forward_policy": "weiterleitung weitergaberegel weiterleitungsregel weitergabe",
    "adviser_headcount": "beraterzahl zahl_der_berater anzahl_berater anzahl_beratende berater_anzahl advisers",
    "headcount_as_of": "beraterzahl_vom beraterzahl_stand zahl_vom stand_der_zahl",
    "interests": "interessen themeninteressen interesse",
    "brand": "marke erscheinungsbild",
    "data_role": "datenrolle rolle_datenschutz verantwortung",
    "holiday_land": "feiertagsland feiertage feiertage_nach",
    "zone": "zeitzone timezone time_zone",
    "list_address": "verteileradresse verteiler listenadresse verteilerliste",
    "relay": "weitergabe_durch relais wer_weitergibt",
    "pack_delivery": "paketzustellung paketversand paketform",
    "shelf_life_days": "haltbarkeit_tage haltbarkeit haltbar_tage",
    "rhythm": "rhythmus haeufigkeit",
    "quiet_days": "stille_tage ruhetage betriebsferien",
    "newsletter_days": "newsletter_tage newslettertage erscheinungstage",
    "also_in": "auch_in weitere_zugehoerigkeiten ausserdem_in",
    "person": "personennummer personalnummer person_nr personen_id id nummer nr staff_key person_id",
    "email": "e_mail mail e_mail_adresse mailadresse emailadresse mail_adresse",
    "organisation": "haus firma einrichtung kammer verband betrieb heimatorganisation organization institution partner",
    "roles": "rollen rolle funktion funktionen aufgabe role",
    "salutation": "anrede",
    "primary": "hauptorganisation haupthaus hauptsitz heimat primaer is_primary_home",
    "since": "seit von ab",
    "until": "bis ende endet_am gilt_bis",
    "basis": "grundlage rechtsgrundlage einwilligung einwilligungsgrundlage",
    "mailing_list": "reihe reihen mailingliste newsletter",
    "collected_by": "erhoben_von eingeholt_von erhebende_stelle",
    "obtained_on": "erteilt_am erhalten_am einwilligung_vom eingewilligt_am obtained_at datum_der_einwilligung",
    "source": "quelle herkunft",
    "text_version": "textfassung fassung_des_textes einwilligungstext",
    "proof_ref": "nachweis beleg nachweis_nr aktenzeichen",
    "kind": "art_des_netzwerks netzwerkart",
    "coordinator": "koordination koordinator koordiniert_von koordinierende_stelle",
    "recognised_on": "anerkannt_am anerkannt recognized_on",
    "last_activity_on": "letzte_aktivitaet letztes_treffen zuletzt_aktiv last_activity",
    "organisations": "organisationen haeuser mitglieder partner_im_netzwerk members",
    "people": "personen mitwirkende",
    "code": "kuerzel_der_hilfe nr_der_hilfe",
    "group": "gruppe",
    "topics": "themen thema topic",
    "url": "link adresse_im_netz webadresse internetadresse",
    "version": "fassung",
    "released_on": "veroeffentlicht_am erschienen erschienen_am released",
    "change_kind": "art_der_aenderung aenderungsart",
    "changes": "aenderungen was_ist_neu",
    "toolkit": "hilfe check praxishilfe werkzeug",
    "confirmed_on": "bestaetigt_am bestaetigt confirmed",
    "ags": "regionalschluessel gemeindeschluessel amtlicher_gemeindeschluessel",
    "phone": "telefon telefonnummer tel rufnummer hotline servicenummer",
    "hours": "erreichbar erreichbarkeit sprechzeiten sprechzeit zeiten oeffnungszeiten",
    "hours_en": "erreichbar_englisch sprechzeiten_englisch zeiten_englisch",
    "agreed_on": "freigegeben_am freigabe_vom zugestimmt_am zustimmung_vom vereinbart_am",
    "agreed_by": "freigegeben_von freigabe_durch zugestimmt_von zustimmung_durch vereinbart_mit",
}
"""Canonical column → other names for it. Which of them a file may use is decided by its kind."""


def column_names(columns: tuple[str, ...]) -> dict[str, str]:
    """Folded name → canonical column, for the columns of one kind of file; a canonical name wins over a synonym."""
    names = {fold(other): column for column in columns for other in COLUMNS.get(column, "").split()}
    return names | {fold(column): column for column in columns}


ENUM_WORDS: dict[type[StrEnum], dict[str, str]] = {
    Level: {
        "umbrella": "dach dachorganisation dachverband bund bundesebene bundesverband bundesweit",
        "state": "land landesverband landesebene landesorganisation",
        "regional": "region regionalstelle regionalebene bezirk regionalverband",
        "local": "ort ortsstelle lokal ortsebene oertlich vor_ort",
    },
    OrganisationStatus: {
        "active": "aktiv",
        "paused": "pausiert ruht pause ruhend",
        "left": "ausgetreten ausgeschieden",
        "merged": "fusioniert zusammengelegt verschmolzen",
    },
    PersonStatus: {"active": "aktiv", "paused": "pausiert ruht pause", "left": "ausgeschieden ausgetreten"},
    Role: {
        "contact": "ansprechpartner ansprechpartnerin ansprechperson kontakt ansprechpartner/-in ansprechpartner/in ansprechpartner:in",
        "deputy": "stellvertretung stellvertreter stellvertreterin vertretung stellvertreter/-in stellvertreter/in",
        "distributor": "verteilperson verteiler verteilerin verteiler/-in",
        "leadership": "leitung leiter leiterin geschaeftsfuehrung geschaeftsfuehrer geschaeftsfuehrerin leiter/-in",
        "ambassador": "botschafter botschafterin botschafter/-in botschafter/in botschafter:in",
        "multiplier": "multiplikator multiplikatorin multiplikator/-in multiplikator/in",
        "press": "presse pressestelle oeffentlichkeitsarbeit pressesprecher pressesprecherin",
        "adviser": "berater beraterin beratende beratung berater/-in berater/in berater:in berater*in advisor",
    },
    Route: {
        "direct_email": "direkt direktmail direkte_mail e_mail email direktversand direct",
        "forward_pack": "weiterleitungspaket paket pack weitergabepaket",
        "list_address": "verteileradresse verteiler listenadresse",
        "newsletter_block": "newsletterbaustein newsletter_baustein baustein newsletter",
        "none": "keiner kein keine nichts",
    },
    ForwardPolicy: {
        "as_is": "unveraendert wie_es_ist",
        "edit_allowed": "bearbeiten_erlaubt bearbeitbar mit_aenderungen",
        "block_only": "nur_baustein nur_bausteine",
        "no_forwarding": "keine_weiterleitung keine_weitergabe",
    },
    DataRole: {
        "joint": "gemeinsam gemeinsam_verantwortlich gemeinsame_verantwortung",
        "processor": "auftragsverarbeiter auftragsverarbeitung om_als_auftragsverarbeiter",
        "om_alone": "om om_allein nur_om",
    },
    Relay: {"lowest": "unterste unterste_stelle vor_ort", "top": "oberste dach oberste_stelle", "both": "beide"},
    PackDelivery: {"ready_mail": "fertige_mail weiterleitungsmail", "attachment": "anhang", "portal": "portalseite"},
    Rhythm: {"as_it_comes": "wie_es_kommt", "monthly": "monatlich", "quarterly": "vierteljaehrlich quartalsweise"},
    BasisKind: {
        "consent_doi": "doi double_opt_in einwilligung_doi doubleoptin doppelte_anmeldung",
        "consent_written": "schriftlich schriftliche_einwilligung einwilligung_schriftlich einwilligung",
        "existing_relation_7_3": "bestandskunde bestandsbeziehung bestandskundenausnahme bestehende_beziehung 7_3",
        "membership_or_service_duty": "mitgliedschaft mitglied dienstpflicht mitgliedschaft_oder_dienst partnerschaft membership",
        "employer_internal": "arbeitgeber_intern intern innerbetrieblich dienstlich",
        "none": "keine kein ohne",
    },
    NetworkKind: {"om": "om_netzwerk", "other": "anderes anderes_netzwerk sonstige sonstiges andere"},
    ToolkitStatus: {
        "draft": "entwurf",
        "current": "aktuell gueltig",
        "superseded": "abgeloest ersetzt veraltet ueberholt",
        "withdrawn": "zurueckgezogen",
    },
    ChangeKind: {
        "correction": "korrektur berichtigung",
        "minor": "klein kleine_aenderung geringfuegig",
        "major": "gross grosse_aenderung wesentlich",
        "new": "neu",
        "withdrawn": "zurueckgezogen zurueckziehung",
    },
}

TYPE_WORDS: dict[str, str] = {
    "chamber_ihk": "ihk industriekammer handelskammer",
    "chamber_hwk": "hwk handwerk",
    "guild": "innung kreishandwerkerschaft kh",
    "trade_association": "fachverband branchenverband wirtschaftsverband verband",
    "professional_association": "berufsverband beraterverband",
    "employers_association": "arbeitgeberverband unternehmerverband",
    "trade_union": "gewerkschaft dgb",
    "accident_insurer": "berufsgenossenschaft bg unfallkasse unfallversicherung unfallversicherungstraeger",
    "health_insurer": "krankenkasse kasse aok krankenversicherung",
    "employment_agency": "agentur_fuer_arbeit arbeitsagentur agentur",
    "pension_insurer": "rentenversicherung drv rentenversicherungstraeger",
    "public_authority": "ministerium landesamt behoerde arbeitsschutzbehoerde amt",
    "economic_promotion": "wirtschaftsfoerderung wifoe wirtschaftsfoerderer",
    "rationalisation_body": "rkw rkw_kompetenzzentrum",
    "education_provider": "bildungstraeger bildung bildungswerk weiterbildung",
    "research_body": "hochschule forschung universitaet forschungseinrichtung institut",
    "civil_society": "zivilgesellschaft stiftung verein ehrenamt",
    "enterprise": "unternehmen kanzlei firma betrieb",
}

TOPIC_WORDS: dict[str, str] = {
    "leadership": "fuehrung personalfuehrung",
    "health": "gesundheit",
    "knowledge": "wissen wissen_und_kompetenz",
    "diversity": "vielfalt chancengleichheit",
    "safety": "sicherheit arbeitsschutz arbeitssicherheit",
    "digital_ai": "digitalisierung ki digital kuenstliche_intelligenz",
    "skilled_labour": "fachkraefte fachkraeftesicherung",
    "succession": "nachfolge unternehmensnachfolge",
    "resilience": "resilienz krisenfestigkeit",
    "climate": "klima klimaschutz nachhaltigkeit",
}

_LANGUAGES = {"deutsch": "de", "german": "de", "englisch": "en", "english": "en"}

YES = frozenset({"yes", "y", "ja", "j", "x", "true", "wahr", "1", "ok"})
NO = frozenset({"no", "n", "nein", "false", "falsch", "0"})


def _index(words: dict[str, str]) -> dict[str, str]:
    synonyms = {fold(other): value for value, others in words.items() for other in others.split()}
    return synonyms | {fold(value): value for value in words}


@cache
def words_of(kind: type[StrEnum]) -> dict[str, str]:
    """Folded word → value of a closed vocabulary, German and English."""
    return _index({member.value: ENUM_WORDS.get(kind, {}).get(member.value, "") for member in kind})


@cache
def type_words() -> dict[str, str]:
    """Folded word → organisation type code, for the types known from the start."""
    return _index(TYPE_WORDS) | {fold(name): code for code, (name, _group) in ORGANISATION_TYPES.items()}


@cache
def topic_words() -> dict[str, str]:
    """Folded word → topic or OM idea."""
    ideas = {fold(name): idea.value for idea, names in IDEA_NAMES.items() for name in names.values()}
    return _index(TOPIC_WORDS) | ideas | {fold(idea.value): idea.value for idea in IDEA_NAMES}


@cache
def land_words() -> dict[str, str]:
    """Folded word → two digits of a Land, or ``DE``: names, ISO codes with and without ``DE-``, ``bundesweit``."""
    found = {fold(word): NATIONWIDE for word in ("DE", "bundesweit", "Deutschland", "deutschlandweit", "national", "nationwide", "alle")}
    for ags, (iso, name) in LAENDER.items():
        found |= {fold(iso): ags, fold(f"DE-{iso}"): ags, fold(name): ags}
    return found | {"nrw": "05", "freistaatbayern": "09", "bavaria": "09", "freistaatsachsen": "14", "thueringen": "16"}


def language_of(text: str) -> str:
    """``de``, ``en`` or another tag of RFC 5646 in its short form. Raises ValueError for anything else."""
    found = _LANGUAGES.get(fold(text), text.strip().lower())
    if not re.fullmatch(r"[a-z]{2}(-[a-z]{2})?", found):
        raise ValueError(f"'{text}' is not a language; write de or en")
    return found


UNFIT = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\u202a-\u202e\u2066-\u2069]|%0[adAD]")
"""Line breaks, control and direction characters, and their percent forms: never in a name or key (SEC-01)."""


MOST_COUNTED = 999_999
"""More than this is no number of people or offices behind one house."""

_ABOUT = (
    r"ca\.?|circa|zirka|rund|etwa|ungefähr|ungef\.|um\s+die|an\s+die|gut|knapp|fast|über|mehr\s+als|mindestens|mind\.|höchstens|max\.|bis\s+zu"
    r"|about|around|approximately|approx\.?|roughly|some|nearly|almost|over|more\s+than|at\s+least|at\s+most|up\s+to|[~≈]"
)
_NUMBER = r"[0-9]{1,3}(?:[ .,'\u2019][0-9]{3})+|[0-9]+"
_ADVISERS = r"beratende[nr]?|berater(?:[:*_]?innen)?(?:\s+und\s+berater(?:innen)?)?"
_PEOPLE = rf"personen|menschen|leute|mitarbeitende|mitglieder|kolleg(?:en|innen)(?:\s+und\s+kolleg(?:en|innen))?|{_ADVISERS}"
_HOUSES = r"regionalstellen|geschäftsstellen|stellen|häuser|verbände|landesverbände|betriebe|unternehmen|firmen"
_ENGLISH = r"people|persons|members|colleagues|advisers|advisors|offices|businesses|companies"
_COUNT = re.compile(rf"(?:(?:{_ABOUT})\s*)?({_NUMBER})(?:\s*\+|\s+(?:{_PEOPLE}|{_HOUSES}|{_ENGLISH}|tage|days))?\.?", re.IGNORECASE)


def read_count(text: str) -> int:
    """The number in what somebody wrote; that it is about right is understood.

    Marks between thousands are taken, words of people and houses behind the number too. Raises ValueError in plain words for what could be
    read in two ways (``80–100``, ``1,5``, ``2 Tsd.``) or is no number.
    """
    found = _COUNT.fullmatch(" ".join(text.split()))
    if found is None:
        raise ValueError(f"'{text[:40]}' is not a whole number; write 80, 1.200 or ca. 80")
    digits = re.sub("[^0-9]", "", found[1])
    if len(digits) > 12 or int(digits) > MOST_COUNTED:
        raise ValueError(f"'{text[:40]}' is too large; {MOST_COUNTED:,} is the most")
    return int(digits)


_GERMAN_DATE = re.compile(r"(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4}|\d{2})")
_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)?")


def read_day(text: str) -> str:
    """``2026-12-31``, ``31.12.2026`` or ``31.12.26`` as ISO text. Raises ValueError in plain words."""
    if found := _ISO_DATE.fullmatch(text):
        year, month, number = (int(part) for part in found.groups()[:3])
    elif found := _GERMAN_DATE.fullmatch(text):
        number, month, year = (int(part) for part in found.groups())
        year += 2000 if year < 100 else 0
    else:
        raise ValueError(f"'{shorten(text)}' is not a date; write 2026-12-31 or 31.12.2026")
    try:
        value = date(year, month, number)
    except ValueError:
        raise ValueError(f"'{shorten(text)}' is not a day of the calendar") from None
    if not 1900 <= value.year <= 2100:
        raise ValueError(f"'{shorten(text)}' lies outside the years 1900 to 2100")
    return value.isoformat()


def shorten(text: str) -> str:
    """What somebody wrote, as far as a message repeats it: without what would break its line."""
    return UNFIT.sub("·", text[:60]) + ("…" if len(text) > 60 else "")
