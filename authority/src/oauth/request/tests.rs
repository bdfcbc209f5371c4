use super::*;
use crate::oauth::client::{Amendment, NewClient};

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const ID: &str = "client_01JF8Z00000000000000000000";

fn client(uris: &[&str], permissions: &[&str]) -> Client {
    let list = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    let rest =
        Amendment { redirect_uris: list(uris), permissions: list(permissions), ..Amendment::default() };
    let new = NewClient { name: "App".into(), kind: None, environment: "live".into(), rest };
    Client {
        id: ID.into(),
        registration: new.check().unwrap(),
        created_at: 0,
        created_by: "cli:test".into(),
        disabled_at: None,
        last_used_at: None,
    }
}

fn app() -> Client {
    client(&["https://app.example/cb"], &["documents:*", "a:b"])
}

fn resources() -> Resources {
    let list = ["https://api.example", "https://other.example"].map(|text| text.parse().unwrap());
    Resources::new(list.to_vec(), &"https://auth.example".parse().unwrap())
}

/// A good request, with some of it in place of what it has.
fn query(change: &str) -> String {
    let good = format!(
        "response_type=code&client_id={ID}&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&scope=documents%3Aread&state=xyz\
         &code_challenge={CHALLENGE}&code_challenge_method=S256"
    );
    let changed = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default();
        change.split('&').any(|one| one.split('=').next() == Some(name))
    };
    let kept: Vec<_> = good.split('&').filter(|pair| !changed(pair)).collect();
    format!("{}&{change}", kept.join("&"))
}

fn judged(query: &str, client: &Client) -> Result<AuthorizationRequest, Fault> {
    let params = Params::parse(query.as_bytes()).unwrap();
    let back = way_back(&params, Some(client)).expect("a way back");
    judge(&params, back, client, &resources())
}

#[test]
fn rfc6749_4_1_1_a_good_request_is_what_it_says() {
    let asked = judged(&query(""), &app()).unwrap();
    let back = Back { redirect_uri: "https://app.example/cb".into(), state: Some(b"xyz".to_vec()) };
    assert_eq!((&asked.back, asked.challenge.as_str()), (&back, CHALLENGE));
    assert_eq!(
        (asked.scope.join(" "), asked.resource.as_str()),
        ("documents:read".into(), "https://api.example")
    );
    let asked =
        judged(&query("scope=&resource=https%3A%2F%2Fother.example&unknown=1&unknown=2&nonce="), &app());
    assert_eq!(
        asked.err(),
        Some(Fault::invalid_request("A parameter was given more than once, or is too long"))
    );
    let asked = judged(&query("scope=&resource=https%3A%2F%2Fother.example&prompt=consent"), &app()).unwrap();
    assert_eq!(
        (asked.scope.join(" "), asked.resource.as_str()),
        ("a:b documents:*".into(), "https://other.example")
    );
}

#[test]
fn rfc6749_4_1_2_1_no_client_or_no_good_redirect_uri_is_never_redirected() {
    let mut disabled = app();
    disabled.disabled_at = Some(1);
    let two = client(&["https://app.example/cb", "https://app.example/2"], &["*"]);
    let app = app();
    for (change, client, fault) in [
        ("", None, Unsafe::Client),
        ("", Some(&disabled), Unsafe::Client),
        ("redirect_uri=https%3A%2F%2Fevil.example%2Fcb", Some(&app), Unsafe::RedirectUri),
        ("redirect_uri=https%3A%2F%2Fapp.example%2Fcb%2F", Some(&app), Unsafe::RedirectUri),
        ("redirect_uri=%FF", Some(&app), Unsafe::RedirectUri),
        (
            "redirect_uri=https%3A%2F%2Fapp.example%2Fcb&redirect_uri=https%3A%2F%2Fapp.example%2Fcb",
            Some(&app),
            Unsafe::RedirectUri,
        ),
        ("redirect_uri=", Some(&two), Unsafe::RedirectUri),
    ] {
        let params = Params::parse(query(change).as_bytes()).unwrap();
        assert_eq!(way_back(&params, client), Err(fault), "{change}");
    }
    let params = Params::parse(query("redirect_uri=").as_bytes()).unwrap();
    assert!(way_back(&params, Some(&app)).is_ok());
}

#[test]
fn rfc6749_2_2_only_what_may_be_an_id_is_looked_up() {
    for (change, id) in [
        ("", Some(ID)),
        ("client_id=", None),
        ("client_id=client_1", None),
        ("client_id=https%3A%2F%2Fapp.example%2Fclient.json", None),
        ("client_id=client_01JF8Z0000000000000000000%00", None),
        ("client_id=client_01JF8Z00000000000000000000&client_id=client_01JF8Z00000000000000000000", None),
    ] {
        assert_eq!(client_id(&Params::parse(query(change).as_bytes()).unwrap()), id, "{change}");
    }
}

#[test]
fn rfc6749_4_1_2_1_every_other_fault_goes_back_to_the_client() {
    for (change, code) in [
        ("response_type=", "invalid_request"),
        ("response_type=token", "unsupported_response_type"),
        ("response_type=code%20token", "unsupported_response_type"),
        ("response_mode=fragment", "invalid_request"),
        ("response_mode=form_post", "invalid_request"),
        ("scope=openid", "invalid_scope"),
        ("scope=a%3Ab%20%20a%3Ab", "invalid_scope"),
        ("scope=*", "invalid_scope"),
        ("scope=a%3Ac", "invalid_scope"),
        ("scope=%FF", "invalid_scope"),
        ("resource=https%3A%2F%2Fevil.example", "invalid_target"),
        ("resource=https%3A%2F%2Fapi.example%2F", "invalid_target"),
        ("resource=https%3A%2F%2Fapi.example&resource=https%3A%2F%2Fother.example", "invalid_target"),
        ("request=e30.e30.", "request_not_supported"),
        ("request_uri=urn%3Ax", "request_uri_not_supported"),
        ("scope=a%3Ab&scope=a%3Ab", "invalid_request"),
        ("state=1&state=2", "invalid_request"),
    ] {
        assert_eq!(judged(&query(change), &app()).err().map(|fault| fault.code), Some(code), "{change}");
    }
    assert!(judged(&query("response_mode=query"), &app()).is_ok());
}

#[test]
fn rfc9700_4_8_2_no_request_is_without_a_challenge_by_s256() {
    for change in [
        "code_challenge=",
        "code_challenge=abc",
        "code_challenge_method=",
        "code_challenge_method=plain",
        "code_challenge_method=s256",
        "code_challenge=&code_challenge_method=",
    ] {
        assert_eq!(
            judged(&query(change), &app()).err().map(|fault| fault.code),
            Some("invalid_request"),
            "{change}"
        );
    }
}

#[test]
fn rfc6749_2_3_1_a_client_without_the_grant_type_is_told_so() {
    let mut machine = app();
    machine.registration.grant_types = vec![GrantType::ClientCredentials];
    assert_eq!(judged(&query(""), &machine).err(), Some(Fault::unauthorized_client()));
}

#[test]
fn rfc6749_4_1_2_a_state_comes_back_whatever_it_is_made_of() {
    let params = Params::parse(query("state=%00%FF+%26%3D").as_bytes()).unwrap();
    assert_eq!(way_back(&params, Some(&app())).unwrap().state, Some(b"\0\xff &=".to_vec()));
    let long = query(&format!("state={}", "s".repeat(MAX_STATE)));
    assert!(judged(&long, &app()).is_ok());
    assert_eq!(judged(&format!("{long}s"), &app()).err().map(|fault| fault.code), Some("invalid_request"));
}
