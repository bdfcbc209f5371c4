//! The contract's table of answers, row by row.

use flint_contract::permission::Permission;

use super::*;

fn requirement(all_of: &[&str]) -> Requirement {
    let all_of = all_of.iter().map(|text| Permission::parse(text).unwrap()).collect();
    Requirement::new(all_of, vec![]).unwrap()
}

fn about<'a>(realm: &'a str, scope: Option<&'a Requirement>) -> Context<'a> {
    Context { realm, scope, ..Context::default() }
}

fn challenge(reply: &Reply) -> Option<&str> {
    reply.headers.iter().find(|(name, _)| *name == "www-authenticate").map(|(_, value)| &**value)
}

fn refused() -> impl Iterator<Item = Outcome> {
    Outcome::ALL.into_iter().filter(|outcome| !matches!(outcome, Outcome::Allowed | Outcome::Public))
}

#[test]
fn every_outcome_has_the_status_code_and_challenge_of_the_contract() {
    let key = "The provided API key is invalid or has been revoked";
    let permission = "This API key doesn't have permission to access this resource";
    let token = "The provided access token is invalid, has expired or has been revoked";
    let described =
        |text| format!(r#"Bearer realm="flint", error="invalid_token", error_description="{text}""#);
    let scope = r#"Bearer realm="flint", error="insufficient_scope""#.to_owned();
    let invalid = described("The API key is invalid or has been revoked");
    for (outcome, status, code, message, expected) in [
        (Outcome::NoCredential, 401, "INVALID_API_KEY", key, r#"Bearer realm="flint""#.to_owned()),
        (Outcome::Malformed, 401, "INVALID_API_KEY", key, invalid.clone()),
        (Outcome::UnknownKey, 401, "INVALID_API_KEY", key, invalid),
        (Outcome::Revoked, 401, "INVALID_API_KEY", key, described("The API key has been revoked")),
        (Outcome::Expired, 401, "INVALID_API_KEY", key, described("The API key has expired")),
        (Outcome::NotYetValid, 401, "INVALID_API_KEY", key, described("The API key is not yet valid")),
        (Outcome::WrongEnvironment, 403, "INSUFFICIENT_PERMISSIONS", permission, scope.clone()),
        (Outcome::AddressNotAllowed, 403, "INSUFFICIENT_PERMISSIONS", permission, scope.clone()),
        (Outcome::MissingPermission, 403, "INSUFFICIENT_PERMISSIONS", permission, scope),
        (
            Outcome::InvalidAccessToken,
            401,
            "INVALID_ACCESS_TOKEN",
            token,
            r#"Bearer realm="flint", error="invalid_token""#.to_owned(),
        ),
    ] {
        let reply = reply(outcome, &about("flint", None));
        assert_eq!(reply.status, status, "{outcome:?}");
        let body = format!(r#"{{"error":{{"code":"{code}","message":"{message}"}}}}"#);
        assert_eq!(str::from_utf8(reply.body).unwrap(), body, "{outcome:?}");
        assert_eq!(challenge(&reply), Some(&*expected), "{outcome:?}");
    }
}

#[test]
fn unavailable_says_when_to_come_again_and_challenges_nobody() {
    let reply = reply(Outcome::Unavailable, &about("flint", None));
    assert_eq!(reply.status, 503);
    assert_eq!(
        reply.body,
        br#"{"error":{"code":"AUTH_UNAVAILABLE","message":"Authentication is temporarily unavailable"}}"#
    );
    assert_eq!(reply.headers[2], ("retry-after", "1".into()));
    assert_eq!(challenge(&reply), None);
}

#[test]
fn a_missing_permission_tells_what_the_route_asks_for() {
    let asked = requirement(&["documents:read", "documents:write"]);
    let told = reply(Outcome::MissingPermission, &about("Flint API", Some(&asked)));
    assert_eq!(
        challenge(&told),
        Some(
            r#"Bearer realm="Flint API", error="insufficient_scope", scope="documents:read documents:write""#
        )
    );
    for outcome in refused().filter(|outcome| *outcome != Outcome::MissingPermission) {
        assert_eq!(
            reply(outcome, &about("r", Some(&asked))),
            reply(outcome, &about("r", None)),
            "{outcome:?} tells no scope"
        );
    }
}

#[test]
fn malformed_and_unknown_differ_only_in_what_clients_do_not_see() {
    let malformed = reply(Outcome::Malformed, &about("flint", None));
    let unknown = reply(Outcome::UnknownKey, &about("flint", None));
    assert_eq!(Reply { details: unknown.details, ..malformed }, unknown);
}

#[test]
fn every_denial_is_json_that_nobody_stores_with_its_outcome_in_the_details() {
    for outcome in refused() {
        let reply = reply(outcome, &about("flint", None));
        assert_eq!(reply.headers[0], ("content-type", "application/json".into()));
        assert_eq!(reply.headers[1], ("cache-control", "no-store".into()));
        assert_eq!(reply.details, format!("flint_{}", outcome.as_str()));
        assert!(serde_json::from_slice::<serde_json::Value>(reply.body).is_ok());
    }
}

#[test]
fn an_outcome_that_forwards_is_answered_as_unavailable() {
    for outcome in [Outcome::Allowed, Outcome::Public] {
        assert_eq!(reply(outcome, &about("flint", None)), reply(Outcome::Unavailable, &about("flint", None)));
    }
}

#[test]
fn a_refused_token_is_told_that_it_expired_or_was_revoked_and_nothing_else() {
    let told = |outcome, fault| {
        let context = Context { realm: "r", fault: Some(fault), ..Context::default() };
        challenge(&reply(outcome, &context)).unwrap().to_owned()
    };
    let described = |text| format!(r#"Bearer realm="r", error="invalid_token", error_description="{text}""#);
    let token = Outcome::InvalidAccessToken;
    assert_eq!(told(token, TokenFault::Expired), described("The access token has expired"));
    assert_eq!(told(token, TokenFault::Revoked), described("The access token has been revoked"));
    assert_eq!(told(Outcome::NoCredential, TokenFault::Revoked), r#"Bearer realm="r""#);
}

#[test]
fn every_challenge_ends_in_where_the_metadata_is() {
    let asked = requirement(&["a:b", "c:d"]);
    let url = "https://a.example/.well-known/oauth-protected-resource";
    for outcome in refused() {
        let context = Context { metadata_url: Some(url), ..about("r", Some(&asked)) };
        let reply = reply(outcome, &context);
        let Some(told) = challenge(&reply) else { continue };
        assert!(told.ends_with(&format!(r#", resource_metadata="{url}""#)), "{told}");
        let names_scope = matches!(outcome, Outcome::NoCredential | Outcome::MissingPermission);
        assert_eq!(told.contains(r#", scope="a:b c:d", resource_metadata"#), names_scope, "{told}");
    }
}
