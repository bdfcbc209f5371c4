//! Pages that are bad, and pages with bad entries (contract §6, acceptance D1).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::authority::Reply;
use crate::client::Request;
use crate::harness::{eventually, now};
use crate::keys::Key;
use crate::scene::{Scene, configuration, with_authority};

fn status(scene: &Scene, key: &Key) -> u16 {
    scene.send("main", &Request::get("/documents").bearer(&key.secret)).status
}

fn body(text: impl Into<String>) -> Reply {
    Reply::Body(String::new(), text.into().into_bytes())
}

/// Every way of failing to answer with a page.
fn bad_answers() -> Vec<(&'static str, Reply)> {
    let page = |fields: Value| {
        let mut page = json!({"cursor": "bad", "more": false, "keys": []});
        for (name, value) in fields.as_object().expect("fields") {
            page[name] = value.clone();
        }
        Reply::Page(page)
    };
    let good = r#"{"cursor": "bad", "more": false}"#;
    vec![
        ("500", Reply::Status(500, good.into())),
        ("401", Reply::Status(401, "{}".into())),
        ("404", Reply::Status(404, "not found".into())),
        ("204", Reply::Status(204, String::new())),
        ("206", Reply::Status(206, good.into())),
        ("304", Reply::Status(304, String::new())),
        ("reset", Reply::Reset),
        ("cut short", Reply::CutShort),
        ("nothing", body("")),
        ("text", body("<html>")),
        ("half", body(r#"{"cursor": "bad", "more": false, "keys": ["#)),
        ("two", body(format!("{good}{good}"))),
        ("not UTF-8", Reply::Body(String::new(), b"{\"cursor\": \"\xff\", \"more\": false}".to_vec())),
        ("deep", body("[".repeat(200_000))),
        ("deep keys", body(format!(r#"{{"cursor": "bad", "more": false, "keys": {}"#, "[".repeat(200_000)))),
        ("encoded", Reply::Body("content-encoding: gzip\r\n".into(), good.as_bytes().to_vec())),
        ("a list", body("[]")),
        ("null", body("null")),
        ("no cursor", body(r#"{"more": false}"#)),
        ("no more", body(r#"{"cursor": "bad"}"#)),
        ("cursor", page(json!({"cursor": 7}))),
        ("null cursor", page(json!({"cursor": null}))),
        ("more", page(json!({"more": "false"}))),
        ("reset flag", page(json!({"reset": 0}))),
        ("keys", page(json!({"keys": {}}))),
        ("removed", page(json!({"removed": "all"}))),
        ("revoked tokens", page(json!({"revoked_tokens": 3}))),
    ]
}

#[test]
fn a_bad_page_changes_nothing_and_is_counted() {
    let scene = Scene::start(4, configuration(json!({})));
    let (held, never) = (Key::live("held").may(&["*"]), Key::live("never").may(&["*"]));
    scene.authority.publish([&held]);
    for (name, reply) in bad_answers() {
        let cursor = scene.authority.polls().last().expect("there are calls").cursor().map(str::to_owned);
        scene.authority.every_poll(reply);
        scene.authority.polled_again(2);
        assert_eq!((status(&scene, &held), status(&scene, &never)), (200, 401), "{name}");
        let last = scene.authority.polls().pop().expect("there are calls");
        assert_eq!(last.cursor().map(str::to_owned), cursor, "{name} moved the cursor");
        scene.authority.recover();
        let new = Key::live("new").may(&["*"]);
        scene.authority.publish([&new]);
        assert_eq!((status(&scene, &held), status(&scene, &new)), (200, 200), "after {name}");
    }
    eventually("failures are counted", || failures(&scene) >= 27);
}

fn failures(scene: &Scene) -> u64 {
    scene.gateway.statistics().holding("flint_poll_failures_").map(|(_, value)| value).sum()
}

/// Pages that are JSON and of the right shape, and cost as much as a page can.
fn hostile_pages() -> Vec<(&'static str, String)> {
    let page = |fields: String| format!(r#"{{"cursor": "hostile", "more": false, {fields}}}"#);
    let list = |field: &str, bytes: usize| page(format!(r#""{field}": [{}1]"#, "1,".repeat(bytes / 2)));
    let entry = r#"{"sha256": "ID", "id": "k", "environment": "live", "permissions": ["a:b"]}"#;
    let entries = |bytes: usize| {
        let numbers = 0..bytes / (entry.len() + 63);
        let all: Vec<String> = numbers.map(|number| entry.replace("ID", &format!("{number:064x}"))).collect();
        page(format!(r#""keys": [{}]"#, all.join(",")))
    };
    let permissions =
        entry.replace("ID", &"0".repeat(64)).replace("\"a:b\"", &vec!["\"a:b\""; 2_000_000].join(","));
    vec![
        ("as many entries as Envoy lets through", list("keys", 30 << 20)),
        ("as many entries as are read", list("keys", 15 << 20)),
        ("as many removals as are read", list("removed", 15 << 20)),
        ("as many revoked tokens as are read", list("revoked_tokens", 15 << 20)),
        ("good entries, as many as Envoy lets through", entries(31 << 20)),
        ("good entries, as many as are read", entries(15 << 20)),
        ("a key of two million permissions", page(format!(r#""keys": [{permissions}]"#))),
        ("an unknown list", list("unknown", 15 << 20)),
    ]
}

/// No failure policy is set: a VM that dies stays dead, and its worker refuses everything.
#[test]
fn no_page_costs_a_vm_or_the_table() {
    let scene = Scene::start(2, configuration(json!({})));
    let held = Key::live("held").may(&["*"]);
    scene.authority.publish([&held]);
    for (name, page) in hostile_pages() {
        scene.authority.next_polls([body(page)]);
        scene.authority.polled_again(2);
        assert_eq!(status(&scene, &held), 200, "after {name}");
        scene.gateway.is_unharmed();
    }
    let refused = || scene.gateway.statistics().flint("poll_failures_shape");
    eventually("six were refused whole", || refused() == 6);
    assert!(scene.connections("main").iter_mut().all(|connection| {
        connection.send(&Request::get("/documents").bearer(&held.secret)).status == 200
    }));
}

#[test]
fn a_call_is_given_up_in_time() {
    let scene = Scene::start(1, with_authority(json!({"wait_seconds": 1, "timeout_seconds": 1})));
    let held = Key::live("held").may(&["*"]);
    scene.authority.publish([&held]);
    let given_up = || {
        scene.authority.every_poll(Reply::Never);
        scene.authority.polled_again(2);
        let calls = scene.authority.polls();
        let apart = calls[calls.len() - 1].at - calls[calls.len() - 2].at;
        assert_eq!(status(&scene, &held), 200);
        scene.authority.recover();
        scene.authority.publish([Key::live("new")]);
        apart
    };
    // One second of the timeout, one of waiting where it asked for that, and the back-off. By
    // default it were 30. Where the first call was noted late, the second seems to come too soon
    // after it.
    let range = Duration::from_millis(900)..Duration::from_secs(25);
    assert!((0..10).any(|_| range.contains(&given_up())));
}

#[test]
fn an_answer_of_more_than_envoy_holds_is_a_failure_like_others() {
    let scene = Scene::start(1, configuration(json!({})));
    let held = Key::live("held").may(&["*"]);
    scene.authority.publish([&held]);
    scene.authority.next_polls([Reply::Huge(34 << 20)]);
    scene.authority.polled_again(2);
    assert_eq!(status(&scene, &held), 200);
    eventually("the failure is counted", || failures(&scene) >= 1);
    scene.authority.publish([Key::live("new")]);
}

#[test]
fn failures_are_answered_with_longer_and_longer_waits() {
    let scene = Scene::start(4, configuration(json!({})));
    scene.authority.publish([Key::live("any")]);
    scene.authority.every_poll(Reply::Status(500, "{}".into()));
    let before = scene.authority.polls().len();
    scene.authority.polled_again(6);
    let calls = scene.authority.polls().split_off(before);
    let waits: Vec<_> = calls.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    // The second wait of the row and those after it, each at its shortest. How long the machine
    // adds is nothing to it.
    for (wait, least) in waits.iter().zip([90, 190, 390, 790, 1590]) {
        assert!(*wait > Duration::from_millis(least), "{waits:?}");
    }
    let first_three: Duration = waits[..3].iter().sum();
    assert!(first_three < Duration::from_secs(25), "it does try again soon: {waits:?}");
    scene.authority.recover();
    let begun = Instant::now();
    for _ in 0..8 {
        scene.authority.publish([Key::live("new")]);
        let before = scene.authority.polls().len();
        scene.authority.next_polls([Reply::Reset, Reply::Status(503, "{}".into())]);
        scene.authority.polled(before + 2);
    }
    // As the seventh and the eighth failure of a row, each two would be followed by more than eight
    // seconds.
    assert!(begun.elapsed() < Duration::from_secs(60), "a success has ended the row: {:?}", begun.elapsed());
}

#[test]
fn a_bad_entry_costs_only_itself() {
    let scene = Scene::start(4, configuration(json!({})));
    let good = |name| Key::live(name).may(&["*"]);
    let bad = [
        ("sha256", json!(null)),
        ("sha256", json!("abc")),
        ("sha256", json!(good("upper").digest().to_uppercase())),
        ("sha256", json!(7)),
        ("id", json!(null)),
        ("id", json!("")),
        ("id", json!("a".repeat(65))),
        ("id", json!("a b")),
        ("environment", json!("prod")),
        ("environment", json!("LIVE")),
        ("permissions", json!(null)),
        ("permissions", json!("documents:read")),
        ("permissions", json!(["documents"])),
        ("permissions", json!(["*", "Documents:read"])),
        ("permissions", json!([7])),
        ("owner", json!("a b")),
        ("owner", json!("")),
        ("owner", json!("o".repeat(129))),
        ("not_before", json!("soon")),
        ("expires_at", json!(1.5)),
        ("revoked_at", json!(true)),
        ("allowed_cidrs", json!("127.0.0.0/8")),
        ("allowed_cidrs", json!(["127.0.0.1/8"])),
        ("allowed_cidrs", json!(["127.0.0.0/33", "127.0.0.1"])),
        ("allowed_cidrs", json!([null])),
    ];
    for (field, value) in &bad {
        let (held, fresh, beside) = (good("held"), good("fresh"), good("beside"));
        scene.authority.publish([&held]);
        let spoilt = |key: &Key| key.clone().with(field, value.clone()).entry;
        // Before and after the bad ones, so that neither is lost with them.
        let page = [spoilt(&fresh), beside.entry.clone()];
        scene.authority.publish(page);
        assert_eq!((status(&scene, &fresh), status(&scene, &beside)), (401, 200), "{field} {value}");
    }
    scene.authority.publish([json!(7), json!("key"), json!(null), json!([]), json!({})]);
    let all = u64::try_from(bad.len()).unwrap() + 5;
    eventually("every one is counted", || scene.gateway.statistics().flint("entries_dropped") == all);
}

#[test]
fn a_held_key_whose_new_entry_is_bad_is_refused() {
    let scene = Scene::start(4, configuration(json!({})));
    for (field, value) in [
        ("permissions", json!(["bad permission"])),
        ("environment", json!("prod")),
        ("expires_at", json!("never")),
        ("allowed_cidrs", json!(["10.0.0.1/8"])),
        ("id", json!(null)),
    ] {
        let key = Key::live("held").may(&["*"]);
        scene.authority.publish([&key]);
        assert_eq!(status(&scene, &key), 200);
        scene.authority.publish([key.clone().with(field, value)]);
        assert_eq!(status(&scene, &key), 401, "{field}");
        scene.authority.publish([&key]);
        assert_eq!(status(&scene, &key), 200, "a good entry brings it back");
    }
}

#[test]
fn unknown_fields_are_ignored_and_null_is_as_absent() {
    let scene = Scene::start(1, configuration(json!({})));
    scene.authority.synced();
    let mut key = Key::live("modern").may(&["*"]).with("colour", "green").with("nested", json!({"a": [1]}));
    for field in ["owner", "not_before", "expires_at", "revoked_at", "allowed_cidrs"] {
        key = key.with(field, Value::Null);
    }
    let page = json!({
        "cursor": "db1-0", "more": false, "keys": [key.entry], "region": "eu", "hints": {"x": 1},
    });
    scene.authority.next_polls([Reply::Page(page)]);
    eventually("the page takes effect", || status(&scene, &key) == 200);
    let early =
        Key::live("early").may(&["*"]).with("revoked_at", now() + 3600).with("expires_at", now() + 3600);
    scene.authority.publish([&early]);
    assert_eq!(status(&scene, &early), 200);
}
