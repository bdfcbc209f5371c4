//! What the server says of itself (RFC 8414 §2).

use serde_json::{Value, json};

use super::client::{AuthMethod, GrantType};
use super::issuer::{Issuer, Resources};
use super::jwk::ALGORITHMS;

/// Where the metadata is (RFC 8414 §3).
pub const METADATA_PATH: &str = "/.well-known/oauth-authorization-server";
/// Where the public signing keys are.
pub const JWKS_PATH: &str = "/oauth/jwks.json";
/// Where users are sent.
pub const AUTHORIZE_PATH: &str = "/oauth/authorize";
/// Where tokens are given out.
pub const TOKEN_PATH: &str = "/oauth/token";
/// Where tokens are ended.
pub const REVOKE_PATH: &str = "/oauth/revoke";
/// Where tokens are looked into.
pub const INTROSPECT_PATH: &str = "/oauth/introspect";

/// The document. Every address in it begins with the issuer, whatever the request said.
#[must_use]
pub fn document(issuer: &Issuer, resources: &Resources, scopes: &[String]) -> Value {
    let methods = AuthMethod::ALL.map(AuthMethod::as_str);
    let with_proof: Vec<_> = methods.into_iter().filter(|method| *method != "none").collect();
    json!({
        "issuer": issuer.as_str(),
        "authorization_endpoint": issuer.url(AUTHORIZE_PATH),
        "token_endpoint": issuer.url(TOKEN_PATH),
        "jwks_uri": issuer.url(JWKS_PATH),
        "revocation_endpoint": issuer.url(REVOKE_PATH),
        "introspection_endpoint": issuer.url(INTROSPECT_PATH),
        "scopes_supported": scopes,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": GrantType::ALL.map(GrantType::as_str),
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "introspection_endpoint_auth_methods_supported": with_proof,
        "introspection_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "protected_resources": resources.list(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8414_2_the_document_says_what_is_served() {
        let issuer = "https://auth.example".parse().unwrap();
        let said = document(&issuer, &Resources::new(Vec::new(), &issuer), &["documents:read".into()]);
        assert_eq!(said["issuer"], "https://auth.example");
        for name in ["authorization", "token", "revocation", "introspection"] {
            let address = said[format!("{name}_endpoint")].as_str().unwrap();
            assert!(address.starts_with("https://auth.example/oauth/"), "{address}");
        }
        let methods = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"];
        assert_eq!(said["token_endpoint_auth_methods_supported"], json!(methods));
        assert_eq!(said["introspection_endpoint_auth_methods_supported"], json!(methods[..3]));
        // RFC 9700 §2.1.1 and RFC 9207 §3.
        assert_eq!(said["code_challenge_methods_supported"], json!(["S256"]));
        assert_eq!(said["authorization_response_iss_parameter_supported"], true);
        assert_eq!(said["protected_resources"], json!(["https://auth.example"]));
        assert!(said.get("registration_endpoint").is_none());
    }
}
