//! Grants and permissions against a reading segment by segment.

use flint_contract::permission::{Permission, Requirement, grants, is_grant, is_permission};
use proptest::prelude::*;

fn words() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop::sample::select(vec!["a", "ab", "b", "read"]).prop_map(str::to_owned), 2..5)
}

fn grant() -> impl Strategy<Value = String> {
    (words(), 0..4_usize).prop_map(|(words, kind)| match kind {
        0 => "*".to_owned(),
        1 => words.split_last().map_or_else(String::new, |(_, words)| format!("{}:*", words.join(":"))),
        _ => words.join(":"),
    })
}

/// The rule of contract §3, segment by segment.
fn covers(grant: &str, permission: &str) -> bool {
    let (mut held, mut wanted) = (grant.split(':'), permission.split(':'));
    loop {
        match (held.next(), wanted.next()) {
            (Some("*"), Some(_)) => return true,
            (Some(a), Some(b)) if a == b => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

proptest! {
    #[test]
    fn a_grant_covers_what_it_covers_segment_by_segment(grant in grant(), permission in words()) {
        let permission = permission.join(":");
        prop_assert!(is_grant(&grant) && is_permission(&permission));
        prop_assert_eq!(grants(&grant, &permission), covers(&grant, &permission), "{} {}", grant, permission);
    }

    #[test]
    fn a_requirement_is_met_as_its_two_lists_say(
        held in prop::collection::vec(grant(), 0..4),
        all_of in prop::collection::vec(words(), 0..3),
        any_of in prop::collection::vec(words(), 0..3),
    ) {
        let list = |list: &[Vec<String>]| list.iter().map(|words| words.join(":")).collect::<Vec<_>>();
        let (all_of, any_of) = (list(&all_of), list(&any_of));
        let parse = |list: &[String]| list.iter().map(|text| Permission::parse(text).unwrap()).collect();
        let Some(requirement) = Requirement::new(parse(&all_of), parse(&any_of)) else {
            prop_assert!(all_of.is_empty() && any_of.is_empty());
            return Ok(());
        };
        let has = |wanted: &String| held.iter().any(|grant| covers(grant, wanted));
        let expected = all_of.iter().all(has) && (any_of.is_empty() || any_of.iter().any(has));
        prop_assert_eq!(requirement.is_met_by(held.iter().map(String::as_str)), expected);
    }

    #[test]
    fn any_text_is_a_permission_a_grant_or_neither(text in "\\PC*", near in "[a-z0-9:*_.-]{0,70}") {
        for text in [text, near] {
            let segments: Vec<_> = text.split(':').collect();
            let good = |segment: &&str| {
                segment.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                    && segment.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.-".contains(c))
            };
            let concrete = text.len() <= 64 && segments.len() >= 2 && segments.iter().all(good);
            let wild = text.len() <= 64
                && segments.len() >= 2
                && segments.last() == Some(&"*")
                && segments.iter().take(segments.len() - 1).all(good);
            prop_assert_eq!(is_permission(&text), concrete);
            prop_assert_eq!(is_grant(&text), concrete || wild || text == "*");
        }
    }
}
