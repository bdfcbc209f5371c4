"""Foreign judges: joserfc and Envoy's own `jwt_authn` accept every token that flint issues, by its published metadata and keys.

Every grant type, and every algorithm that flint signs with. And no token that `jwt_authn` refuses passes at the gateway.
"""

import base64
import json
import unittest
from urllib.parse import parse_qs, urlencode, urlsplit

import stage
from joserfc import jwt
from joserfc.jwk import KeySet
from world import CALLBACK, SCOPE, fetch, world

ALGORITHMS = ["ES256", "EdDSA", "RS256"]
# RFC 7636, appendix B.
VERIFIER, CHALLENGE = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
TYPE = "type.googleapis.com/envoy.extensions"


def jwt_authn(port, world, jwks_uri):
    """An Envoy that knows no more of flint than its metadata: `jwt_authn`, and 200 for what it accepts."""
    cluster = {
        "name": "flint", "connect_timeout": "2s",
        "load_assignment": {"cluster_name": "flint", "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": {"socket_address": {"address": stage.HOST, "port_value": world.ports[8080]}}}}]}]},
    }  # fmt: skip
    provider = {
        "issuer": world.issuer, "audiences": [world.api], "forward": True,
        "remote_jwks": {
            # Keys are rotated here, and it asks for them again only when these are old.
            "http_uri": {"uri": jwks_uri, "cluster": "flint", "timeout": "5s"}, "cache_duration": "0.2s",
        },
    }  # fmt: skip
    rules = [{"match": {"prefix": "/"}, "requires": {"provider_name": "flint"}}]
    judge = {"@type": f"{TYPE}.filters.http.jwt_authn.v3.JwtAuthentication", "providers": {"flint": provider}, "rules": rules}
    manager = {
        "@type": f"{TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "judge",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "direct_response": {"status": 200}}]}]},
        "http_filters": [
            {"name": "envoy.filters.http.jwt_authn", "typed_config": judge},
            {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{TYPE}.filters.http.router.v3.Router"}},
        ],
    }  # fmt: skip
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    listener = {
        "name": "judge", "address": {"socket_address": {"address": stage.HOST, "port_value": port}},
        "filter_chains": [{"filters": filters}],
    }  # fmt: skip
    return json.dumps({"static_resources": {"listeners": [listener], "clusters": [cluster]}})


def encode(value):
    """base64url of bytes, or of JSON."""
    octets = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def decode(part):
    """The JSON of a part of a token."""
    return json.loads(base64.urlsafe_b64decode(part + "=="))


def bad_ones(token):
    """Tokens made of a good one, none of which may pass; each with what was done to it."""
    header, claims, signature = token.split(".")
    said, told = decode(header), decode(claims)
    for change in ({"alg": "none"}, {"alg": "HS256"}, {"alg": "ES384"}, {"kid": "another"}, {"crit": ["x"]}):
        yield f"header {change}", f"{encode(said | change)}.{claims}.{signature}"
    for change in ({"scope": "*"}, {"exp": told["exp"] + 1}, {"iss": "https://evil.example"}, {"aud": "x"}, {"sub": "x"}):
        yield f"claims {change}", f"{header}.{encode(told | change)}.{signature}"
    yield "no signature", f"{header}.{claims}."
    yield "nothing signed", f"{encode(said | {'alg': 'none'})}.{claims}."
    yield "zeros", f"{header}.{claims}.{encode(bytes(64))}"
    yield "cut short", token[:-8]
    yield "turned round", f"{header}.{claims}.{signature[43:]}{signature[:43]}"
    yield "two parts", f"{header}.{claims}"
    yield "four parts", f"{token}.{signature}"
    yield "padding", f"{token}="


class Judges(unittest.TestCase):
    """What others say of the tokens that flint issues."""

    @classmethod
    def setUpClass(cls):
        cls.world = world()
        status, cls.metadata = fetch(f"{cls.world.issuer}/.well-known/oauth-authorization-server")
        assert status == 200
        port = stage.free_port()
        cls.judge = f"http://localhost:{port}"
        cls.world.start_envoy("judge", jwt_authn(port, cls.world, cls.metadata["jwks_uri"]), port)
        cls.robot = cls.world.client(grants=["client_credentials"])
        cls.app, cls.public = cls.world.client(), cls.world.client("--public")

    def tokens(self):
        """Access tokens of every grant type, for both kinds of clients."""
        yield "client_credentials", self.exchange(self.robot, grant_type="client_credentials", scope=SCOPE)["access_token"]
        for name, client in (("confidential", self.app), ("public", self.public)):
            query = {
                "response_type": "code", "client_id": client["id"], "redirect_uri": CALLBACK, "scope": SCOPE,
                "code_challenge": CHALLENGE, "code_challenge_method": "S256",
            }  # fmt: skip
            back = self.world.consent(f"{self.metadata['authorization_endpoint']}?{urlencode(query)}")
            code = parse_qs(urlsplit(back).query)["code"][0]
            first = self.exchange(client, grant_type="authorization_code", code=code, code_verifier=VERIFIER)
            yield f"authorization_code, {name}", first["access_token"]
            second = self.exchange(client, grant_type="refresh_token", refresh_token=first["refresh_token"])
            yield f"refresh_token, {name}", second["access_token"]

    def exchange(self, client, **fields):
        """Asks for tokens."""
        status, answer = self.world.post("/oauth/token", client, **fields)
        self.assertEqual(status, 200, answer)
        return answer

    def theirs(self, token):
        """What `jwt_authn` answers."""
        return fetch(f"{self.judge}/", headers={"authorization": f"Bearer {token}"})[0]

    def judged_by_joserfc(self, token, algorithm):
        """RFC 9068 §4, by another's code."""
        keys = KeySet.import_key_set(fetch(self.metadata["jwks_uri"])[1])
        read = jwt.decode(token, keys, algorithms=[algorithm])
        self.assertEqual((read.header["typ"], read.header["alg"]), ("at+jwt", algorithm))
        required = {"iss": {"essential": True, "value": self.metadata["issuer"]}, "aud": {"essential": True, "value": self.world.api}}
        required |= {name: {"essential": True} for name in ("exp", "sub", "client_id", "iat", "jti")}
        jwt.JWTClaimsRegistry(**required).validate(read.claims)

    def test_every_token_of_every_algorithm_is_accepted_by_joserfc_jwt_authn_and_the_gateway(self):
        """RFC 9068 §2 and §4."""
        for algorithm in ALGORITHMS:
            self.world.flint("oauth", "keys", "rotate", "--now", "--algorithm", algorithm)
            for grant, token in self.tokens():
                with self.subTest(grant, algorithm=algorithm):
                    self.judged_by_joserfc(token, algorithm)
                    stage.until(lambda: self.theirs(token) == 200, "jwt_authn accepts it", seconds=20)
                    self.world.passes(token)

    def test_no_token_that_jwt_authn_refuses_passes(self):
        """RFC 8725 §3."""
        good = self.exchange(self.robot, grant_type="client_credentials", scope=SCOPE)["access_token"]
        stage.until(lambda: self.theirs(good) == 200, "jwt_authn accepts it", seconds=20)
        self.world.passes(good)
        for what, bad in bad_ones(good):
            with self.subTest(what):
                # Envoy answers 403 to another audience.
                self.assertIn(self.theirs(bad), (401, 403))
                self.assertEqual(self.world.call(bad), 401)


if __name__ == "__main__":
    unittest.main()
