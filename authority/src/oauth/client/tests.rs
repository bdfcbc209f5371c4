use serde_json::json;

use super::*;

fn fields(new: NewClient) -> Vec<String> {
    new.check().err().unwrap_or_default().into_iter().map(|mistake| mistake.field).collect()
}

fn app(change: impl FnOnce(&mut NewClient)) -> NewClient {
    let rest =
        Amendment { redirect_uris: Some(vec!["https://app.example/cb".into()]), ..Amendment::default() };
    let mut new = NewClient { name: "App".into(), kind: None, environment: "live".into(), rest };
    change(&mut new);
    new
}

fn words(list: &[&str]) -> Option<Vec<String>> {
    Some(list.iter().map(|word| (*word).into()).collect())
}

#[test]
fn a_client_is_confidential_and_has_the_defaults_if_nothing_is_said() {
    let client = app(|_| {}).check().unwrap();
    assert_eq!((client.kind, client.auth_method), (Kind::Confidential, AuthMethod::Basic));
    assert_eq!(client.grant_types, [GrantType::AuthorizationCode, GrantType::RefreshToken]);
    assert_eq!(client.permissions, ["*"]);
    let usual = Lifetimes { access: 600, refresh_idle: 30 * DAY, refresh_max: 90 * DAY };
    assert_eq!(client.lifetimes, usual);
    let public = app(|new| new.kind = Some("public".into())).check().unwrap();
    assert_eq!((public.kind, public.auth_method), (Kind::Public, AuthMethod::None));
    let short = app(|new| new.rest.refresh_max = Some(DAY)).check().unwrap();
    assert_eq!((short.lifetimes.refresh_idle, short.lifetimes.refresh_max), (DAY, DAY));
}

#[test]
fn rfc6749_2_every_rule_of_a_client_has_its_field() {
    let jwks = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]});
    let private = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                                   "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]});
    let cases: [(&str, NewClient); 18] = [
        ("name", app(|new| new.name = " ".into())),
        ("kind", app(|new| new.kind = Some("secret".into()))),
        ("environment", app(|new| new.environment = "prod".into())),
        ("redirect_uris", app(|new| new.rest.redirect_uris = None)),
        (
            "redirect_uris[1]",
            app(|new| new.rest.redirect_uris = words(&["https://a.example/", "http://a.example/"])),
        ),
        (
            "redirect_uris[1]",
            app(|new| new.rest.redirect_uris = words(&["https://a.example/", "https://a.example/"])),
        ),
        ("permissions", app(|new| new.rest.permissions = Some(Vec::new()))),
        ("permissions[0]", app(|new| new.rest.permissions = words(&["read"]))),
        ("grant_types", app(|new| new.rest.grant_types = words(&["password"]))),
        ("grant_types", app(|new| new.rest.grant_types = Some(Vec::new()))),
        ("token_endpoint_auth_method", app(|new| new.rest.auth_method = Some("client_secret_jwt".into()))),
        ("token_endpoint_auth_method", app(|new| new.rest.auth_method = Some("none".into()))),
        ("jwks", app(|new| new.rest.auth_method = Some("private_key_jwt".into()))),
        ("jwks", app(|new| new.rest.jwks = Some(Some(jwks.clone())))),
        ("access_token_seconds", app(|new| new.rest.access = Some(601))),
        ("access_token_seconds", app(|new| new.rest.access = Some(29))),
        ("refresh_max_seconds", app(|new| new.rest.refresh_max = Some(365 * DAY + 1))),
        ("refresh_idle_seconds", app(|new| new.rest.refresh_idle = Some(90 * DAY + 1))),
    ];
    for (field, new) in cases {
        assert_eq!(fields(new), [field]);
    }
    let with_key = |jwks: Value| {
        app(|new| (new.rest.auth_method, new.rest.jwks) = (Some("private_key_jwt".into()), Some(Some(jwks))))
    };
    assert_eq!(fields(with_key(jwks)), [""; 0]);
    assert_eq!(fields(with_key(private)), ["jwks.keys[0]"]);
    assert_eq!(fields(with_key(json!({"keys": [{"kty": "oct", "k": "AAAA"}]}))), ["jwks.keys[0]"]);
    assert_eq!(fields(with_key(json!({"keys": []}))), ["jwks"]);
}

#[test]
fn rfc6749_4_4_tokens_for_itself_are_for_confidential_clients_only() {
    let machine = |kind: &str| NewClient {
        name: "CI".into(),
        kind: Some(kind.into()),
        environment: "test".into(),
        rest: Amendment { grant_types: words(&["client_credentials"]), ..Amendment::default() },
    };
    assert_eq!(machine("confidential").check().unwrap().grant_types, [GrantType::ClientCredentials]);
    assert_eq!(fields(machine("public")), ["grant_types"]);
}

#[test]
fn rfc6749_3_1_2_3_the_only_redirect_uri_may_be_left_out() {
    let registration = app(|_| {}).check().unwrap();
    let mut client = Client {
        id: "client_1".into(),
        registration,
        created_at: 0,
        created_by: "cli:test".into(),
        disabled_at: None,
        last_used_at: None,
    };
    let uri = "https://app.example/cb".to_owned();
    assert_eq!(client.redirect_uri(None), Some(uri.clone()));
    assert_eq!(client.redirect_uri(Some(&uri)), Some(uri.clone()));
    assert_eq!(client.redirect_uri(Some("https://evil.example/cb")), None);
    client.registration.redirect_uris.push("https://app.example/other".into());
    assert_eq!(client.redirect_uri(None), None);
}
