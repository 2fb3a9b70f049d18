"""A throw-away PostgreSQL: a real server on a free port, in a folder of its own, ended by its pid."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers import free_port, require_program

FOLDERS = ("/usr/lib/postgresql/*/bin",)
PACKAGE = "postgresql"


@dataclass
class Postgres:
    """One cluster."""

    folder: Path
    port: int
    password: str = "not-a-real-secret"
    _names: Iterator[int] = field(default_factory=itertools.count)
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = require_program("postgres", PACKAGE, folders=FOLDERS)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_unprivileged(), program, "-D", str(self.folder / "data"), *options], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 20
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self.folder / "log").read_text(errors="replace"))
            time.sleep(0.05)

    def stop(self) -> None:
        """End it at once, as a crash of its machine would."""
        if self._process is not None:
            pid = int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
            os.kill(pid, 3)
            self._process.wait(20)
            self._process = None

    def new_database(self) -> str:
        name = f"test{next(self._names)}"
        self._psql(f"CREATE DATABASE {name}")
        return f"postgresql+asyncpg://emuwatch:{self.password}@127.0.0.1:{self.port}/{name}"

    def _psql(self, statement: str) -> None:
        program = require_program("psql", "postgresql-client", folders=FOLDERS)
        arguments = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "emuwatch", "-d", "postgres", "-qc", statement]
        subprocess.run([program, *arguments], env={**os.environ, "PGPASSWORD": self.password}, check=True, timeout=20)

    def _answers(self) -> bool:
        try:
            self._psql("SELECT")
        except subprocess.CalledProcessError:
            return False
        return True


@contextlib.contextmanager
def a_postgres() -> Iterator[Postgres]:
    """Run a new cluster; skip the test where PostgreSQL is not installed."""
    initdb = require_program("initdb", PACKAGE, folders=FOLDERS)
    with tempfile.TemporaryDirectory(prefix="pg-") as place:  # pytest's own folders are closed to other users
        server = Postgres(Path(place), free_port())
        (server.folder / "password").write_text(server.password)
        if _unprivileged():
            for path in (server.folder, server.folder / "password"):
                shutil.chown(path, "postgres", "postgres")
        arguments = ["-D", str(server.folder / "data"), "-U", "emuwatch", "-A", "scram-sha-256", "-E", "UTF8"]
        subprocess.run(
            [*_unprivileged(), initdb, *arguments, "--locale=C", "-N", f"--pwfile={server.folder}/password"],
            check=True,
            capture_output=True,
            cwd=place,
            timeout=60,
        )
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _unprivileged() -> Sequence[str]:
    """How to start it as somebody else: it refuses to run as root."""
    if os.geteuid() != 0:
        return ()
    pwd.getpwnam("postgres")
    return (
        require_program("setpriv", "util-linux"),
        "--reuid=postgres",
        "--regid=postgres",
        "--clear-groups",
    )
