//! The tree against the plainest reading of the contract: look at every rule, keep the most
//! specific.

use proptest::prelude::*;

use super::*;

/// A rule as text: a path, and methods where it does not hold for all.
type Plain = (String, Option<Vec<&'static str>>);

/// How a template meets a path: a rank for each of its segments, lower being more specific; `None`
/// where it does not.
fn ranks(template: &str, path: &str) -> Option<Vec<u8>> {
    let mut wanted = template[1..].split('/');
    let mut given = path[1..].split('/');
    let mut ranks = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (Some("**"), _) => return Some([ranks, vec![2]].concat()),
            (None, None) => return Some([ranks, vec![0]].concat()),
            (Some(name), Some(segment)) if name.starts_with('{') && !segment.is_empty() => ranks.push(1),
            (Some(literal), Some(segment)) if literal == segment => ranks.push(0),
            _ => return None,
        }
    }
}

/// The place of the method's listing: an own one, then GET's for HEAD, then all methods.
fn method_rank(methods: Option<&[&str]>, method: &str) -> Option<u8> {
    let Some(methods) = methods else { return Some(2) };
    if methods.contains(&method) {
        Some(0)
    } else {
        (method == "HEAD" && methods.contains(&"GET")).then_some(1)
    }
}

/// The most specific of all rules that match.
fn model(rules: &[Plain], method: &str, path: &str) -> Option<usize> {
    let matching = rules.iter().enumerate().filter_map(|(number, (template, methods))| {
        Some((ranks(template, path)?, method_rank(methods.as_deref(), method)?, number))
    });
    matching.min().map(|(.., number)| number)
}

/// Contract §3 word by word.
fn is_normal_by_the_letter(path: &[u8]) -> bool {
    let lower = path.to_ascii_lowercase();
    let has = |wanted: &[u8]| lower.windows(wanted.len()).any(|window| window == wanted);
    let segments = path.split(|byte| *byte == b'/');
    path.first() == Some(&b'/')
        && !has(b"//")
        && ![&b";"[..], b"\\", b"#", b"%2f", b"%5c", b"%2e", b"%00"].into_iter().any(has)
        && !path.iter().any(|byte| byte.is_ascii_control() || !byte.is_ascii())
        && !segments.into_iter().any(|segment| segment == b"." || segment == b"..")
}

fn segment() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", ""]).prop_map(str::to_owned)
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(segment(), 1..5).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn template() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "b", "{}", "{}"]);
    let end = prop::sample::select(vec!["", "", "/**", "/"]);
    (prop::collection::vec(part, 0..4), end).prop_map(|(parts, end)| {
        let named = |(place, part): (usize, &&str)| part.replace("{}", &format!("{{p{place}}}"));
        let text = parts.iter().enumerate().map(|p| format!("/{}", named(p))).collect::<String>() + end;
        if text.is_empty() { "/".to_owned() } else { text }
    })
}

fn methods() -> impl Strategy<Value = Option<Vec<&'static str>>> {
    prop::option::of(prop::sample::subsequence(vec!["GET", "HEAD", "PUT"], 1..3))
}

fn compile(rules: &[Plain]) -> Result<Routes, Vec<Clash>> {
    let rules = rules
        .iter()
        .enumerate()
        .map(|(number, (path, methods))| rule(path, methods.as_deref().unwrap_or_default(), number));
    Routes::compile(rules.collect(), Unmatched::Authenticated)
}

/// Rules without those that equal an earlier one.
fn distinct() -> impl Strategy<Value = Vec<Plain>> {
    prop::collection::vec((template(), methods()), 0..10).prop_map(|rules| {
        let mut kept: Vec<Plain> = Vec::new();
        for rule in rules {
            kept.push(rule);
            if compile(&kept).is_err() {
                kept.pop();
            }
        }
        kept
    })
}

proptest! {
    #[test]
    fn the_tree_finds_what_the_model_finds(rules in distinct(), path in path(), method in methods()) {
        let method = method.map_or("PATCH", |methods| methods[0]);
        let routes = compile(&rules).unwrap();
        let expected = if rules.is_empty() {
            UNMATCHED
        } else if is_normal_by_the_letter(path.as_bytes()) {
            model(&rules, method, &path).map_or(UNMATCHED, Ok)
        } else {
            NOBODY
        };
        prop_assert_eq!(found(&routes, method, &path), expected);
    }

    #[test]
    fn the_order_of_rules_does_not_matter(
        (rules, shuffled) in distinct().prop_flat_map(|rules| (Just(rules.clone()), Just(rules).prop_shuffle())),
        paths in prop::collection::vec(path(), 1..20),
    ) {
        let (routes, other) = (compile(&rules).unwrap(), compile(&shuffled).unwrap());
        for path in &paths {
            for method in ["GET", "HEAD", "PUT", "PATCH"] {
                let first = found(&routes, method, path).map(|number| &rules[number]);
                let second = found(&other, method, path).map(|number| &shuffled[number]);
                prop_assert_eq!(first, second);
            }
        }
    }

    #[test]
    fn normal_form_is_the_contracts(path in r"/?([a./;\\#%25fFeEcC0 \x00-\x1f\x7f-\xff]|%2[eEfF]|%5[cC]|%00|/\.\.?/?){0,12}") {
        prop_assert_eq!(is_normal(path.as_bytes()), is_normal_by_the_letter(path.as_bytes()));
    }

    #[test]
    fn any_bytes_are_found_and_none_that_is_not_normal_is_public(
        method in prop::collection::vec(any::<u8>(), 0..8),
        path in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let public = |path: &str| Rule {
            template: Template::parse(path).unwrap(),
            methods: None,
            asks: Asks::Nothing,
        };
        let routes = Routes::compile(vec![public("/**")], Unmatched::Authenticated).unwrap();
        let before_query = path.split(|byte| *byte == b'?').next().unwrap();
        let access = routes.find(&method, Some(&path));
        let expected = match is_normal_by_the_letter(before_query) {
            true => Access::Public,
            false if path == b"*" => Access::Authenticated,
            false => Access::Nobody,
        };
        prop_assert_eq!(access, expected);
    }

    #[test]
    fn any_text_is_a_template_or_is_refused(text in "\\PC*", slashed in "/[a{}*/%.]{0,20}") {
        for text in [&text, &slashed] {
            if let Ok(template) = Template::parse(text) {
                prop_assert!(is_normal(text.as_bytes()));
                let rule = Rule { template, methods: None, asks: Asks::Credential };
                prop_assert!(Routes::compile(vec![rule], Unmatched::Deny).is_ok());
            }
        }
    }
}
