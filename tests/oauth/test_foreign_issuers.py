"""Tokens as Keycloak, Auth0, Entra ID and Okta issue them by default, with the blocks of docs/access-tokens.md, on a real Envoy."""

import json
import threading
import time
import unittest
from http.server import ThreadingHTTPServer

import stage
from joserfc import jwt
from joserfc.jwk import RSAKey
from world import fetch, world

PAGE = stage.ROOT / "docs" / "access-tokens.md"
AUTHORITY = '"token_env": "FLINT_GATEWAY_TOKEN"}'
# What each puts into a token for an API that the user may read, and what its header says besides `alg` and `kid`.
TOKENS = {
    "keycloak": ({"typ": "JWT"}, {
        "aud": ["documents-api", "account"], "sub": "f2a4e7d0-1111-4222-8333-944444444444", "typ": "Bearer", "azp": "client",
        "acr": "1", "realm_access": {"roles": ["default-roles-main", "offline_access", "documents:read"]},
        "resource_access": {"account": {"roles": ["view-profile"]}}, "scope": "openid profile email",
    }),
    "auth0": ({"typ": "JWT"}, {
        "aud": ["https://api.example.com", "https://tenant.eu.auth0.com/userinfo"], "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
        "azp": "client", "scope": "openid profile", "permissions": ["documents:read"],
    }),
    "entra": ({"typ": "JWT"}, {
        "aud": "66666666-7777-8888-9999-000000000000", "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", "azp": "client",
        "scp": "Documents.Read User.Read", "tid": "11111111-2222-3333-4444-555555555555", "uti": "u", "ver": "2.0",
    }),
    "okta": ({}, {
        "aud": "api://default", "sub": "user@example.com", "cid": "client", "scp": ["openid", "documents:read"], "ver": 1,
    }),
}  # fmt: skip


def blocks():
    """The blocks of the page, by the name of their cluster."""
    parts = PAGE.read_text().split("## Foreign issuers")[1].split("```json\n")[1:]
    found = [json.loads(part.split("```")[0]) for part in parts]
    return {block["jwks"]["cluster"]: block for block in found}


class Servers(stage.Echo):
    """All key servers in one, by host and path, and the API."""

    def do_GET(self):
        """Keys, or what was received."""
        keys = self.server.sets.get((self.headers["host"], self.path))
        if keys is None:
            self.answer()
            return
        text = json.dumps(keys).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class ForeignIssuers(unittest.TestCase):
    """All four at once, as issuers of one gateway. Their keys have one `kid`, which says nothing of whose they are."""

    @classmethod
    def setUpClass(cls):
        cls.blocks, cls.keys = blocks(), {name: RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"}) for name in TOKENS}
        server = ThreadingHTTPServer((stage.HOST, 0), Servers)
        server.label, server.daemon_threads = "production", True
        # Keycloak, for one, publishes a key for encryption too.
        other = RSAKey.generate_key(2048, {"kid": "k0", "use": "enc", "alg": "RSA-OAEP"}).as_dict(private=False)
        server.sets = {
            (block["jwks"]["host"], block["jwks"]["path"]): {"keys": [other, cls.keys[name].as_dict(private=False)]}
            for name, block in cls.blocks.items()
        }
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.base = cls.envoy(server.server_port)

    @classmethod
    def envoy(cls, port):
        """Starts an Envoy with envoy/minimal.yaml and the four blocks; returns its address."""
        oauth = [block | {"jwks": block["jwks"] | {"cluster": "production"}} for block in cls.blocks.values()]
        routes = [{"path": "/documents", "methods": ["GET"], "all_of": ["documents:read"]}, {"path": "/write", "all_of": ["documents:write"]}]
        more = f'{AUTHORITY}, "oauth": {json.dumps(oauth)}, "routes": {json.dumps(routes)}'
        ports = world().ports | {8081: port, 9901: stage.free_port(), 10000: stage.free_port()}
        replaced = {AUTHORITY: more, "dist/flint-auth.wasm": stage.ROOT / "dist" / "flint-auth.wasm"}
        world().start_envoy("foreign", stage.rendered(stage.ROOT / "envoy" / "minimal.yaml", ports, replaced), ports[10000])
        return f"http://localhost:{ports[10000]}"

    def token(self, name, signer=None, **change):
        """A token of an issuer, with something changed, or signed by another."""
        header, claims = TOKENS[name]
        now = int(time.time())
        said = {"iss": self.blocks[name]["issuer"], "jti": f"{name}-1", "iat": now, "nbf": now, "exp": now + 300} | claims | change
        return jwt.encode({"alg": "RS256", "kid": "k1"} | header, said, self.keys[signer or name])

    def call(self, token, path="/documents"):
        """Calls the API; status and JSON."""
        return fetch(f"{self.base}{path}", headers={"authorization": f"Bearer {token}"})

    def passes(self, name):
        """Waits for the issuer's keys, and returns what the API received."""
        stage.until(lambda: self.call(self.token(name))[0] != 503, f"the keys of {name} are there")
        status, seen = self.call(self.token(name))
        self.assertEqual(status, 200, seen)
        return seen["headers"]

    def test_what_they_issue_by_default_passes(self):
        """RFC 7519 §4.1, RFC 8725 §3.8 and §3.9."""
        for name, (_, claims) in TOKENS.items():
            with self.subTest(name):
                seen = self.passes(name)
                told = [seen[f"x-flint-{what}"] for what in ("issuer", "subject", "client-id", "environment")]
                self.assertEqual(told, [self.blocks[name]["issuer"], claims["sub"], "client", "live"])
                self.assertEqual(self.call(self.token(name), "/write")[0], 403)

    def test_a_key_of_one_issuer_does_not_serve_another(self):
        """RFC 8725 §2.7 and §3.8."""
        for name in TOKENS:
            self.passes(name)
        for name in TOKENS:
            for signer in TOKENS:
                with self.subTest(name, signer=signer):
                    self.assertEqual(self.call(self.token(name, signer))[0], 200 if name == signer else 401)

    def test_an_id_token_is_not_an_access_token(self):
        """RFC 8725 §3.12: it is signed with the same keys, and its audience is the client."""
        for name in TOKENS:
            with self.subTest(name):
                self.passes(name)
                self.assertEqual(self.call(self.token(name, aud="client"))[0], 401)

    def test_what_has_expired_is_refused(self):
        """RFC 7519 §4.1.4."""
        for name in TOKENS:
            with self.subTest(name):
                self.passes(name)
                self.assertEqual(self.call(self.token(name, exp=int(time.time()) - 60))[0], 401)


if __name__ == "__main__":
    unittest.main()
