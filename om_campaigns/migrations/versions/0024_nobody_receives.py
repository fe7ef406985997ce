"""Where nobody receives packs it is said so; before, it read as if somebody had no e-mail address."""

from __future__ import annotations

from om_campaigns.migrations.changes import renew_check

revision = "0024"
down_revision = "0023"

REASONS = """
    no_address no_basis suppressed hard_bounce no_data_role no_route nobody_to_serve nobody_receives through_house colleague_relays
    organisation_inactive person_inactive seat_ended duplicate_address stronger_role exit_condition step_condition
    not_my_topic not_while_in starts_after toolkit_withdrawn step_skipped no_variant grace_over missing_value broken_text campaign_paused
    campaign_stopped cap refused gave_up needs_smtputf8 erased settled already_there
"""


def upgrade() -> None:
    condition = " OR ".join(f"reason = '{word}'" for word in ("", *REASONS.split()))
    for table in ("enrolment", "dispatch"):
        renew_check(table, f"ck_{table}_reason_known", condition)
