//! Sets of keys: which answers are good, and which keys of them are used.

use serde_json::{Value, json};

use super::support::*;
use crate::token::keys::{BadSet, KeySet, MAX_BODY, MAX_KEYS};

const N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

fn rsa() -> Value {
    json!({"kty": "RSA", "n": N, "e": "AQAB", "kid": "r"})
}

fn okp() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "o"})
}

fn p384() -> Value {
    use p384::ecdsa::SigningKey;
    let point = SigningKey::from_slice(&[7; 48]).unwrap().verifying_key().to_sec1_point(false);
    let (x, y) = point.as_bytes()[1..].split_at(48);
    json!({"kty": "EC", "crv": "P-384", "x": encode(x), "y": encode(y), "kid": "p"})
}

/// Asserts that a key is left out, and that the rest of its set is used.
fn left_out(key: Value) {
    let body = json!({"keys": [key, jwk(1)]}).to_string();
    let (keys, count) = KeySet::parse(body.as_bytes()).unwrap();
    assert_eq!((keys.len(), count), (1, 1), "{body}");
    assert_eq!(KeySet::parse(json!({"keys": [key]}).to_string().as_bytes()), Err(BadSet::NoKey));
}

#[test]
fn keys_of_every_kind_are_used_and_come_back_as_they_were_written() {
    let keys = set(&[jwk(1), with(jwk(2), "kid", None), with(jwk(3), "alg", None), p384(), okp(), rsa()]);
    assert_eq!(keys.len(), 6);
    let mut written = Vec::new();
    keys.write(&mut written);
    assert_eq!(KeySet::read(&written), Some(keys));
    for size in 1..written.len() {
        assert_ne!(KeySet::read(&written[..size]).map(|keys| keys.len()), Some(6), "{size}");
    }
    assert_eq!(KeySet::read(&[]), Some(KeySet::default()));
}

#[test]
fn members_that_mean_nothing_do_no_harm() {
    let more = json!({"x5c": ["!"], "x5t": 7, "ext": true, "key_ops": ["verify", "x"], "use": "sig", "d": 1});
    let mut key = jwk(1);
    key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    assert_eq!(set(&[key]).len(), 1);
    let n = super::super::form::decode(N.as_bytes()).unwrap();
    assert_eq!(
        set(&[with(rsa(), "n", Some(json!(encode(&[&[0], &n[..]].concat()))))]).len(),
        1,
        "a leading zero"
    );
}

#[test]
fn a_key_that_is_not_for_verifying_signatures_is_left_out() {
    for (member, value) in [
        ("use", json!("enc")),
        ("use", json!("SIG")),
        ("use", json!(null)),
        ("key_ops", json!(["sign"])),
        ("key_ops", json!([])),
        ("key_ops", json!("verify")),
        ("kid", json!(7)),
        ("kid", json!(null)),
        ("alg", json!("ES384")),
        ("alg", json!("HS256")),
        ("alg", json!("RS256")),
        ("alg", json!("none")),
        ("alg", json!(null)),
        ("kty", json!("RSA")),
        ("kty", json!("oct")),
        ("kty", json!(7)),
        ("crv", json!("P-521")),
        ("crv", json!("secp256k1")),
        ("crv", json!("P-384")),
        ("x", json!(7)),
    ] {
        left_out(with(jwk(1), member, Some(value)));
    }
    for member in ["kty", "crv", "x", "y"] {
        left_out(with(jwk(1), member, None));
    }
    for odd in [json!(7), json!("x"), json!(null), json!([]), json!({})] {
        left_out(odd);
    }
    left_out(json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "kid": "k1"}));
    left_out(json!({"kty": "OKP", "crv": "X25519", "x": okp()["x"]}));
    left_out(json!({"kty": "OKP", "crv": "Ed448", "x": encode(&[1; 57])}));
    for algorithm in ["RSA-OAEP", "RSA1_5", "PS384", "PS512", "ES256"] {
        left_out(with(rsa(), "alg", Some(json!(algorithm))));
    }
}

#[test]
fn a_key_whose_members_come_twice_is_left_out() {
    let twice = jwk(2).to_string().replacen('{', r#"{"kid":"k9","#, 1);
    let body = format!(r#"{{"keys":[{twice},{}]}}"#, jwk(1));
    assert_eq!(KeySet::parse(body.as_bytes()).map(|(keys, left_out)| (keys.len(), left_out)), Ok((1, 1)));
}

#[test]
fn rfc_8725_section_3_4_points_are_on_their_curve_and_coordinates_of_its_length() {
    let x = jwk(1)["x"].as_str().unwrap().to_owned();
    for (member, value) in [
        ("y", encode(&[1; 32])),
        ("x", encode(&[0; 32])),
        ("y", x.clone()),
        ("x", encode(&[0xff; 32])),
        ("x", encode(&[1; 31])),
        ("x", format!("AA{x}")),
        ("x", format!("{x}=")),
        ("x", format!("{x} ")),
        ("x", String::new()),
    ] {
        left_out(with(jwk(1), member, Some(json!(value))));
    }
    left_out(with(with(jwk(1), "x", Some(json!(encode(&[0; 32])))), "y", Some(json!(encode(&[0; 32])))));
    left_out(with(p384(), "y", Some(json!(encode(&[1; 48])))));
    left_out(with(p384(), "crv", Some(json!("P-256"))));
}

#[test]
fn rfc_8725_section_3_4_ed25519_points_are_not_of_small_order_and_in_their_one_encoding() {
    for bad in [
        // The eight points of small order (RFC 7748 §7 warns of their like), and other encodings of
        // them.
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        // Not on the curve.
        "0200000000000000000000000000000000000000000000000000000000000000",
    ] {
        left_out(with(okp(), "x", Some(json!(encode(&hex::decode(bad).unwrap())))));
    }
    left_out(with(okp(), "x", Some(json!(encode(&[1; 31])))));
}

#[test]
fn rsa_keys_are_neither_weak_nor_odd() {
    let n = super::super::form::decode(N.as_bytes()).unwrap();
    let modulus = |bytes: &[u8]| with(rsa(), "n", Some(json!(encode(bytes))));
    let mut short = n.clone();
    short[0] = 0x7f;
    left_out(modulus(&short));
    left_out(modulus(&n[..128]));
    let mut even = n.clone();
    *even.last_mut().unwrap() &= 0xfe;
    left_out(modulus(&even));
    left_out(modulus(&[&n[..], &n[..], &n[..1]].concat()));
    left_out(modulus(&[]));
    let exponent = |bytes: &[u8]| with(rsa(), "e", Some(json!(encode(bytes))));
    for bad in [&[1][..], &[0], &[], &[2], &[1, 0, 0], &[1, 0, 0, 0, 1]] {
        left_out(exponent(bad));
    }
    for good in [&[3][..], &[0, 1, 0, 1], &[0xff, 0xff, 0xff, 0xff]] {
        assert_eq!(set(&[exponent(good)]).len(), 1, "{good:?}");
    }
    assert_eq!(set(&[modulus(&[&n[..], &n[..]].concat())]).len(), 1, "4096 bits");
}

#[test]
fn answers_of_another_shape_are_bad() {
    let many = |count: usize| json!({"keys": vec![jwk(1); count]}).to_string();
    assert!(KeySet::parse(many(MAX_KEYS).as_bytes()).is_ok());
    assert_eq!(KeySet::parse(many(MAX_KEYS + 1).as_bytes()), Err(BadSet::Shape));
    let padded = |size: usize| {
        let body = json!({"keys": [jwk(1)]}).to_string();
        format!("{body}{}", " ".repeat(size - body.len()))
    };
    assert!(KeySet::parse(padded(MAX_BODY).as_bytes()).is_ok());
    assert_eq!(KeySet::parse(padded(MAX_BODY + 1).as_bytes()), Err(BadSet::Size));
    for (body, bad) in [
        ("", BadSet::Json),
        ("<html>", BadSet::Json),
        ("{\"keys\":[", BadSet::Json),
        ("{\"keys\":[]}x", BadSet::Json),
        ("[]", BadSet::Shape),
        ("{}", BadSet::Shape),
        ("{\"keys\":{}}", BadSet::Shape),
        ("{\"keys\":null}", BadSet::Shape),
        ("{\"keys\":[],\"keys\":[]}", BadSet::Shape),
        ("{\"keys\":[]}", BadSet::NoKey),
    ] {
        assert_eq!(KeySet::parse(body.as_bytes()), Err(bad), "{body}");
    }
}
