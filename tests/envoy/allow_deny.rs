//! Which requests pass and which do not (contract §3): every outcome, on both protocols and all
//! workers.

use serde_json::{Value, json};

use crate::client::{Protocol, Request};
use crate::expect;
use crate::harness::{eventually, now};
use crate::keys::Key;
use crate::scene::{Scene, configuration, shared, with_authority};

#[test]
fn a_good_key_is_let_through_by_every_worker() {
    let scene = shared();
    let key = Key::live("reader").may(&["documents:read"]);
    scene.authority.publish([&key]);
    let request = Request::get("/documents").bearer(&key.secret);
    for mut connection in scene.connections("main") {
        assert_eq!(connection.send(&request).status, 200);
    }
    for protocol in Protocol::ALL {
        let (answer, line) = scene.send_logged(protocol, "main", request.clone());
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!((&line["outcome"], &line["key_id"]), (&json!("allowed"), &json!(key.id)));
    }
}

#[test]
fn every_refusal_is_answered_as_documented() {
    let scene = shared();
    let soon = now() + 3600;
    let past = now() - 1;
    let any = || Key::live("any").may(&["*"]);
    let keys = [
        ("revoked", any().with("revoked_at", past)),
        ("expired", any().with("expires_at", past)),
        ("not_yet_valid", any().with("not_before", soon)),
        ("wrong_environment", Key::test("any").may(&["*"])),
        ("address_not_allowed", any().with("allowed_cidrs", json!(["203.0.113.0/24"]))),
        ("address_not_allowed", any().with("allowed_cidrs", json!([]))),
        ("missing_permission", Key::live("poor").may(&["documents:write"])),
        ("unknown_key", Key::live("unpublished")),
        ("malformed", Key { secret: "flint_live_a.b".into(), ..any() }),
    ];
    scene.authority.publish(keys.iter().take(7).map(|(_, key)| key));
    for protocol in Protocol::ALL {
        for (outcome, key) in &keys {
            let request = Request::get("/documents").bearer(&key.secret);
            let (answer, line) = scene.send_logged(protocol, "main", request);
            expect::denied(&answer, outcome);
            assert_eq!(line["outcome"], *outcome);
            assert_eq!(line["details"], format!("flint_{outcome}"));
            let known = !matches!(*outcome, "unknown_key" | "malformed");
            assert_eq!(line["key_id"], if known { json!(key.id) } else { Value::Null });
        }
    }
}

#[test]
fn the_first_reason_in_the_contracts_order_is_the_answer() {
    let scene = shared();
    let past = now() - 10;
    let worst =
        Key::test("worst").with("revoked_at", past).with("expires_at", past).with("allowed_cidrs", json!([]));
    let expired = Key::test("expired").with("expires_at", past).with("allowed_cidrs", json!([]));
    let early = Key::test("early").with("not_before", now() + 999).with("allowed_cidrs", json!([]));
    let elsewhere = Key::test("elsewhere").with("allowed_cidrs", json!([]));
    let far = Key::live("far").with("allowed_cidrs", json!(["2001:db8::/32"]));
    scene.authority.publish([&worst, &expired, &early, &elsewhere, &far]);
    for (key, outcome) in [
        (worst, "revoked"),
        (expired, "expired"),
        (early, "not_yet_valid"),
        (elsewhere, "wrong_environment"),
        (far, "address_not_allowed"),
    ] {
        expect::denied(&scene.send("main", &Request::get("/documents").bearer(&key.secret)), outcome);
    }
}

#[test]
fn the_environments_that_are_admitted_decide_which_keys_pass() {
    let scene = shared();
    let (live, test) = (Key::live("any").may(&["*"]), Key::test("any").may(&["*"]));
    scene.authority.publish([&live, &test]);
    for (listener, key, status) in [
        ("main", &live, 200),
        ("main", &test, 403),
        ("test", &live, 403),
        ("test", &test, 200),
        ("both", &live, 200),
        ("both", &test, 200),
    ] {
        let answer = scene.send(listener, &Request::get("/documents").bearer(&key.secret));
        assert_eq!(answer.status, status, "{listener}: {answer:?}");
        if status == 403 {
            expect::denied(&answer, "wrong_environment");
        }
    }
}

#[test]
fn a_missing_permission_names_what_the_route_asks_for_and_not_what_the_key_holds() {
    let scene = shared();
    let key = Key::live("secretive").may(&["billing:refund"]);
    scene.authority.publish([&key]);
    for (method, path, scope) in [
        ("GET", "/documents", "documents:read"),
        ("DELETE", "/documents/7", "documents:write documents:admin"),
        ("GET", "/admin/users", "admin:all"),
    ] {
        let answer = scene.send("main", &Request::new(method, path).bearer(&key.secret));
        expect::denied(&answer, "missing_permission");
        let challenge = format!(r#"Bearer realm="flint", error="insufficient_scope", scope="{scope}""#);
        assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()));
    }
}

#[test]
fn grants_cover_whole_segments_and_imply_nothing() {
    let scene = shared();
    for (grant, status) in [
        ("documents:read", 200),
        ("documents:*", 200),
        ("*", 200),
        ("documents:write", 403),
        ("documents:admin", 403),
        ("documents:read:*", 403),
        ("documents2:*", 403),
    ] {
        let key = Key::live("granted").may(&[grant]);
        scene.authority.publish([&key]);
        let answer = scene.send("main", &Request::get("/documents").bearer(&key.secret));
        assert_eq!(answer.status, status, "{grant}: {answer:?}");
    }
}

#[test]
fn the_address_is_the_connections_and_no_header_changes_it() {
    let scene = shared();
    for (blocks, status) in [
        (json!(["127.0.0.1"]), 200),
        (json!(["127.0.0.0/8"]), 200),
        (json!(["2001:db8::/32", "127.0.0.1/32"]), 200),
        (Value::Null, 200),
        (json!(["127.0.0.2"]), 403),
        (json!(["203.0.113.9"]), 403),
        (json!(["::/0"]), 403),
    ] {
        let key = Key::live("placed").may(&["*"]).with("allowed_cidrs", blocks.clone());
        scene.authority.publish([&key]);
        let request = Request::get("/documents").bearer(&key.secret).header("x-forwarded-for", "203.0.113.9");
        let answer = scene.send("main", &request);
        assert_eq!(answer.status, status, "{blocks}: {answer:?}");
    }
}

#[test]
fn times_are_judged_by_the_gateways_clock_without_asking_again() {
    // No call ends by itself meanwhile.
    let scene = Scene::start(4, with_authority(json!({"wait_seconds": 300})));
    let begins = now() + 3;
    let ends = Key::live("ends").may(&["*"]).with("expires_at", begins);
    let starts = Key::live("starts").may(&["*"]).with("not_before", begins);
    let revoked = Key::live("revoked").may(&["*"]).with("revoked_at", begins);
    scene.authority.publish([&ends, &starts, &revoked]);
    let mut connections = scene.connections("main");
    let polls = scene.authority.polls().len();
    let statuses = |connection: &mut crate::client::http1::Connection| {
        [&ends, &starts, &revoked]
            .map(|key| connection.send(&Request::get("/documents").bearer(&key.secret)).status)
    };
    for connection in &mut connections {
        let before = statuses(connection);
        assert!(now() >= begins || before == [200, 401, 200], "{before:?}");
    }
    eventually("the second comes", || now() >= begins);
    for connection in &mut connections {
        assert_eq!(statuses(connection), [401, 200, 401]);
    }
    assert_eq!(scene.authority.polls().len(), polls, "nobody asked the authority");
}

#[test]
fn a_rotated_key_passes_beside_the_new_one_until_the_overlap_ends() {
    let scene = shared();
    let overlap = now() + 3;
    let (old, new) = (Key::live("old").may(&["*"]), Key::live("new").may(&["*"]));
    scene.authority.publish([&old]);
    scene.authority.publish([old.clone().with("expires_at", overlap), new.clone()]);
    let status = |key: &Key| scene.send("main", &Request::get("/documents").bearer(&key.secret)).status;
    let both = (status(&old), status(&new));
    assert!(now() >= overlap || both == (200, 200), "{both:?}");
    eventually("the overlap ends", || now() >= overlap);
    assert_eq!((status(&old), status(&new)), (401, 200));
}

#[test]
fn a_key_is_compared_as_a_whole() {
    let scene = shared();
    let key = Key::live("whole").may(&["*"]);
    scene.authority.publish([&key]);
    let secret = &key.secret;
    for wrong in [
        secret[..secret.len() - 1].to_owned(),
        format!("{secret}x"),
        secret.to_ascii_lowercase(),
        secret.replace("_live_", "_test_"),
        key.digest().to_owned(),
    ] {
        assert_eq!(scene.send("main", &Request::get("/documents").bearer(&wrong)).status, 401, "{wrong}");
    }
}

#[test]
fn keys_of_the_configuration_need_no_authority() {
    let (inline, other) = (Key::live("inline").may(&["*"]), Key::live("other"));
    let scene = Scene::start(1, json!({"keys": [inline.entry]}));
    let status = |key: &Key| scene.send("main", &Request::get("/x").bearer(&key.secret)).status;
    assert_eq!((status(&inline), status(&other)), (200, 401));
    assert_eq!(scene.authority.calls().len(), 0);
}

#[test]
fn the_authoritys_entry_wins_over_one_of_the_configuration() {
    let (both, inline) = (Key::live("both").may(&["*"]), Key::live("inline").may(&["*"]));
    let scene = Scene::start(1, configuration(json!({"keys": [both.entry, inline.entry]})));
    let answer = |key: &Key| scene.send("main", &Request::get("/documents").bearer(&key.secret));
    assert_eq!((answer(&both).status, answer(&inline).status), (200, 200));
    scene.authority.publish([both.clone().with("revoked_at", now() - 1)]);
    expect::denied(&answer(&both), "revoked");
    assert_eq!(answer(&inline).status, 200);
}
