"""The filters that are compared, as Envoy's configuration."""

import json

from . import signing

KIND = "type.googleapis.com/envoy.extensions.filters.http"
STRING = "type.googleapis.com/google.protobuf.StringValue"
PEER_KEYS = 1_000

# A policy of some size, as a real one has it.
ROUTES = [
    {"path": "/healthz", "methods": ["GET"], "public": True},
    {"path": "/documents", "methods": ["GET"], "all_of": ["documents:read"]},
    {"path": "/documents", "methods": ["POST"], "all_of": ["documents:write"]},
    {"path": "/documents/{id}", "methods": ["GET"], "all_of": ["documents:read"]},
    {"path": "/documents/{id}", "methods": ["PUT", "PATCH", "DELETE"], "any_of": ["documents:write", "documents:admin"]},
    {"path": "/admin/**", "all_of": ["admin:all"]},
]

LUA_CHECK = """
local keys = {}
for n = 0, %d do keys[string.format("flint_live_bench%%023d", n)] = "key_01bench" end
function envoy_on_request(handle)
  local headers = handle:headers()
  local credential = headers:get("authorization")
  local id = credential and keys[string.sub(credential, 8)]
  if not id then
    handle:respond({[":status"] = "401"}, "refused")
    return
  end
%s
end
"""
LUA_HEADERS = """
  headers:remove("authorization")
  headers:replace("x-flint-key-id", id)
"""


def key(number):
    """The key of that number, as `benches/driver/src/keys.rs` makes it."""
    return f"flint_live_bench{number:023}"


def wasm(name, module, text):
    """A wasm filter in a VM of its own."""
    code = {"local": {"filename": str(module)}}
    vm = {"vm_id": name, "runtime": "envoy.wasm.runtime.v8", "code": code,
          "environment_variables": {"host_env_keys": ["FLINT_GATEWAY_TOKEN"]}}
    plugin = {"name": name, "root_id": name, "vm_config": vm, "configuration": {"@type": STRING, "value": text}}
    return [{"name": "envoy.filters.http.wasm", "typed_config": {"@type": f"{KIND}.wasm.v3.Wasm", "config": plugin}}]


def flint(tools, name, cluster, **more):
    """Our filter, fed by the authority of that cluster."""
    authority = {"cluster": cluster, "token_env": "FLINT_GATEWAY_TOKEN", "wait_seconds": 25}
    return wasm(name, tools.wasm, json.dumps({"authority": authority, "routes": ROUTES, **more}))


def flint_oauth(tools, name, cluster, keys):
    """The same, which accepts access tokens too."""
    oauth = {"issuer": signing.ISSUER, "audience": signing.AUDIENCE, "algorithms": [key.name for key in keys],
             "jwks": {"keys": [key.jwk for key in keys]}}
    return flint(tools, name, cluster, oauth=oauth)


def jwt_authn(keys, cached):
    """Envoy's own filter for tokens, which asks for nothing but a good one."""
    provider = {"issuer": signing.ISSUER, "audiences": [signing.AUDIENCE],
                "local_jwks": {"inline_string": json.dumps({"keys": [key.jwk for key in keys]})}}
    if cached:
        provider["jwt_cache_config"] = {"jwt_cache_size": 1_000}
    config = {"@type": f"{KIND}.jwt_authn.v3.JwtAuthentication", "providers": {"bench": provider},
              "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "bench"}}]}
    return [{"name": "envoy.filters.http.jwt_authn", "typed_config": config}]


def api_key_auth(hiding):
    """Envoy's own filter, with or without telling the upstream who it is and taking the key away."""
    config = {
        "@type": f"{KIND}.api_key_auth.v3.ApiKeyAuth",
        "key_sources": [{"header": "authorization"}],
        "credentials": [{"key": key(number), "client": f"key_01bench{number:016}"} for number in range(PEER_KEYS)],
    }
    if hiding:
        config["forwarding"] = {"header": "x-flint-key-id", "hide_credentials": True}
    return [{"name": "envoy.filters.http.api_key_auth", "typed_config": config}]


def lua(headers):
    """A script that looks the key up in a table of plain text, with or without changing headers."""
    code = LUA_CHECK % (PEER_KEYS - 1, LUA_HEADERS if headers else "")
    config = {"@type": f"{KIND}.lua.v3.Lua", "default_source_code": {"inline_string": code}}
    return [{"name": "envoy.filters.http.lua", "typed_config": config}]


def ext_authz(cluster):
    """A call over HTTP for every request."""
    service = {
        "server_uri": {"uri": f"http://{cluster}", "cluster": cluster, "timeout": "5s"},
        "authorization_response": {"allowed_upstream_headers": {"patterns": [{"exact": "x-flint-key-id"}]}},
    }
    config = {"@type": f"{KIND}.ext_authz.v3.ExtAuthz", "http_service": service, "transport_api_version": "V3"}
    return [{"name": "envoy.filters.http.ext_authz", "typed_config": config}]
