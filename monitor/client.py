"""What the command line uses to talk to the running service: its address and token from the same config.

Blocking, for short-lived commands only. The token is read from the service's data folder, so whoever may read that file
may act; it goes to the configured address and nowhere else, past any proxy.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from monitor.config import Config
from monitor.errors import EmuwatchError
from monitor.token import NAME, read_token

TIMEOUT: Final = 5.0


class ServiceError(EmuwatchError):
    """The running service could not be reached, or refused."""


class Client:
    """A running service, as its config says."""

    def __init__(self, config: Config, *, timeout: float = TIMEOUT) -> None:
        self._host, self._port = _reachable(config.listen_host), config.listen_port
        self._timeout = timeout
        self._data_dir = config.data_dir

    def get(self, path: str) -> Any:
        """Read something; needs no token.

        Raises:
            ServiceError: Nobody listens, or the answer is an error.

        """
        return self._ask("GET", path, {}, None)

    def post(self, path: str, body: Mapping[str, object]) -> Any:
        """Change something, with the operator token.

        Raises:
            ServiceError: Nobody listens, or the answer is an error.
            ConfigError: The token can't be read.

        """
        headers = {"Authorization": f"Bearer {read_token(self._data_dir / NAME)}", "Content-Type": "application/json"}
        return self._ask("POST", path, headers, json.dumps(body).encode())

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Any:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        where = f"http://{self._host}:{self._port}"
        try:
            connection.request(method, path, body=body, headers={"Accept": "application/json", **headers})
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException) as error:
            raise ServiceError(f"no service at {where}: {error}") from error
        except ValueError as error:
            raise ServiceError(f"{where} does not answer like emuwatch") from error
        finally:
            connection.close()
        if response.status >= http.HTTPStatus.BAD_REQUEST:
            said = answer.get("error", {}).get("message", "") if isinstance(answer, dict) else ""
            raise ServiceError(said or f"{where} answers {response.status}")
        return answer


def segment(text: str) -> str:
    """Quote one segment of a path."""
    return quote(text, safe="")


def _reachable(host: str) -> str:
    """Give the address by which a listener is reached from its own machine."""
    try:
        unspecified = ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return host
    return ("::1" if ":" in host else "127.0.0.1") if unspecified else host
