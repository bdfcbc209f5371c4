use proptest::prelude::*;
use serde_json::json;

use super::*;

fn hex(number: u8) -> String {
    Digest::of(&[number]).to_hex()
}

fn key(number: u8) -> serde_json::Value {
    json!({"sha256": hex(number), "id": format!("key_{number}"), "environment": "live", "permissions": ["a:b"]})
}

fn parse(page: &serde_json::Value) -> Result<Page, BadPage> {
    Page::parse(page.to_string().as_bytes())
}

fn with(number: u8, field: &str, value: serde_json::Value) -> serde_json::Value {
    let mut key = key(number);
    key[field] = value;
    key
}

#[test]
fn a_whole_page_is_read() {
    let full = json!({
        "sha256": hex(1), "id": "key_01", "environment": "test", "permissions": ["documents:read", "a:*", "*"],
        "owner": "org_7", "not_before": 1, "expires_at": 2, "revoked_at": null,
        "allowed_cidrs": ["203.0.113.0/24", "2001:db8::/32"], "unknown": {"a": [1]},
    });
    let page =
        parse(&json!({"cursor": "c", "more": true, "reset": true, "keys": [full], "removed": [hex(2)],
        "revoked_tokens": [{"jti": "x", "expires_at": 1}], "extra": 1}))
        .unwrap();
    assert_eq!((page.cursor.as_str(), page.more, page.reset, page.dropped), ("c", true, true, 0));
    let [(_, Some(entry)), (removed, None), (_, Some(_))] = &page.changes[..] else { panic!("{page:?}") };
    assert_eq!(
        (&*entry.id, entry.environment, entry.owner.as_deref()),
        ("key_01", Environment::Test, Some("org_7"))
    );
    assert_eq!((entry.not_before, entry.expires_at, entry.revoked_at), (Some(1), Some(2), None));
    assert_eq!(entry.allowed_cidrs.as_ref().map(Vec::len), Some(2));
    assert_eq!(*removed, Digest::of(&[2]));
}

#[test]
fn absent_lists_are_empty_and_an_empty_list_of_cidrs_is_kept() {
    let page = parse(&json!({"cursor": "", "more": false})).unwrap();
    assert_eq!(page, Page { cursor: String::new(), ..Page::default() });
    let page =
        parse(&json!({"cursor": "", "more": false, "keys": [with(1, "allowed_cidrs", json!([]))]})).unwrap();
    assert_eq!(page.changes[0].1.as_ref().unwrap().allowed_cidrs, Some(vec![]));
}

#[test]
fn a_field_of_a_wrong_type_makes_the_page_bad() {
    for (field, value) in [
        ("cursor", json!(1)),
        ("cursor", json!(null)),
        ("more", json!("false")),
        ("reset", json!(0)),
        ("keys", json!({})),
        ("removed", json!("x")),
        ("revoked_tokens", json!(3)),
        ("cursor", json!("c".repeat(MAX_CURSOR + 1))),
    ] {
        let mut page = json!({"cursor": "c", "more": false});
        page[field] = value;
        assert_eq!(parse(&page), Err(BadPage::Shape), "{page}");
    }
    assert_eq!(parse(&json!({"cursor": "c"})), Err(BadPage::Shape));
    assert_eq!(parse(&json!({"more": true})), Err(BadPage::Shape));
    assert_eq!(parse(&json!([])), Err(BadPage::Shape));
}

/// In 32 bits, room for fifteen million entries is more than there is: to reserve it is to die.
#[test]
fn a_page_of_many_more_entries_than_were_asked_for_is_refused_whole() {
    let list = |count: usize| format!("[{}1]", "1,".repeat(count - 1));
    let page = |field: &str, list: &str| {
        Page::parse(format!("{{\"cursor\":\"c\",\"more\":false,\"{field}\":{list}}}").as_bytes())
    };
    let most = list(MAX_ENTRIES);
    assert_eq!(page("keys", &most).unwrap().dropped, MAX_ENTRIES as u64);
    for count in [MAX_ENTRIES + 1, MAX_ENTRIES + 2, 200_000] {
        let list = list(count);
        for field in ["keys", "removed", "revoked_tokens"] {
            assert_eq!(page(field, &list), Err(BadPage::Excess), "{count} {field}");
        }
        assert!(page("unknown", &list).is_ok());
        assert_eq!(page("keys", &list[..list.len() - 1]), Err(BadPage::Json));
    }
    let both = format!("{{\"cursor\":\"c\",\"more\":false,\"keys\":{most},\"removed\":[1]}}");
    assert_eq!(Page::parse(both.as_bytes()), Err(BadPage::Excess));
    let long = format!("{{\"cursor\":\"c\",\"more\":false{}}}", " ".repeat(MAX_PAGE));
    assert_eq!(Page::parse(long.as_bytes()), Err(BadPage::Excess));
}

#[test]
fn an_entry_that_is_too_long_is_bad() {
    for (length, dropped) in [(MAX_ENTRY - 300, 0), (MAX_ENTRY, 1)] {
        let long = with(1, "unknown", json!("x".repeat(length)));
        let page = parse(&json!({"cursor": "c", "more": false, "keys": [long, key(2)]})).unwrap();
        assert_eq!((page.dropped, page.changes[0].1.is_none()), (dropped, dropped == 1));
        assert!(page.changes[1].1.is_some());
    }
}

#[test]
fn what_is_not_whole_json_is_bad() {
    let deep = format!("{{\"cursor\":\"c\",\"more\":false,\"x\":{}", "[".repeat(500_000));
    for body in ["", "{", "{\"cursor\":\"c\",\"more\":false}x", "<html>", "\u{feff}{}", deep.as_str()] {
        assert!(Page::parse(body.as_bytes()).is_err(), "{}", body.len());
    }
    assert!(Page::parse(b"{\"cursor\":\"\xff\",\"more\":false}").is_err());
}

#[test]
fn a_bad_entry_costs_itself_and_what_is_held_under_its_digest() {
    for (field, value) in [
        ("id", json!(7)),
        ("id", json!("a b")),
        ("environment", json!("prod")),
        ("permissions", json!("a:b")),
        ("permissions", json!(["a:b", "Bad"])),
        ("owner", json!("a b")),
        ("not_before", json!(1.5)),
        ("expires_at", json!("2")),
        ("revoked_at", json!(1e30)),
        ("allowed_cidrs", json!(["10.0.0.1/8"])),
        ("allowed_cidrs", json!("10.0.0.0/8")),
    ] {
        let bad = with(1, field, value);
        let page = parse(&json!({"cursor": "c", "more": false, "keys": [bad, key(2)]})).unwrap();
        assert_eq!(page.dropped, 1, "{bad}");
        assert_eq!(page.changes[0], (Digest::of(&[1]), None), "{bad}");
        assert!(page.changes[1].1.is_some());
    }
    let nameless = [with(1, "sha256", json!(hex(1).to_uppercase())), with(1, "sha256", json!(5)), json!(3)];
    let page =
        parse(&json!({"cursor": "c", "more": false, "keys": nameless, "removed": ["x", 5, hex(9)]})).unwrap();
    assert_eq!((page.dropped, page.changes.len()), (5, 1));
}

#[test]
fn the_last_entry_of_a_digest_wins_and_removal_beats_them_all() {
    let keys = json!([
        key(1),
        with(1, "id", json!("last")),
        key(2),
        with(3, "id", json!("")),
        key(3),
        key(4),
        with(4, "id", json!(""))
    ]);
    let page = parse(&json!({"cursor": "c", "more": false, "keys": keys, "removed": [hex(2)]})).unwrap();
    let kept = |number: u8| {
        let mut changes = page.changes.iter().filter(|(digest, _)| *digest == Digest::of(&[number]));
        let (_, entry) = changes.next().unwrap();
        assert!(changes.next().is_none());
        entry.as_ref().map(|entry| &*entry.id)
    };
    assert_eq!((kept(1), kept(2), kept(3), kept(4)), (Some("last"), None, Some("key_3"), None));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Page::parse(&body);
    }
}
