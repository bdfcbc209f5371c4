"""The official MCP clients reach an MCP server behind Envoy: RFC 9728 discovery, `resource`, a registered client; and with a key."""

import asyncio
import json
import os
import subprocess
import sys
import unittest
from urllib.parse import parse_qs, urlsplit

import stage
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata
from world import CALLBACK, fetch, world

HERE = stage.ROOT / "tests" / "oauth"


class Storage:
    """The memory of a client that an operator has registered."""

    def __init__(self, information):
        self.information, self.tokens = information, None

    async def get_tokens(self):
        """What it has."""
        return self.tokens

    async def set_tokens(self, tokens):
        """Keeps them."""
        self.tokens = tokens

    async def get_client_info(self):
        """What the operator said; so it registers itself nowhere."""
        return self.information

    async def set_client_info(self, information):
        """Nobody registers it."""
        raise AssertionError(information)


class Mcp(unittest.TestCase):
    """An MCP server that knows nothing of OAuth, behind envoy/mcp.yaml."""

    @classmethod
    def setUpClass(cls):
        cls.world = world()
        port = stage.free_port()
        words = [sys.executable, "-B", HERE / "servers" / "mcp_server.py", port]
        cls.world.theatre.start("mcp-server", words, port)
        gateway = urlsplit(cls.world.mcp).port
        ports = cls.world.ports | {8081: port, 9901: stage.free_port(), 10000: gateway}
        cls.world.envoy("mcp", ports)
        stage.until(lambda: fetch(cls.world.mcp, headers={"authorization": "Bearer flint_live_x"})[0] != 503, "it has its keys")

    def client(self, *words):
        """Registers a client that may use the MCP server."""
        return self.world.flint(
            "oauth", "clients", "create", "--name", "Agent", "--environment", "live", "--permission", "mcp:use",
            "--redirect-uri", CALLBACK, *words,
        )  # fmt: skip

    def test_the_python_sdk_with_a_token(self):
        """MCP 2025-11-25, Authorization."""
        for words in ((), ("--public",)):
            with self.subTest(words):
                made = self.client(*words)
                token, said = asyncio.run(self.with_token(made))
                self.expect(made, token, said)

    def test_the_typescript_sdk_with_a_token(self):
        """MCP 2025-11-25, Authorization."""
        for words in ((), ("--public",)):
            with self.subTest(words):
                made = self.client(*words)
                named = {"API": self.world.mcp, "REDIRECT_URI": CALLBACK}
                named |= {"CLIENT_ID": made["id"], "CLIENT_SECRET": made.get("client_secret", "")}
                pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
                program = [os.environ["NODE"], HERE / "clients" / "mcp.mjs"]
                with subprocess.Popen(program, env={**os.environ, **named}, **pipes) as running:
                    url = running.stdout.readline().strip()
                    back = self.asked(url) if url else ""
                    printed, errors = running.communicate(f"{back}\n", timeout=60)
                self.assertEqual(running.returncode, 0, errors)
                answer = json.loads(printed)
                self.expect(made, answer["token"], answer["caller"])

    def test_the_python_sdk_with_a_key(self):
        """A key needs no discovery."""
        made = self.world.flint("keys", "create", "--name", "Agent", "--environment", "live", "--permission", "mcp:use")
        stage.until(lambda: self.status(made["secret"]) not in (401, 503), "the key is known")
        headers = {"authorization": f"Bearer {made['secret']}"}
        said = asyncio.run(self.calls(create_mcp_http_client(headers=headers)))
        self.assertIn(f"x-flint-key-id={made['id']}", said)
        self.assertNotIn("authorization", said)

    def test_a_token_for_the_api_is_not_one_for_the_mcp_server(self):
        """RFC 8707 §2, RFC 9068 §4."""
        robot = self.world.flint(
            "oauth", "clients", "create", "--name", "Robot", "--environment", "live", "--grant", "client_credentials"
        )
        for resource, passes in ((self.world.api, False), (self.world.mcp, True)):
            _, answer = self.world.post("/oauth/token", robot, grant_type="client_credentials", resource=resource)
            if passes:
                stage.until(lambda: self.status(answer["access_token"]) not in (401, 503), "it passes", seconds=20)
            else:
                self.assertEqual(self.status(answer["access_token"]), 401)

    async def with_token(self, made):
        """Connects as a person's application would; returns the token, and what the server saw."""
        at = []

        async def go(url):
            at.append(await asyncio.to_thread(self.asked, url))

        async def come_back():
            given = {name: values[0] for name, values in parse_qs(urlsplit(at[-1]).query).items()}
            return AuthorizationCodeResult(code=given["code"], state=given["state"], iss=given["iss"])

        secret = made.get("client_secret")
        method = "client_secret_basic" if secret else "none"
        metadata = OAuthClientMetadata(redirect_uris=[CALLBACK], token_endpoint_auth_method=method)
        information = OAuthClientInformationFull(client_id=made["id"], client_secret=secret, **metadata.model_dump())
        storage = Storage(information)
        provider = OAuthClientProvider(self.world.mcp, metadata, storage, go, come_back)
        said = await self.calls(create_mcp_http_client(auth=provider))
        return storage.tokens.access_token, said

    async def calls(self, http):
        """Calls the one tool; returns what it says."""
        async with http, Client(streamable_http_client(self.world.mcp, http_client=http)) as client:
            answer = await client.call_tool("caller", {})
            return answer.content[0].text

    def asked(self, url):
        """What the user does. The client must have asked for the MCP server and for what the challenge named."""
        query = parse_qs(urlsplit(url).query)
        self.assertEqual((query["resource"], query["scope"]), ([self.world.mcp], ["mcp:use"]))
        self.assertTrue(url.startswith(f"{self.world.issuer}/oauth/authorize?"))
        return self.world.consent(url)

    def expect(self, made, token, said):
        """The MCP server is told who calls, and the token stays at the gateway, where it ends at once if it is revoked."""
        self.assertIn("x-flint-credential=access_token", said)
        self.assertIn(f"x-flint-client-id={made['id']}", said)
        self.assertIn("x-flint-subject=user_", said)
        self.assertNotIn("authorization", said)
        self.assertEqual(self.world.post("/oauth/revoke", made, token=token)[0], 200)
        stage.until(lambda: self.status(token) == 401, "the token is refused", seconds=20)

    def status(self, token):
        """What a bare request gets."""
        return fetch(self.world.mcp, b"{}", {"authorization": f"Bearer {token}", "content-type": "application/json"})[0]


if __name__ == "__main__":
    unittest.main()
