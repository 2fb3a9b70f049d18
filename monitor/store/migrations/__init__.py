"""The schema's history, in `versions`: each step goes both ways and never changes once released. Run by alembic.

A store is brought up to date when it is opened, in one transaction, so that a kill in the middle leaves it as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from monitor.store.failures import SchemaError

NEWEST: Final = "head"
NOTHING: Final = "base"


class Migrations:
    """The steps there are; reads them from disk when made, and nothing later."""

    def __init__(self) -> None:
        self._config = Config()
        self._config.set_main_option("script_location", str(Path(__file__).parent))
        self._script = ScriptDirectory.from_config(self._config)
        self.newest = self._script.get_current_head()

    def upgrade(self, connection: Connection, to: str = NEWEST) -> str | None:
        """Bring a schema up to date; return the version it had.

        Raises:
            SchemaError: It is of a version these migrations do not know.

        """
        steps = self._script._upgrade_revs  # noqa: SLF001 - what alembic's own commands call; there is no other name
        return self._run(connection, to, lambda now: list(steps(to, now)))

    def check(self, connection: Connection) -> None:
        """Refuse a schema that is not the newest.

        Raises:
            SchemaError: It is not.

        """
        version = MigrationContext.configure(connection).get_current_revision()
        if version != self.newest:
            raise SchemaError(f"its schema is version {version}, not {self.newest}; the service brings it up to date")

    def downgrade(self, connection: Connection, to: str) -> str | None:
        """Take a schema back to an older version; return the version it had."""
        steps = self._script._downgrade_revs  # noqa: SLF001 - as above
        return self._run(connection, to, lambda now: list(steps(to, now)))

    def _run(self, connection: Connection, to: str, steps: Callable[[str], list[RevisionStep]]) -> str | None:
        version = MigrationContext.configure(connection).get_current_revision()
        if to == NEWEST and version == self.newest:
            return version

        def wanted(now: str, _: MigrationContext) -> list[RevisionStep]:
            return steps(now)

        try:
            with EnvironmentContext(self._config, self._script, fn=wanted, destination_rev=to) as environment:
                environment.configure(connection=connection, transactional_ddl=True)
                environment.run_migrations()
        except CommandError as error:
            raise SchemaError(
                f"its schema is version {version}, which this version of emuwatch does not know"
            ) from error
        return version
