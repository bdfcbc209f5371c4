//! `keys`: entries in the configuration itself.

use super::*;

const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// A configuration with one key: the required fields, and these.
fn key(fields: &str) -> String {
    format!(
        r#"{{"keys":[{{"sha256":"{DIGEST}","id":"key_1","environment":"test","permissions":["a:read","b:*"]{fields}}}]}}"#
    )
}

#[test]
fn an_entry_is_found_by_its_digest() {
    let config = good(&key(
        r#","owner":"org_7","not_before":1,"expires_at":253402300799,"revoked_at":null,"allowed_cidrs":["10.0.0.0/8"]"#,
    ));
    let entry = config.keys.get(&Digest::of(b"abc")).unwrap();
    assert_eq!((&*entry.id, entry.environment), ("key_1", Environment::Test));
    assert_eq!(entry.permissions, ["a:read".into(), "b:*".into()]);
    assert_eq!(entry.owner.as_deref(), Some("org_7"));
    assert_eq!(
        (entry.not_before, entry.expires_at, entry.revoked_at),
        (Some(1), Some(253_402_300_799), None)
    );
    assert_eq!(entry.allowed_cidrs.as_deref().map(<[_]>::len), Some(1));
    assert!(config.keys.get(&Digest::of(b"abd")).is_none());
    assert_eq!(config.keys.len(), 1);
}

#[test]
fn null_is_as_absent_only_where_a_field_may_be_absent() {
    for field in ["owner", "not_before", "expires_at", "revoked_at", "allowed_cidrs"] {
        good(&key(&format!(",\"{field}\":null")));
    }
    for field in ["sha256", "id", "environment", "permissions"] {
        let null = key("").replace(&format!("\"{field}\":"), &format!("\"{field}\":null,\"ignored\":"));
        let told = mistakes(&null);
        assert!(told.iter().any(|line| line.starts_with(&format!("$.keys[0].{field}: must be"))), "{told:?}");
        let absent = key("").replace(&format!("\"{field}\":"), "\"ignored\":");
        let told = mistakes(&absent);
        assert!(told.contains(&format!("$.keys[0].{field}: is required")), "{told:?}");
    }
}

#[test]
fn an_empty_list_of_blocks_is_kept_apart_from_none() {
    let blocks = |config: &str| {
        let config = good(config);
        config.keys.get(&Digest::of(b"abc")).unwrap().allowed_cidrs.as_deref().map(<[_]>::len)
    };
    assert_eq!(blocks(&key(r#","allowed_cidrs":[]"#)), Some(0), "admits nobody");
    assert_eq!(blocks(&key("")), None, "admits everybody");
}

#[test]
fn a_bad_field_is_told_by_its_path() {
    for (fields, path) in [
        (r#","owner":"""#, ".owner"),
        (r#","owner":"a b""#, ".owner"),
        (r#","owner":7"#, ".owner"),
        (r#","not_before":"1""#, ".not_before"),
        (r#","expires_at":1.5"#, ".expires_at"),
        (r#","expires_at":1790000000000"#, ".expires_at"),
        (r#","revoked_at":true"#, ".revoked_at"),
        (r#","allowed_cidrs":"10.0.0.0/8""#, ".allowed_cidrs"),
        (r#","allowed_cidrs":["10.0.0.0/8","10.0.0.1/8"]"#, ".allowed_cidrs[1]"),
        (r#","name":"x""#, ".name"),
        (r#","id":"key_2""#, ".id"),
    ] {
        refused(&key(fields), &format!("$.keys[0]{path}"));
    }
    for (field, wrong) in [
        (format!("\"{DIGEST}\""), format!("\"{}\"", DIGEST.to_uppercase())),
        (format!("\"{DIGEST}\""), "\"flint_live_abc\"".to_owned()),
        ("\"key_1\"".to_owned(), "\"key.1\"".to_owned()),
        ("\"test\"".to_owned(), "\"prod\"".to_owned()),
        ("[\"a:read\",\"b:*\"]".to_owned(), "[\"a:read\",\"b*\"]".to_owned()),
        ("[\"a:read\",\"b:*\"]".to_owned(), "\"a:read\"".to_owned()),
    ] {
        let told = mistakes(&key("").replace(&field, &wrong));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(!told[0].contains(wrong.trim_matches('"')) || wrong.starts_with('['), "{told:?}");
    }
}

#[test]
fn a_digest_has_one_entry() {
    let entry =
        |id: &str| format!(r#"{{"sha256":"{DIGEST}","id":"{id}","environment":"live","permissions":[]}}"#);
    let told = mistakes(&format!(r#"{{"keys":[{},7,{}]}}"#, entry("a"), entry("b")));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].starts_with("$.keys[2].sha256: is the digest of $.keys[0] too"), "{told:?}");
    assert!(!told[1].contains(DIGEST));
}
