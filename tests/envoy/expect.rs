//! What contract §3 says of each answer, written once.

use serde_json::json;

use crate::client::Answer;

/// The description of both keys that are no keys, word for word the same.
const NOT_A_KEY: &str = "The API key is invalid or has been revoked";

/// Checks all that the contract says of the denial of this outcome: status, body, headers, and
/// nothing besides.
#[track_caller]
pub(crate) fn denied(answer: &Answer, outcome: &str) {
    head_denied(answer, outcome);
    let (status, code, message) = documented(outcome);
    assert_eq!(answer.text(), json!({"error": {"code": code, "message": message}}).to_string(), "{status}");
}

/// [`denied`] for an answer to HEAD.
#[track_caller]
pub(crate) fn head_denied(answer: &Answer, outcome: &str) {
    assert_eq!(answer.status, documented(outcome).0, "{outcome}: {answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    challenged(answer, outcome);
    let ours = ["content-type", "cache-control", "www-authenticate", "retry-after"];
    let envoys = ["content-length", "date", "server", "connection"];
    for (name, value) in &answer.headers {
        assert!(ours.contains(&name.as_str()) || envoys.contains(&name.as_str()), "{name}: {value}");
    }
}

/// Checks `www-authenticate` and `retry-after`.
#[track_caller]
pub(crate) fn challenged(answer: &Answer, outcome: &str) {
    let challenge = answer.header("www-authenticate");
    let invalid = |description: &str| {
        format!(r#"Bearer realm="flint", error="invalid_token", error_description="{description}""#)
    };
    let expected = match outcome {
        "no_credential" => r#"Bearer realm="flint""#.to_owned(),
        "malformed" | "unknown_key" => invalid(NOT_A_KEY),
        "revoked" => invalid("The API key has been revoked"),
        "expired" => invalid("The API key has expired"),
        "not_yet_valid" => invalid("The API key is not yet valid"),
        "invalid_access_token" => r#"Bearer realm="flint", error="invalid_token""#.to_owned(),
        "expired_access_token" => invalid("The access token has expired"),
        "revoked_access_token" => invalid("The access token has been revoked"),
        "missing_permission" => {
            let challenge = challenge.expect("there is a challenge");
            assert!(
                challenge.starts_with(r#"Bearer realm="flint", error="insufficient_scope""#),
                "{challenge}"
            );
            return;
        }
        "wrong_environment" | "address_not_allowed" => {
            r#"Bearer realm="flint", error="insufficient_scope""#.to_owned()
        }
        _ => {
            assert_eq!((challenge, answer.header("retry-after")), (None, Some("1")), "{answer:?}");
            return;
        }
    };
    assert_eq!((challenge, answer.header("retry-after")), (Some(expected.as_str()), None), "{answer:?}");
}

/// Status, code and message.
fn documented(outcome: &str) -> (u16, &'static str, &'static str) {
    match outcome {
        "no_credential" | "malformed" | "unknown_key" | "revoked" | "expired" | "not_yet_valid" => {
            (401, "INVALID_API_KEY", "The provided API key is invalid or has been revoked")
        }
        "wrong_environment" | "address_not_allowed" | "missing_permission" => {
            (403, "INSUFFICIENT_PERMISSIONS", "This API key doesn't have permission to access this resource")
        }
        "invalid_access_token" | "expired_access_token" | "revoked_access_token" => (
            401,
            "INVALID_ACCESS_TOKEN",
            "The provided access token is invalid, has expired or has been revoked",
        ),
        "unavailable" => (503, "AUTH_UNAVAILABLE", "Authentication is temporarily unavailable"),
        _ => panic!("{outcome} is no denial"),
    }
}
