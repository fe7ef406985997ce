"""What the journeys use: an empty PostgreSQL database."""

from __future__ import annotations

from tests.journeys.conftest import empty_postgres

__all__ = ["empty_postgres"]
