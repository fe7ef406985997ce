"""The closed words of the audience (domain glossary) and their German names.

Organisation types and topics are open lists: the defaults stand here, a workspace may add its own types.
"""

from __future__ import annotations

from enum import StrEnum


class Level(StrEnum):
    """Where a house stands in its tree; the parent chain may skip levels."""

    umbrella = "umbrella"
    state = "state"
    regional = "regional"
    local = "local"


class OrganisationStatus(StrEnum):
    active = "active"
    paused = "paused"
    left = "left"
    merged = "merged"


class PersonStatus(StrEnum):
    active = "active"
    paused = "paused"
    left = "left"
    erased = "erased"


class Role(StrEnum):
    """What a person does in a house; the order is the strength of domain rule 1, strongest first."""

    contact = "contact"
    deputy = "deputy"
    distributor = "distributor"
    leadership = "leadership"
    ambassador = "ambassador"
    multiplier = "multiplier"
    press = "press"
    adviser = "adviser"


ROLE_STRENGTH: dict[Role, int] = {role: position for position, role in enumerate(Role)}
"""0 is the strongest role (domain rule 1)."""


class Route(StrEnum):
    direct_email = "direct_email"
    forward_pack = "forward_pack"
    list_address = "list_address"
    newsletter_block = "newsletter_block"
    none = "none"


PASSING_ON = (Route.forward_pack, Route.list_address, Route.newsletter_block)
"""The ways through the home organisation; whoever takes one of them can serve its advisers."""


class Sender(StrEnum):
    """In whose name a mail goes: OM itself, or OM for the recipient's home organisation (BULK-11 mode A)."""

    om = "om"
    home = "home"


class ForwardPolicy(StrEnum):
    as_is = "as_is"
    edit_allowed = "edit_allowed"
    block_only = "block_only"
    no_forwarding = "no_forwarding"


class DataRole(StrEnum):
    """Who answers for the data of direct mail (LAW-18)."""

    joint = "joint"
    processor = "processor"
    om_alone = "om_alone"


class Relay(StrEnum):
    """Which house on the way from the advisers up to the umbrella passes a pack on to them."""

    lowest = "lowest"
    top = "top"
    both = "both"


class PackDelivery(StrEnum):
    ready_mail = "ready_mail"
    attachment = "attachment"
    portal = "portal"


class AddressKind(StrEnum):
    personal = "personal"
    role = "role"
    list_address = "list_address"


class BounceState(StrEnum):
    none = "none"
    soft = "soft"
    hard = "hard"


class BasisKind(StrEnum):
    """On what an address may be written to (LAW-01, section 2.6 of the domain)."""

    consent_doi = "consent_doi"
    consent_written = "consent_written"
    existing_relation_7_3 = "existing_relation_7_3"
    membership_or_service_duty = "membership_or_service_duty"
    employer_internal = "employer_internal"
    none = "none"


class SuppressionScope(StrEnum):
    mailing_list = "mailing_list"
    organisation = "organisation"
    all = "all"


class Rhythm(StrEnum):
    """How often somebody wants to read, whatever else is due: at most one letter in so many days (``RHYTHM_DAYS``)."""

    as_it_comes = "as_it_comes"
    monthly = "monthly"
    quarterly = "quarterly"


RHYTHM_DAYS = {Rhythm.as_it_comes: 0, Rhythm.monthly: 28, Rhythm.quarterly: 84}
"""Whole weeks, so that a monthly letter on the same weekday is never late for a February."""


class SuppressionReason(StrEnum):
    opt_out = "opt_out"
    objection = "objection"
    complaint = "complaint"
    hard_bounce = "hard_bounce"
    staff = "staff"


class NetworkKind(StrEnum):
    om = "om"
    other = "other"


class ToolkitStatus(StrEnum):
    draft = "draft"
    current = "current"
    superseded = "superseded"
    withdrawn = "withdrawn"


class ChangeKind(StrEnum):
    correction = "correction"
    minor = "minor"
    major = "major"
    new = "new"
    withdrawn = "withdrawn"


class Origin(StrEnum):
    """Where a value came from."""

    file = "file"
    staff = "staff"
    partner = "partner"
    answer = "answer"
    sample = "sample"
    engine = "engine"


class RecipientKind(StrEnum):
    """What a dispatch, an enrolment and a touch are keyed by; an organisation where the seat has no person."""

    person = "person"
    organisation = "organisation"


class ResponseKind(StrEnum):
    """Every sign that comes back."""

    acknowledgement = "acknowledgement"
    reply = "reply"
    answer = "answer"
    action_report = "action_report"
    confirmed_version = "confirmed_version"
    preference = "preference"


class Idea(StrEnum):
    """The five OM ideas: a closed vocabulary (R8)."""

    use_potentials = "use_potentials"
    regional_cooperation = "regional_cooperation"
    we_opportunities = "we_opportunities"
    shared_standards = "shared_standards"
    support_quality = "support_quality"


IDEA_NAMES: dict[Idea, dict[str, str]] = {
    Idea.use_potentials: {"de": "Potenziale wirkungsvoller nutzen", "en": "Use potentials more effectively"},
    Idea.regional_cooperation: {"de": "Kooperieren in der Region", "en": "Cooperate in the region"},
    Idea.we_opportunities: {"de": "Wir-Möglichkeiten nutzen", "en": "Use the we-opportunities"},
    Idea.shared_standards: {"de": "Abgestimmte Standards nutzen", "en": "Use agreed standards"},
    Idea.support_quality: {"de": "Qualität der Unterstützung verbessern", "en": "Improve the quality of support"},
}

TOPICS = (
    "leadership",
    "health",
    "knowledge",
    "diversity",
    "safety",
    "digital_ai",
    "skilled_labour",
    "succession",
    "resilience",
    "climate",
)
"""Subject topics; an open list, these are known from the start."""

TOPIC_NAMES: dict[str, dict[str, str]] = {
    "leadership": {"de": "Führung", "en": "Leadership"},
    "health": {"de": "Gesundheit", "en": "Health"},
    "knowledge": {"de": "Wissen und Kompetenz", "en": "Knowledge and skills"},
    "diversity": {"de": "Vielfalt", "en": "Diversity"},
    "safety": {"de": "Arbeitsschutz", "en": "Safety at work"},
    "digital_ai": {"de": "Digitales und KI", "en": "Digital and AI"},
    "skilled_labour": {"de": "Fachkräfte", "en": "Skilled labour"},
    "succession": {"de": "Nachfolge", "en": "Succession"},
    "resilience": {"de": "Krisenfestigkeit", "en": "Resilience"},
    "climate": {"de": "Klima und Energie", "en": "Climate and energy"},
}

ORGANISATION_TYPES: dict[str, tuple[str, str]] = {
    "chamber_ihk": ("Industrie- und Handelskammer", "chambers"),
    "chamber_hwk": ("Handwerkskammer", "chambers"),
    "guild": ("Innung / Kreishandwerkerschaft", "chambers"),
    "trade_association": ("Fach- / Branchenverband", "associations"),
    "professional_association": ("Berufsverband", "associations"),
    "employers_association": ("Arbeitgeberverband", "social_partners"),
    "trade_union": ("Gewerkschaft", "social_partners"),
    "accident_insurer": ("Berufsgenossenschaft / Unfallkasse", "insurers"),
    "health_insurer": ("Krankenkasse", "insurers"),
    "employment_agency": ("Agentur für Arbeit", "state"),
    "pension_insurer": ("Rentenversicherung", "insurers"),
    "public_authority": ("Ministerium / Landesamt / Behörde", "state"),
    "economic_promotion": ("Wirtschaftsförderung", "state"),
    "rationalisation_body": ("RKW", "associations"),
    "education_provider": ("Bildungsträger", "education_research"),
    "research_body": ("Hochschule / Forschung", "education_research"),
    "civil_society": ("Zivilgesellschaft / Stiftung", "other"),
    "enterprise": ("Unternehmen / Kanzlei", "other"),
}
"""Code → (German name, group for reports)."""

LAENDER: dict[str, tuple[str, str]] = {
    "01": ("SH", "Schleswig-Holstein"),
    "02": ("HH", "Hamburg"),
    "03": ("NI", "Niedersachsen"),
    "04": ("HB", "Bremen"),
    "05": ("NW", "Nordrhein-Westfalen"),
    "06": ("HE", "Hessen"),
    "07": ("RP", "Rheinland-Pfalz"),
    "08": ("BW", "Baden-Württemberg"),
    "09": ("BY", "Bayern"),
    "10": ("SL", "Saarland"),
    "11": ("BE", "Berlin"),
    "12": ("BB", "Brandenburg"),
    "13": ("MV", "Mecklenburg-Vorpommern"),
    "14": ("SN", "Sachsen"),
    "15": ("ST", "Sachsen-Anhalt"),
    "16": ("TH", "Thüringen"),
}
"""First two digits of an AGS → (ISO 3166-2 code without DE-, name)."""

NATIONWIDE = "DE"
"""The region value of a house that works everywhere."""
