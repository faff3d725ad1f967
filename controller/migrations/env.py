"""Alembic's entry: runs on the one connection that ``controller.store`` hands over, inside its transaction."""

from alembic import context

from controller.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
context.run_migrations()
