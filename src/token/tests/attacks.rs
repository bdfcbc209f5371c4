//! Attacks on tokens, each with where it is described.

use serde_json::json;

use super::support::*;
use crate::token::algorithm::Algorithm;
use crate::token::{Fault, Issuer, MAX_TOKEN, MOST_TRIED};

/// Replaces the third part of a token.
fn with_signature(token: &str, signature: &[u8]) -> String {
    format!("{}.{}", token.rsplit_once('.').unwrap().0, encode(signature))
}

fn signature_of(token: &str) -> Vec<u8> {
    super::super::form::decode(token.rsplit_once('.').unwrap().1.as_bytes()).unwrap()
}

fn refused(token: &str, why: &str) {
    assert_eq!(judge(token).map(drop), Err(Fault::Invalid), "{why}");
}

#[test]
fn rfc_8725_section_3_1_no_algorithm_that_is_not_configured() {
    for algorithm in
        ["none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "RS256", "ES384", "ES256K"]
    {
        let header = with(header(), "alg", Some(json!(algorithm)));
        refused(&sign(&header, &claims()), algorithm);
    }
    let none = format!(
        "{}.{}.",
        encode(br#"{"alg":"none","typ":"at+jwt"}"#),
        encode(claims().to_string().as_bytes())
    );
    refused(&none, "no signature at all");
    refused(&sign(&with(header(), "alg", None), &claims()), "no algorithm");
}

#[test]
fn rfc_8725_section_2_1_the_public_key_is_no_secret_of_an_hmac() {
    use sha2::{Digest as _, Sha256};
    let point = signing_key(1).verifying_key().to_sec1_point(false);
    let key = jwk(1).to_string();
    for secret in [point.as_bytes(), key.as_bytes()] {
        let header = with(header(), "alg", Some(json!("HS256"))).to_string();
        let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims().to_string().as_bytes()));
        let mut block = [0; 64];
        let short = if secret.len() > 64 { Sha256::digest(secret).to_vec() } else { secret.to_vec() };
        block[..short.len()].copy_from_slice(&short);
        let pad = |with: u8| block.map(|byte| byte ^ with);
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(&signed).finalize();
        let outer = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
        refused(&format!("{signed}.{}", encode(&outer)), "HS256");
        let es256 = format!("{signed}.{}{}", encode(&outer), encode(&outer));
        refused(&es256, "HS256 twice");
    }
}

#[test]
fn rfc_7515_section_10_6_a_key_in_the_header_is_not_used() {
    let header = with(with(header(), "jwk", Some(jwk(9))), "kid", Some(json!("k9")));
    refused(&sign_texts(&header.to_string(), &claims().to_string(), 9), "its own key");
    let header = with(header, "kid", Some(json!("k1")));
    refused(&sign_texts(&header.to_string(), &claims().to_string(), 9), "its own key under a known kid");
}

#[test]
fn rfc_7518_section_3_4_signatures_are_raw_and_of_the_exact_length() {
    let token = token();
    let raw = signature_of(&token);
    assert_eq!(raw.len(), 64);
    let der = p256::ecdsa::Signature::from_slice(&raw).unwrap().to_der();
    refused(&with_signature(&token, der.as_bytes()), "DER");
    for length in [1, 32, 63] {
        refused(&with_signature(&token, &raw[..length]), "cut short");
    }
    refused(&with_signature(&token, &[&raw[..], &[0]].concat()), "too long");
    refused(&with_signature(&token, &[&[0], &raw[..]].concat()), "too long in front");
    refused(&with_signature(&token, &[&raw[32..], &raw[..32]].concat()), "turned round");
}

#[test]
fn cve_2022_21449_r_and_s_are_from_1_to_n_less_1() {
    let token = token();
    let raw = signature_of(&token);
    let n = hex::decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551").unwrap();
    let (zero, most) = ([0; 32], [0xff; 32]);
    for r in [&raw[..32], &zero, &n, &most] {
        for s in [&raw[32..], &zero, &n, &most] {
            if (r, s) != (&raw[..32], &raw[32..]) {
                refused(&with_signature(&token, &[r, s].concat()), "out of range");
            }
        }
    }
    // n - s is as good as s: that a token has two signatures does no harm, since it is known by its
    // jti.
    let s = p256::ecdsa::Signature::from_slice(&raw).unwrap();
    let other = p256::ecdsa::Signature::from_scalars(s.r().to_bytes(), (-*s.s()).to_bytes()).unwrap();
    assert!(judge(&with_signature(&token, &other.to_bytes())).is_ok());
}

#[test]
fn rfc_8725_section_3_1_a_key_serves_the_algorithms_of_its_kind_alone() {
    let all = || Issuer { algorithms: Algorithm::ALL.map(|(_, algorithm)| algorithm).into(), ..issuer() };
    for (name, _) in Algorithm::ALL {
        let token = sign(&with(header(), "alg", Some(json!(name))), &claims());
        assert_eq!(judge_by(&token, all()).is_ok(), name == "ES256", "{name}");
    }
    let other = set(&[with(with(jwk(1), "alg", None), "kid", Some(json!("k1")))]);
    assert!(judge_with(&token(), all(), &other).is_ok(), "a key without alg serves what it fits");
}

#[test]
fn rfc_7515_section_4_1_4_a_kid_chooses_and_a_key_of_another_kid_does_not_serve() {
    let of = |kid: &str, number| {
        sign_texts(&with(header(), "kid", Some(json!(kid))).to_string(), &claims().to_string(), number)
    };
    assert!(judge(&of("k2", 2)).is_ok());
    refused(&of("k1", 2), "signed by another key of the set");
    for kid in ["k3", "K1", "", "k1 ", "../k1", "' or 1=1", "k1\u{0}"] {
        refused(&of(kid, 1), kid);
    }
    let nameless = with(header(), "kid", None).to_string();
    assert!(judge(&sign_texts(&nameless, &claims().to_string(), 2)).is_ok(), "any key, where none is named");
    refused(&sign_texts(&nameless, &claims().to_string(), 3), "a key that is not in the set");
}

#[test]
fn few_keys_are_tried() {
    let same = |number: u8| with(jwk(number), "kid", Some(json!("same")));
    let token = sign(&with(header(), "kid", Some(json!("same"))), &claims());
    let keys = |before: u8| {
        let mut keys: Vec<_> = (0..before).map(|number| same(10 + number)).collect();
        keys.push(same(1));
        set(&keys)
    };
    let most = u8::try_from(MOST_TRIED).unwrap();
    assert!(judge_with(&token, issuer(), &keys(most - 1)).is_ok());
    assert!(judge_with(&token, issuer(), &keys(most)).is_err());
}

#[test]
fn rfc_8725_section_2_4_names_come_once_however_escaped() {
    let (head, body) = (header().to_string(), claims().to_string());
    let double = |text: &str, member: &str| format!("{},{member}}}", text.strip_suffix('}').unwrap());
    for member in [r#""alg":"ES256""#, r#""\u0061lg":"ES256""#, r#""typ":"at+jwt""#, r#""kid":"k1""#] {
        refused(&sign_texts(&double(&head, member), &body, 1), member);
    }
    for member in [r#""iss":"https://auth.example.com""#, r#""\u0065xp":1790000600"#, r#""scope":"*""#] {
        refused(&sign_texts(&head, &double(&body, member), 1), member);
    }
    assert!(judge(&sign_texts(&head, &double(&body, r#""act":{"sub":"a"}"#), 1)).is_ok());
}

#[test]
fn rfc_4648_section_3_5_one_token_has_one_text() {
    let token = token();
    for (place, _) in token.match_indices('.').chain([(token.len(), "")]) {
        // The last character of each part: with the bits that decode to nothing set.
        let last = token.as_bytes()[place - 1];
        for other in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
            if *other != last {
                let mut changed = token.clone().into_bytes();
                changed[place - 1] = *other;
                refused(std::str::from_utf8(&changed).unwrap(), "another last character");
            }
        }
    }
    for changed in [
        format!("{token}="),
        format!("{token}=="),
        format!("{token} "),
        format!(" {token}"),
        format!("{token}\n"),
        token.replacen('.', "=.", 1),
        token.replace('-', "+").replace('_', "/") + "+",
        format!("{token}."),
        format!("{token}.x"),
        token.replacen('.', "..", 1),
    ] {
        refused(&changed, &changed);
    }
}

#[test]
fn a_token_that_is_too_long_is_not_read() {
    let long = |length: usize| {
        let filled = |fill: usize| sign(&header(), &with(claims(), "x", Some(json!("x".repeat(fill)))));
        (0..length).rev().map(filled).find(|token| token.len() <= length).unwrap()
    };
    let most = long(MAX_TOKEN);
    assert!(most.len() >= MAX_TOKEN - 2 && judge(&most).is_ok());
    refused(&sign(&header(), &with(claims(), "x", Some(json!("x".repeat(MAX_TOKEN))))), "too long");
}

#[test]
fn rfc_8725_section_3_7_what_is_not_json_of_utf_8_is_refused() {
    for bad in ["[]", "null", "\"x\"", "", " ", "{", "{}x", "\u{feff}{}"] {
        refused(&sign_texts(bad, &claims().to_string(), 1), bad);
        refused(&sign_texts(&header().to_string(), bad, 1), bad);
    }
    refused(
        &sign_texts(&header().to_string(), &claims().to_string().replace("j1", "\\ud800"), 1),
        "a lone surrogate",
    );
}

#[test]
fn nothing_of_a_token_shows_in_debug_output() {
    let token = token();
    let unverified = crate::token::Unverified::read(token.as_bytes(), &[issuer()], NOW).unwrap();
    let shown = format!("{unverified:?}");
    for part in ["user_1", "client_1", "j1", "k1", token.split('.').next().unwrap()] {
        assert!(!shown.contains(part), "{shown}");
    }
}
