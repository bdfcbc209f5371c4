//! Precedence and normal form: case by case, then against a model.

use flint_contract::permission::Permission;

use super::*;

mod model;

fn requirement(permission: &str) -> Requirement {
    Requirement::new(vec![Permission::parse(permission).unwrap()], vec![]).unwrap()
}

/// A rule that asks for the permission `rule:<number>`, so that answers tell which rule it was.
fn rule(path: &str, methods: &[&str], number: usize) -> Rule {
    Rule {
        template: Template::parse(path).unwrap(),
        methods: (!methods.is_empty()).then(|| methods.iter().map(|method| (*method).into()).collect()),
        asks: Asks::Permissions(requirement(&format!("rule:{number}"))),
    }
}

fn routes(rules: &[(&str, &[&str])], unmatched: Unmatched) -> Routes {
    let rules =
        rules.iter().enumerate().map(|(number, (path, methods))| rule(path, methods, number)).collect();
    Routes::compile(rules, unmatched).unwrap()
}

/// The number of the rule that answers, or the answer where it is none of them.
fn found<'a>(routes: &'a Routes, method: &str, path: &str) -> Result<usize, Access<'a>> {
    match routes.find(method.as_bytes(), Some(path.as_bytes())) {
        Access::Requires(requirement) => Ok(requirement.to_string()["rule:".len()..].parse().unwrap()),
        access => Err(access),
    }
}

const UNMATCHED: Result<usize, Access<'static>> = Err(Access::Authenticated);
const NOBODY: Result<usize, Access<'static>> = Err(Access::Nobody);

#[test]
fn a_literal_beats_a_name_beats_the_rest_from_the_left() {
    let routes = routes(
        &[("/**", &[]), ("/a/**", &[]), ("/a/{x}", &[]), ("/a/b", &[]), ("/{x}/b", &[]), ("/{x}/{y}/c", &[])],
        Unmatched::Authenticated,
    );
    for (path, expected) in [
        ("/", 0),
        ("/z", 0),
        ("/a", 1),
        ("/a/", 1),
        ("/a/b", 3),
        ("/a/c", 2),
        // A literal first segment beats `{x}`, though `/{x}/{y}/c` fits the rest more closely.
        ("/a/b/c", 1),
        ("/z/b", 4),
        ("/z/b/c", 5),
        ("/z/c", 0),
        ("/z//", usize::MAX),
        ("/a/b?x=/c", 3),
        ("/a/b?", 3),
    ] {
        let expected = if expected == usize::MAX { NOBODY } else { Ok(expected) };
        assert_eq!(found(&routes, "GET", path), expected, "{path}");
    }
}

#[test]
fn a_rule_for_other_methods_is_passed_over() {
    let routes = routes(
        &[("/a", &["POST"]), ("/{x}", &["GET"]), ("/**", &["PUT"]), ("/a", &[]), ("/b", &["POST"])],
        Unmatched::Authenticated,
    );
    for (method, path, expected) in [
        ("POST", "/a", Ok(0)),
        ("GET", "/a", Ok(3)),
        ("POST", "/b", Ok(4)),
        ("GET", "/b", Ok(1)),
        ("PUT", "/b", Ok(2)),
        ("PATCH", "/b", UNMATCHED),
        // Upstreams may take it for POST.
        ("post", "/b", Ok(4)),
    ] {
        assert_eq!(found(&routes, method, path), expected, "{method} {path}");
    }
}

#[test]
fn head_is_what_it_is_listed_as_then_get_then_all() {
    let routes = routes(
        &[
            ("/both", &["GET"]),
            ("/both", &["HEAD"]),
            ("/get", &["GET"]),
            ("/get", &[]),
            ("/all", &[]),
            ("/post", &["POST"]),
        ],
        Unmatched::Authenticated,
    );
    for (path, expected) in
        [("/both", Ok(1)), ("/get", Ok(2)), ("/all", Ok(4)), ("/post", UNMATCHED), ("/none", UNMATCHED)]
    {
        assert_eq!(found(&routes, "HEAD", path), expected, "{path}");
        assert_eq!(found(&routes, "head", path), expected, "{path}");
    }
}

#[test]
fn the_rest_is_no_one_or_more_segments_and_a_name_is_never_empty() {
    let routes = routes(&[("/admin/**", &[]), ("/d/{id}", &[]), ("/e/", &[])], Unmatched::Authenticated);
    for (path, expected) in [
        ("/admin", Ok(0)),
        ("/admin/", Ok(0)),
        ("/admin/a/b/", Ok(0)),
        ("/administrator", UNMATCHED),
        ("/Admin", UNMATCHED),
        ("/d/7", Ok(1)),
        ("/d/", UNMATCHED),
        ("/d", UNMATCHED),
        ("/d/7/", UNMATCHED),
        ("/e/", Ok(2)),
        ("/e", UNMATCHED),
    ] {
        assert_eq!(found(&routes, "GET", path), expected, "{path}");
    }
}

#[test]
fn only_the_exact_path_is_public() {
    let rule = Rule {
        template: Template::parse("/healthz").unwrap(),
        methods: Some(vec!["GET".into()]),
        asks: Asks::Nothing,
    };
    let routes = Routes::compile(vec![rule], Unmatched::Authenticated).unwrap();
    let access = |method: &str, path: &str| routes.find(method.as_bytes(), Some(path.as_bytes()));
    for path in ["/healthz", "/healthz?x", "/healthz?/../v1"] {
        assert_eq!(access("GET", path), Access::Public, "{path}");
        assert_eq!(access("HEAD", path), Access::Public, "{path}");
    }
    for path in ["/healthz/", "/%68ealthz", "/HEALTHZ", "/healthz%20", "*"] {
        assert_eq!(access("GET", path), Access::Authenticated, "{path}");
    }
    for path in [
        "//healthz",
        "/x/../healthz",
        "/healthz;/../v1",
        "/.;/v1",
        "/healthz#",
        "http://a/healthz",
        "healthz",
        "",
    ] {
        assert_eq!(access("GET", path), Access::Nobody, "{path}");
    }
    assert_eq!(access("POST", "/healthz"), Access::Authenticated);
}

#[test]
fn no_path_and_a_star_match_no_rule() {
    for (unmatched, expected) in
        [(Unmatched::Authenticated, Access::Authenticated), (Unmatched::Deny, Access::Nobody)]
    {
        let routes = routes(&[("/**", &[])], unmatched);
        assert_eq!(routes.find(b"CONNECT", None), expected);
        assert_eq!(routes.find(b"OPTIONS", Some(b"*")), expected);
        assert_eq!(found(&routes, "OPTIONS", "*?x"), NOBODY);
    }
}

#[test]
fn without_rules_every_path_is_unmatched() {
    for (unmatched, expected) in
        [(Unmatched::Authenticated, Access::Authenticated), (Unmatched::Deny, Access::Nobody)]
    {
        let routes = routes(&[], unmatched);
        for path in [Some(&b"/a"[..]), Some(b"//a"), Some(b"a"), Some(b"*"), None] {
            assert_eq!(routes.find(b"GET", path), expected, "{path:?}");
        }
    }
}

#[test]
fn equal_rules_are_told_by_their_places() {
    for (rules, expected) in [
        (&[("/a", &[][..]), ("/b", &[]), ("/a", &[])][..], vec![(0, 2)]),
        (&[("/a/{x}", &["GET", "PUT"]), ("/a/{y}", &["PUT"])], vec![(0, 1)]),
        (&[("/a", &["GET"]), ("/a", &["PUT"]), ("/a", &["PUT", "GET"])], vec![(1, 2)]),
        (&[("/**", &[]), ("/**", &[]), ("/**", &[])], vec![(0, 1), (1, 2)]),
        (&[("/a", &[]), ("/a", &["GET"]), ("/a", &["HEAD"]), ("/a/**", &[]), ("/a/", &[])], vec![]),
    ] {
        let compiled = rules.iter().enumerate().map(|(number, (path, methods))| rule(path, methods, number));
        let clashes = Routes::compile(compiled.collect(), Unmatched::Deny).err().unwrap_or_default();
        let pairs: Vec<_> = clashes.iter().map(|clash| (clash.first, clash.second)).collect();
        assert_eq!(pairs, expected, "{rules:?}");
    }
}

#[test]
fn templates_are_in_normal_form_themselves() {
    for good in [
        "/",
        "/**",
        "/a",
        "/a/",
        "/a/**",
        "/{a}/{b_2}/**",
        "/a.b/..c",
        "/caf%C3%A9",
        "/~u/a:b@c",
        "/{_}",
        "/a=1,2",
    ] {
        assert!(Template::parse(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "a",
        "*",
        "**",
        "//",
        "/a//b",
        "/./a",
        "/a/..",
        "/a;b",
        "/a\\b",
        "/a%2Fb",
        "/a%2f",
        "/%5C",
        "/%2e",
        "/%00",
        "/a?b",
        "/a#b",
        "/a b",
        "/é",
        "/\u{7f}",
        "/\n",
        "/a%",
        "/a%2",
        "/a%zz",
        "/**/a",
        "/**/",
        "/a**",
        "/a/*",
        "/*",
        "/{}",
        "/{1}",
        "/{a-b}",
        "/{a",
        "/a}",
        "/{a}.json",
        "/x{a}",
        "/{a}{b}",
        "/{a}/{a}",
        "/{{a}}",
        "http://h/a",
    ] {
        assert!(Template::parse(bad).is_err(), "{bad}");
    }
    assert!(Template::parse(&"/a".repeat(64)).is_ok());
    assert!(Template::parse(&"/a".repeat(65)).is_err());
    assert!(Template::parse(&format!("/{}", "a".repeat(2047))).is_ok());
    assert!(Template::parse(&format!("/{}", "a".repeat(2048))).is_err());
}

#[test]
fn a_path_with_more_segments_than_any_template_is_found_all_the_same() {
    let deepest = (0..63).map(|n| format!("/{{x{n}}}")).collect::<String>() + "/**";
    let routes = routes(&[(&deepest, &[])], Unmatched::Authenticated);
    assert_eq!(found(&routes, "GET", &"/a".repeat(100_000)), Ok(0));
    assert_eq!(found(&routes, "GET", &"/a".repeat(62)), UNMATCHED);
}
