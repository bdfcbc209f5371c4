//! Rules 2 and 3: header and claims.

use flint_contract::key::Environment;
use serde_json::{Value, json};

use super::support::*;
use crate::token::algorithm::Algorithm;
use crate::token::{Claims, Fault, Issuer};

const BAD: Result<Claims, Fault> = Err(Fault::Invalid);

fn with_claim(claim: &str, value: Value) -> Result<Claims, Fault> {
    judge(&sign(&header(), &with(claims(), claim, Some(value))))
}

fn with_header(member: &str, value: Value) -> Result<Claims, Fault> {
    judge(&sign(&with(header(), member, Some(value)), &claims()))
}

#[test]
fn a_good_token_is_accepted_and_read() {
    let claims = judge(&token()).unwrap();
    assert_eq!(claims.subject.as_deref(), Some("user_1"));
    assert_eq!(claims.client_id.as_deref(), Some("client_1"));
    assert_eq!(claims.jti.as_deref(), Some("j1"));
    assert_eq!(claims.environment, Some(Environment::Live));
    assert_eq!(*claims.grants, ["documents:read".into()]);
    assert!(claims.is_for("https://api.example.com") && !claims.is_for("https://api.example.com/"));
}

#[test]
fn rfc_8725_section_3_11_the_type_is_compared_without_letter_case_and_prefix() {
    for good in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        assert!(with_header("typ", json!(good)).is_ok(), "{good}");
    }
    for bad in [
        json!("JWT"),
        json!("jwt"),
        json!(""),
        json!("at+jwt "),
        json!("at"),
        json!("application/"),
        json!("application/application/at+jwt"),
        json!("text/at+jwt"),
        json!(null),
        json!(["at+jwt"]),
    ] {
        assert_eq!(with_header("typ", bad.clone()), BAD, "{bad}");
    }
    assert_eq!(judge(&sign(&with(header(), "typ", None), &claims())), BAD);
}

#[test]
fn other_types_ask_for_less() {
    let lenient = || Issuer { token_types: ["jwt".into(), "".into()].into(), ..issuer() };
    let least = json!({"iss": "https://auth.example.com", "aud": "https://api.example.com", "exp": NOW + 1});
    for header in [json!({"alg": "ES256", "typ": "JWT"}), json!({"alg": "ES256"})] {
        let claims = judge_by(&sign(&header, &least), lenient()).unwrap();
        assert_eq!(
            (claims.subject, claims.client_id, claims.jti, claims.environment),
            (None, None, None, None)
        );
        assert!(claims.grants.is_empty());
    }
    for absent in ["typ", "application/"] {
        let header = json!({"alg": "ES256", "typ": absent});
        assert_eq!(judge_by(&sign(&header, &least), lenient()), BAD, "{absent}");
    }
}

#[test]
fn rfc_9068_section_2_2_an_access_token_has_all_that_is_required() {
    for claim in ["iss", "sub", "aud", "client_id", "iat", "exp", "jti"] {
        assert_eq!(judge(&sign(&header(), &with(claims(), claim, None))), BAD, "{claim}");
    }
    for claim in ["scope", "environment"] {
        assert!(judge(&sign(&header(), &with(claims(), claim, None))).is_ok(), "{claim}");
    }
}

#[test]
fn header_members_that_matter_have_to_be_right_and_no_other_matters() {
    for (member, value) in [
        ("alg", json!(null)),
        ("alg", json!(["ES256"])),
        ("alg", json!("es256")),
        ("alg", json!("ES256 ")),
        ("kid", json!(null)),
        ("kid", json!(1)),
        ("crit", json!([])),
        ("crit", json!(["exp"])),
        ("crit", json!(null)),
    ] {
        assert_eq!(with_header(member, value.clone()), BAD, "{member}: {value}");
    }
    for (member, value) in [
        ("jku", json!("https://evil.example/jwks")),
        ("x5u", json!(7)),
        ("x5c", json!(["a"])),
        ("x5t", json!(null)),
        ("cty", json!("JWT")),
        ("b64", json!(false)),
        ("ALG", json!("none")),
    ] {
        assert!(with_header(member, value.clone()).is_ok(), "{member}: {value}");
    }
}

#[test]
fn rfc_8725_sections_3_8_and_3_9_issuer_and_audience_are_compared_byte_for_byte() {
    for bad in
        ["https://auth.example.com/", "HTTPS://auth.example.com", "https://auth.example.com:443", "", "x"]
    {
        assert_eq!(with_claim("iss", json!(bad)), BAD, "{bad}");
    }
    assert_eq!(with_claim("iss", json!(["https://auth.example.com"])), BAD);
    let ours = "https://api.example.com";
    for good in [json!([ours]), json!(["x", ours]), json!([ours, ours])] {
        assert!(with_claim("aud", good.clone()).is_ok(), "{good}");
    }
    for bad in [
        json!("https://api.example.com/"),
        json!([]),
        json!(["x"]),
        json!([ours, 7]),
        json!([[ours]]),
        json!({"aud": ours}),
        json!(null),
        json!(true),
    ] {
        assert_eq!(with_claim("aud", bad.clone()), BAD, "{bad}");
    }
}

#[test]
fn times_are_numbers_with_fractions_and_judged_with_the_skew() {
    let at = |claim: &str, time: f64| with_claim(claim, json!(time));
    #[expect(clippy::cast_precision_loss, reason = "exact")]
    let now = NOW as f64;
    assert!(at("exp", now - 29.5).is_ok());
    assert_eq!(at("exp", now - 30.0), Err(Fault::Expired));
    assert_eq!(at("exp", now - 31.0), Err(Fault::Expired));
    assert_eq!(at("exp", 0.0), Err(Fault::Expired));
    for claim in ["nbf", "iat"] {
        assert!(at(claim, now + 30.0).is_ok(), "{claim}");
        assert_eq!(at(claim, now + 30.5), BAD, "{claim}");
    }
    let strict = || Issuer { clock_skew_seconds: 0, ..issuer() };
    let ends = |exp: i64| judge_by(&sign(&header(), &with(claims(), "exp", Some(json!(exp)))), strict());
    assert_eq!(ends(NOW), Err(Fault::Expired));
    assert!(ends(NOW + 1).is_ok());
}

#[test]
fn times_of_another_type_or_beyond_all_bounds_are_faults() {
    for claim in ["exp", "nbf", "iat"] {
        for bad in
            ["-1", "-0.5", "253402300800", "1e20", "1e999", "\"1790000600\"", "null", "[1]", "true", "{}"]
        {
            let claims = with(claims(), claim, Some(json!("TIME"))).to_string().replace("\"TIME\"", bad);
            assert_eq!(judge(&sign_texts(&header().to_string(), &claims, 1)), BAD, "{claim}: {bad}");
        }
    }
    assert!(with_claim("exp", json!(253_402_300_799_i64)).is_ok());
    let claims = claims().to_string().replace("1790000600", "1.7900006e9");
    assert!(judge(&sign_texts(&header().to_string(), &claims, 1)).is_ok());
}

#[test]
fn names_are_visible_ascii_of_bounded_length() {
    for (claim, most) in [("sub", 255), ("client_id", 255), ("jti", 256)] {
        assert!(with_claim(claim, json!("x".repeat(most))).is_ok(), "{claim}");
        for bad in [
            json!(""),
            json!("x".repeat(most + 1)),
            json!("a b"),
            json!("a\nb"),
            json!("é"),
            json!("a\u{7f}"),
            json!(7),
            json!(null),
            json!(["a"]),
        ] {
            assert_eq!(with_claim(claim, bad.clone()), BAD, "{claim}: {bad}");
        }
    }
}

#[test]
fn scopes_are_a_string_or_a_list_and_grant_what_is_a_permission() {
    let granted = |scope: Value| with_claim("scope", scope).map(|claims| claims.grants.join(" "));
    for (scope, grants) in [
        (json!("openid documents:read  profile"), "documents:read"),
        (json!(["b:w", "a:*", "openid", "b:w"]), "a:* b:w"),
        (json!(""), ""),
        (json!([]), ""),
        (json!("documents:read\tdocuments:write"), ""),
        (json!(["a:b c:d"]), ""),
        (json!("*"), "*"),
    ] {
        assert_eq!(granted(scope.clone()).as_deref(), Ok(grants), "{scope}");
    }
    for bad in [json!(null), json!(7), json!(["a:b", 7]), json!({"a": "b"})] {
        assert_eq!(with_claim("scope", bad.clone()), BAD, "{bad}");
    }
}

#[test]
fn scopes_may_lie_deeper_and_mean_something_else() {
    let deep = || Issuer { scope_claim: ["realm_access".into(), "roles".into()].into(), ..issuer() };
    let judged =
        |value: Value| judge_by(&sign(&header(), &with(claims(), "realm_access", Some(value))), deep());
    assert_eq!(*judged(json!({"roles": ["a:b", "offline_access"]})).unwrap().grants, ["a:b".into()]);
    assert!(judged(json!({})).unwrap().grants.is_empty());
    assert_eq!(judged(json!(["roles"])), BAD);
    assert_eq!(judged(json!({"roles": 7})), BAD);

    let mapped = Issuer {
        scope_map: Some([("Files.Read".into(), ["a:b".into(), "c:*".into()].into())].into()),
        ..issuer()
    };
    let scoped = with(claims(), "scope", Some(json!("Files.Read documents:read")));
    let grants = judge_by(&sign(&header(), &scoped), mapped).unwrap().grants;
    assert_eq!(*grants, ["a:b".into(), "c:*".into()], "what is not in the map grants nothing");
}

#[test]
fn the_environment_is_a_word_that_is_known_or_the_configured_one() {
    let test = || Issuer { environment: Some(Environment::Test), ..issuer() };
    let silent = with(claims(), "environment", None);
    assert_eq!(judge_by(&sign(&header(), &silent), test()).unwrap().environment, Some(Environment::Test));
    assert_eq!(judge_by(&token(), test()).unwrap().environment, Some(Environment::Live));
    for bad in [json!("prod"), json!("Live"), json!(null), json!(["live"])] {
        assert_eq!(with_claim("environment", bad.clone()), BAD, "{bad}");
    }
}

#[test]
fn the_client_is_named_by_the_claim_that_is_configured() {
    let foreign = || Issuer { client_id_claim: "azp".into(), ..issuer() };
    let named = with(with(claims(), "client_id", None), "azp", Some(json!("app")));
    assert_eq!(judge_by(&sign(&header(), &named), foreign()).unwrap().client_id.as_deref(), Some("app"));
    assert_eq!(judge_by(&token(), foreign()), BAD, "an access token has to have it");
}

#[test]
fn each_issuer_has_its_own_rules() {
    let other = Issuer {
        name: "https://other.example.com".into(),
        algorithms: [Algorithm::Rs256].into(),
        ..issuer()
    };
    let issuers = [other, issuer()];
    let token = token();
    let unverified = crate::token::Unverified::read(token.as_bytes(), &issuers, NOW);
    assert_eq!(unverified.map(|unverified| unverified.issuer).unwrap(), 1);
    let of_other = with(claims(), "iss", Some(json!("https://other.example.com")));
    let read = crate::token::Unverified::read(sign(&header(), &of_other).as_bytes(), &issuers, NOW).map(drop);
    assert_eq!(read, Err(Fault::Invalid), "ES256 is not among its algorithms");
}
