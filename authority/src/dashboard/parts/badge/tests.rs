use flint_contract::key::{Digest, Environment};

use super::*;

const NOW: i64 = 1_790_000_000;

fn key() -> Key {
    Key {
        id: "key_1".into(),
        digest: Digest::of(b"x"),
        version: 1,
        name: "x".into(),
        environment: Environment::Live,
        hint: None,
        permissions: Vec::new(),
        owner: None,
        allowed_cidrs: None,
        not_before: None,
        expires_at: Some(NOW + 90 * DAY),
        revoked_at: None,
        revoke_reason: None,
        rotate_by: Some(NOW + 90 * DAY),
        replaces: None,
        replaced_by: None,
        created_at: NOW,
        created_by: "cli:x".into(),
        updated_at: NOW,
    }
}

#[track_caller]
fn check(key: &Key, expected: &[(&str, &str)]) {
    let badges = badges(key, &[], NOW);
    let found: Vec<_> = badges.iter().map(|badge| (badge.label, badge.reason.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_key_stands_as_its_times_say() {
    check(&key(), &[("Active", "")]);
    check(&Key { expires_at: Some(NOW + 3 * DAY), ..key() }, &[("Expires soon", "in 3 days")]);
    check(&Key { expires_at: Some(NOW), ..key() }, &[("Expired", "just now")]);
    check(&Key { not_before: Some(NOW + 60), ..key() }, &[("Not yet valid", "in 1 minute")]);
    check(&Key { rotate_by: Some(NOW + 3 * DAY), ..key() }, &[("Rotation due", "in 3 days")]);
    let revoked = Key { revoked_at: Some(NOW - 60), revoke_reason: Some("it leaked".into()), ..key() };
    check(&revoked, &[("Revoked", "1 minute ago: it leaked")]);
}

#[test]
fn the_gravest_comes_first() {
    let late = Key { expires_at: Some(NOW + DAY), rotate_by: Some(NOW - 3 * DAY), ..key() };
    check(&late, &[("Rotation overdue", "3 days ago"), ("Expires soon", "in 24 hours")]);
}

#[test]
fn a_key_with_a_successor_is_not_due() {
    let end = Some(NOW + 23 * 3_600);
    let old = Key { replaced_by: Some("key_2".into()), rotate_by: Some(NOW), expires_at: end, ..key() };
    check(&old, &[("Superseded", "expires in 23 hours")]);
}

#[test]
fn many_refusals_are_told_once_there_are_enough_requests() {
    let points = |allowed, refused| {
        [("allowed", allowed), ("missing_permission", refused)].map(|(outcome, count)| Point {
            start: NOW,
            outcome: outcome.into(),
            count,
        })
    };
    assert_eq!(badges(&key(), &points(80, 20), NOW)[0].reason, "20 % of 30 days");
    assert_eq!(badges(&key(), &points(91, 9), NOW)[0].label, "Active");
    assert_eq!(badges(&key(), &points(1, 9), NOW)[0].label, "Active");
}

#[test]
fn what_people_wrote_is_escaped() {
    let badge = Badge::new("bad", "Revoked", "<script>".into());
    assert!(!badge.to_string().contains("<script>"));
}
