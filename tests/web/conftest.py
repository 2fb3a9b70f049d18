"""A farm behind the application on a real socket."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from tests.web.farm import Farm, mixed

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def farm() -> Farm:
    return mixed(12)


@pytest.fixture
async def client(farm: Farm, aiohttp_client: AiohttpClient) -> Client:
    return await aiohttp_client(farm.app())
