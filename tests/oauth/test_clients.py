"""Foreign clients go the whole way: authorize, exchange, call the API through Envoy, refresh, revoke, be refused."""

import json
import os
import subprocess
import unittest

import stage
from authlib.integrations.requests_client import OAuth2Session as Authlib
from requests_oauthlib import OAuth2Session as RequestsOauthlib
from world import CALLBACK, SCOPE, fetch, world

CLIENTS = stage.ROOT / "tests" / "oauth" / "clients"
# Both refuse http, which is for this machine alone here.
os.environ |= {"OAUTHLIB_INSECURE_TRANSPORT": "1", "AUTHLIB_INSECURE_TRANSPORT": "1"}


class Clients(unittest.TestCase):
    """Each library as a confidential and as a public client."""

    def setUp(self):
        self.world = world()
        self.metadata = fetch(f"{self.world.issuer}/.well-known/oauth-authorization-server")[1]

    def each_kind(self, run):
        """Runs a flow with both kinds of clients; its tokens passed, and are refused after they were revoked."""
        for words in ((), ("--public",)):
            with self.subTest(words):
                statuses, tokens = run(self.world.client(*words))
                self.assertEqual((statuses, len(tokens)), ([200, 200], 2))
                for token in tokens:
                    self.world.is_refused(token)

    def of_program(self, words):
        """The flow of a program: what it prints first is opened, and it reads where that led to."""

        def run(client):
            named = {"API": self.world.api, "ISSUER": self.world.issuer, "SCOPE": SCOPE, "REDIRECT_URI": CALLBACK}
            named |= {"CLIENT_ID": client["id"], "CLIENT_SECRET": client.get("client_secret", "")}
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            with subprocess.Popen(words, env={**os.environ, **named}, **pipes) as program:
                url = program.stdout.readline().strip()
                back = self.world.consent(url) if url else ""
                said, errors = program.communicate(f"{back}\n", timeout=60)
            self.assertEqual(program.returncode, 0, errors)
            answer = json.loads(said)
            if "revoke" in answer:
                self.assertEqual(self.world.post("/oauth/revoke", client, token=answer["revoke"])[0], 200)
            return answer["statuses"], answer["tokens"]

        return run

    def call(self, session):
        """Calls the API; the library adds the token."""
        return session.get(f"{self.world.api}/documents", timeout=60).status_code

    def test_authlib(self):
        """https://pypi.org/project/Authlib/"""

        def run(client):
            secret = client.get("client_secret")
            method = "client_secret_basic" if secret else "none"
            session = Authlib(
                client["id"], secret, scope=SCOPE, redirect_uri=CALLBACK, code_challenge_method="S256",
                token_endpoint_auth_method=method, revocation_endpoint_auth_method=method,
            )  # fmt: skip
            verifier = "a" * 43
            url, state = session.create_authorization_url(self.metadata["authorization_endpoint"], code_verifier=verifier)
            back = self.world.consent(url)
            endpoint = self.metadata["token_endpoint"]
            first = session.fetch_token(endpoint, authorization_response=back, state=state, code_verifier=verifier)
            statuses = [self.call(session)]
            second = session.refresh_token(endpoint, first["refresh_token"])
            statuses.append(self.call(session))
            revoked = session.revoke_token(self.metadata["revocation_endpoint"], second["refresh_token"], "refresh_token")
            self.assertEqual(revoked.status_code, 200, revoked.text)
            return statuses, [first["access_token"], second["access_token"]]

        self.each_kind(run)

    def test_requests_oauthlib(self):
        """https://pypi.org/project/requests-oauthlib/"""

        def run(client):
            session = RequestsOauthlib(client["id"], redirect_uri=CALLBACK, scope=SCOPE, pkce="S256")
            url, _ = session.authorization_url(self.metadata["authorization_endpoint"])
            authentication = {"client_secret": client.get("client_secret"), "include_client_id": "client_secret" not in client}
            back, endpoint = self.world.consent(url), self.metadata["token_endpoint"]
            first = dict(session.fetch_token(endpoint, authorization_response=back, **authentication))
            statuses = [self.call(session)]
            secret = client.get("client_secret")
            pair = {"auth": (client["id"], secret)} if secret else {"client_id": client["id"]}
            second = dict(session.refresh_token(endpoint, first["refresh_token"], **pair))
            statuses.append(self.call(session))
            # It has no call for it.
            self.assertEqual(self.world.post("/oauth/revoke", client, token=second["refresh_token"])[0], 200)
            return statuses, [first["access_token"], second["access_token"]]

        self.each_kind(run)

    def test_oauth4webapi(self):
        """https://www.npmjs.com/package/oauth4webapi"""
        self.each_kind(self.of_program([os.environ["NODE"], CLIENTS / "oauth4webapi.mjs"]))

    def test_openid_client(self):
        """https://www.npmjs.com/package/openid-client"""
        self.each_kind(self.of_program([os.environ["NODE"], CLIENTS / "openid-client.mjs"]))

    def test_the_crate_oauth2(self):
        """https://crates.io/crates/oauth2"""
        self.each_kind(self.of_program([os.environ["OAUTH2_CLIENT"]]))


if __name__ == "__main__":
    unittest.main()
