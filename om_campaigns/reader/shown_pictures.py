"""Pictures of published texts, and logos of houses, as readers load them."""

from __future__ import annotations

from sqlalchemy import select

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.campaign.models import Blob, CampaignFile
from om_campaigns.columns import table_of
from om_campaigns.compose.models import LogoPicture
from om_campaigns.compose.pictures import KEY_LENGTH as KEY_LENGTH
from om_campaigns.compose.pictures import PICTURE_PATH as PICTURE_PATH
from om_campaigns.compose.pictures import decode, is_picture, media_of


def load_picture(app: App, key: str, name: str) -> tuple[str, bytes] | None:
    """Media type and bytes of a picture, by the beginning of its hash and its name; None where no published text and no house has it.

    Pictures of older versions stay: a letter is read for years (FWD-06).
    """
    # as a range, hexadecimal before "g", so that the key's index serves
    file, blob = table_of(CampaignFile), table_of(Blob)
    query = select(file.c.path, blob.c.body).join(blob, blob.c.hash == file.c.blob_hash)
    with store.read(app.engine) as session:
        if logo := session.get(LogoPicture, f"{key}/{name}"):
            return media_of(name), logo.body
        rows = session.execute(query.where(blob.c.hash >= key, blob.c.hash < f"{key}g").distinct()).all()
    kept = next((body for path, body in rows if is_picture(path) and path.rsplit("/", 1)[-1] == name), None)
    return None if kept is None else (media_of(name), decode(kept))
