"""Pictures of letters: public, without a cookie, the same for everybody, kept by whoever loaded them once (FWD-06, SEC-24)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Response
from fastapi import Path as InPath

from om_campaigns.reader.shown_pictures import KEY_LENGTH, PICTURE_PATH, load_picture
from om_campaigns.web.site import TheSite

router = APIRouter()

Key = Annotated[str, InPath(pattern=f"^[0-9a-f]{{{KEY_LENGTH}}}$")]
Name = Annotated[str, InPath(pattern="^[A-Za-z0-9._-]{1,100}$")]


@router.get(f"/{PICTURE_PATH}/{{key}}/{{name}}", response_class=Response)
def picture(site: TheSite, key: Key, name: Name) -> Response:
    """A picture of a published text."""
    found = load_picture(site.app, key, name)
    if found is None:
        raise HTTPException(404)
    media, content = found
    return Response(content, media_type=media, headers={"Cache-Control": "public, max-age=31536000, immutable"})
