//! `routes`: each rule, and rules among one another.

use super::*;

fn rules(rules: &str) -> String {
    with(&format!("\"routes\":[{rules}]"))
}

#[test]
fn the_contracts_example_is_read_as_it_says() {
    let config = good(&rules(
        r#"{"path": "/healthz", "methods": ["GET"], "public": true},
           {"path": "/documents", "methods": ["GET"], "all_of": ["documents:read"]},
           {"path": "/documents/{id}", "methods": ["PUT", "PATCH", "DELETE"],
            "any_of": ["documents:write", "documents:admin"]},
           {"path": "/admin/**", "all_of": ["admin:all"]}"#,
    ));
    let asked = |method: &str, path: &str| match config.routes.find(method.as_bytes(), Some(path.as_bytes()))
    {
        Access::Requires(requirement) => requirement.to_string(),
        access => format!("{access:?}"),
    };
    for (method, path, expected) in [
        ("GET", "/healthz", "Public"),
        ("POST", "/healthz", "Authenticated"),
        ("HEAD", "/documents", "documents:read"),
        ("PATCH", "/documents/7", "documents:write documents:admin"),
        ("GET", "/documents/7", "Authenticated"),
        ("DELETE", "/admin", "admin:all"),
        ("GET", "/admin/a/b?c", "admin:all"),
        ("GET", "/admin/../healthz", "Nobody"),
    ] {
        assert_eq!(asked(method, path), expected, "{method} {path}");
    }
}

#[test]
fn a_rule_asks_for_nothing_for_permissions_or_for_any_credential() {
    for rule in [
        r#"{"path":"/a","public":true}"#,
        r#"{"path":"/a","public":false,"all_of":["a:b"]}"#,
        r#"{"path":"/a","all_of":["a:b"],"any_of":["a:c","a:d"]}"#,
        r#"{"path":"/a"}"#,
        r#"{"path":"/a","methods":["M-SEARCH","GET"]}"#,
    ] {
        good(&rules(rule));
    }
    for (rule, path) in [
        (r#"{}"#, ".path"),
        (r#"{"path":null}"#, ".path"),
        (r#"{"path":"/a?b"}"#, ".path"),
        (r#"{"path":"/a","public":"yes"}"#, ".public"),
        (r#"{"path":"/a","public":true,"all_of":["a:b"]}"#, ".all_of"),
        (r#"{"path":"/a","public":true,"any_of":["a:b"]}"#, ".any_of"),
        (r#"{"path":"/a","all_of":[]}"#, ".all_of"),
        (r#"{"path":"/a","any_of":[]}"#, ".any_of"),
        (r#"{"path":"/a","any_of":"a:b"}"#, ".any_of"),
        (r#"{"path":"/a","all_of":["a:b","a:b"]}"#, ".all_of"),
        (r#"{"path":"/a","all_of":["a"]}"#, ".all_of[0]"),
        (r#"{"path":"/a","all_of":["a:b","a:*"]}"#, ".all_of[1]"),
        (r#"{"path":"/a","any_of":["*"]}"#, ".any_of[0]"),
        (r#"{"path":"/a","any_of":[7]}"#, ".any_of[0]"),
        (r#"{"path":"/a","methods":[]}"#, ".methods"),
        (r#"{"path":"/a","methods":"GET"}"#, ".methods"),
        (r#"{"path":"/a","methods":["GET","GET"]}"#, ".methods"),
        (r#"{"path":"/a","methods":["GET","get"]}"#, ".methods[1]"),
        (r#"{"path":"/a","methods":["GET POST"]}"#, ".methods[0]"),
        (r#"{"path":"/a","methods":[""]}"#, ".methods[0]"),
        (r#"{"path":"/a","method":["GET"]}"#, ".method"),
        (r#"{"path":"/a","path":"/b"}"#, ".path"),
        (r#""/a""#, ""),
    ] {
        refused(&rules(rule), &format!("$.routes[0]{path}"));
    }
}

#[test]
fn equal_rules_are_told_by_their_places_in_the_file() {
    let told = mistakes(&rules(
        r#"{"path":"/a/{x}"},{"path":7},{"path":"/a/{y}"},{"path":"/a/{z}","methods":["GET"]}"#,
    ));
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].starts_with("$.routes[1].path: must be a string"), "{told:#?}");
    assert!(told[1].starts_with("$.routes[2]: is equal to $.routes[0]"), "{told:#?}");
}
