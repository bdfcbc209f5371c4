//! No bytes make reading panic, and what is read does not depend on the order of members.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

/// JSON with the words of a configuration in it, so that reading gets far.
fn any_json() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "live",
        "test",
        "deny",
        "allow",
        "/a",
        "/{x}/**",
        "GET",
        "a:b",
        "*",
        "10.0.0.0/8",
        "",
        "é",
        "\"",
        "\0",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0..400u32).prop_map(Value::from),
        words.prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    let names = prop::sample::select(
        [
            FIELDS,
            &["cluster", "host", "token", "path", "methods", "public", "all_of", "any_of", "sha256", "id"],
        ]
        .concat(),
    );
    leaf.prop_recursive(4, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..6).prop_map(|members| {
                Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

/// A good configuration whose members are in the given order.
fn shuffled() -> impl Strategy<Value = String> {
    let members = vec![
        ("realm", json!("r")),
        ("environments", json!(["live", "test"])),
        ("authority", json!({"cluster": "c", "token": "t"})),
        ("unavailable", json!("allow")),
        ("max_staleness_seconds", json!(60)),
        ("routes", json!([{"path": "/a", "public": true}])),
        ("default", json!("deny")),
        ("cors_preflight", json!("allow")),
    ];
    Just(members).prop_shuffle().prop_map(|members| {
        let member = |(name, value): &(&str, Value)| format!("\"{name}\":{value}");
        format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
    })
}

proptest! {
    #[test]
    fn any_bytes_are_a_configuration_or_a_list_of_mistakes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(errors) = Config::parse(&bytes) {
            prop_assert!(errors.iter().count() > 0);
        }
    }

    #[test]
    fn any_json_is_a_configuration_or_a_list_of_mistakes_with_paths(value in any_json()) {
        if let Err(errors) = Config::parse(value.to_string().as_bytes()) {
            prop_assert!(errors.iter().all(|error| error.path.starts_with('$') && !error.rule.is_empty()));
        }
    }

    #[test]
    fn one_field_spoilt_is_one_field_told(value in any_json(), field in prop::sample::select(FIELDS)) {
        let mut members: Map<String, Value> =
            serde_json::from_str(&format!("{{{AUTHORITY}}}")).unwrap();
        members.insert(field.to_owned(), value);
        let Err(errors) = Config::parse(Value::Object(members).to_string().as_bytes()) else { return Ok(()) };
        let start = format!("$.{field}");
        for error in errors.iter() {
            // A bad source of keys is no source: nothing else may be told of it.
            prop_assert!(error.path.starts_with(&start), "{} for {}", error, field);
        }
    }

    #[test]
    fn the_order_of_members_does_not_matter(config in shuffled()) {
        let config = good(&config);
        prop_assert_eq!(config.routes.find(b"GET", Some(b"/a")), Access::Public);
        prop_assert_eq!(config.routes.find(b"GET", Some(b"/b")), Access::Nobody);
        prop_assert_eq!(config.max_staleness_seconds, 60);
        prop_assert!(config.environments.admits(Environment::Test) && config.authority.is_some());
    }
}
