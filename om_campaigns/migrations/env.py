"""Run by Alembic: migrate the engine that was handed in, in one transaction on both databases."""

from __future__ import annotations

from alembic import context

from om_campaigns import store

engine = context.config.attributes["engine"]
with engine.connect().execution_options(om_write=True) as connection:
    context.configure(connection=connection, target_metadata=store.metadata, render_as_batch=True, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
