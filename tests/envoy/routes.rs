//! Which rule a request falls under (contract §3, routes).

use serde_json::{Value, json};

use crate::client::{Protocol, Request};
use crate::expect;
use crate::keys::Key;
use crate::scene::{Scene, shared};

/// Rules in the least helpful order.
fn rules() -> Value {
    json!([
        {"path": "/**", "all_of": ["rest:any"]},
        {"path": "/a/{name}", "all_of": ["name:any"]},
        {"path": "/a/{name}/c", "all_of": ["name:c"]},
        {"path": "/a/b/**", "all_of": ["b:rest"]},
        {"path": "/a/b", "all_of": ["b:any"]},
        {"path": "/a/b", "methods": ["PUT"], "all_of": ["b:put"]},
        {"path": "/a/b", "methods": ["GET"], "all_of": ["b:get"]},
        {"path": "/open", "methods": ["GET"], "public": true},
        {"path": "/any-key"},
        {"path": "/both", "all_of": ["one:a", "two:a"], "any_of": ["three:a", "four:a"]},
    ])
}

#[test]
fn the_most_specific_rule_wins_whatever_the_order_of_the_file() {
    let poor = Key::live("poor").may(&["none:such"]);
    let forwards = rules();
    let mut backwards = forwards.clone();
    backwards.as_array_mut().expect("a list").reverse();
    let keys = json!([poor.entry]);
    let scene = Scene::plan(|plan| {
        plan.listener("forwards", json!({"keys": keys, "routes": forwards}))
            .listener("backwards", json!({"keys": keys, "routes": backwards}))
    });
    for (method, path, scope) in [
        ("GET", "/a/b", "b:get"),
        ("HEAD", "/a/b", "b:get"),
        ("PUT", "/a/b", "b:put"),
        ("POST", "/a/b", "b:any"),
        ("PROPFIND", "/a/b", "b:any"),
        ("GET", "/a/x", "name:any"),
        ("GET", "/a/b/x", "b:rest"),
        ("GET", "/a/b/c", "b:rest"),
        ("GET", "/a/x/c", "name:c"),
        ("GET", "/a/x/y", "rest:any"),
        ("GET", "/a", "rest:any"),
        ("GET", "/a/b?x=/a/x", "b:get"),
        ("POST", "/open", "rest:any"),
        ("GET", "/A/b", "rest:any"),
    ] {
        let challenge = format!(r#"Bearer realm="flint", error="insufficient_scope", scope="{scope}""#);
        for listener in ["forwards", "backwards"] {
            let answer = scene.send(listener, &Request::new(method, path).bearer(&poor.secret));
            assert_eq!(answer.status, 403, "{method} {path}");
            assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()), "{method} {path}");
        }
    }
}

#[test]
fn a_rule_asks_for_all_of_one_list_and_any_of_the_other() {
    let cases = [
        (&["one:a", "two:a", "three:a"][..], 200),
        (&["one:*", "two:a", "four:a"], 200),
        (&["*"], 200),
        (&["one:a", "two:a"], 403),
        (&["one:a", "three:a", "four:a"], 403),
        (&["three:a"], 403),
    ];
    let keys: Vec<Key> = cases.iter().map(|(grants, _)| Key::live("set").may(grants)).collect();
    let entries: Vec<&Value> = keys.iter().map(|key| &key.entry).collect();
    let scene = Scene::start(1, json!({"keys": entries, "routes": rules()}));
    for (key, (grants, status)) in keys.iter().zip(cases) {
        let answer = scene.send("main", &Request::get("/both").bearer(&key.secret));
        assert_eq!(answer.status, status, "{grants:?}");
        assert_eq!(scene.send("main", &Request::get("/any-key").bearer(&key.secret)).status, 200);
    }
}

#[test]
fn a_public_path_is_public_only_as_it_is_written() {
    let scene = shared();
    for protocol in Protocol::ALL {
        let (answer, line) = scene.send_logged(protocol, "main", Request::get("/healthz?deep=1"));
        assert_eq!((answer.status, &line["outcome"]), (200, &json!("public")));
        for path in [
            "/healthz/",
            "//healthz",
            "/%68ealthz",
            "/x/../healthz",
            "/./healthz",
            "/healthz/.",
            "/healthz;/../v1",
            "/healthz;x=y",
            "/.;/v1",
            "/Healthz",
            "/healthz%00",
            "/healthz%2f",
            "/healthz%5c",
            "/healthz%3fx",
            "/healthz%20",
            "/healthz\\",
            "/healthz%2e",
            "/healthz/%2e%2e/documents",
            "/healthz.",
            "/healthzz",
            "/health",
        ] {
            expect::denied(&Request::get(path).send(protocol, scene.gateway.address()), "no_credential");
        }
        expect::denied(
            &Request::new("POST", "/healthz").send(protocol, scene.gateway.address()),
            "no_credential",
        );
        assert_eq!(Request::new("HEAD", "/healthz").send(protocol, scene.gateway.address()).status, 200);
    }
}

#[test]
fn a_path_in_no_normal_form_asks_for_what_nobody_holds() {
    let scene = shared();
    let key = Key::live("mighty").may(&["*"]);
    scene.authority.publish([&key]);
    for protocol in Protocol::ALL {
        let address = scene.gateway.address();
        for path in [
            "//documents",
            "/documents//7",
            "/x/../documents",
            "/./documents",
            "/documents/..",
            "/documents;v=1",
            "/documents\\7",
            "/documents%2f7",
            "/documents%2F7",
            "/documents%5c7",
            "/documents/%2e%2e/admin",
            "/documents%00",
        ] {
            let answer = Request::get(path).bearer(&key.secret).send(protocol, address);
            expect::denied(&answer, "missing_permission");
            let challenge = r#"Bearer realm="flint", error="insufficient_scope""#;
            assert_eq!(answer.header("www-authenticate"), Some(challenge), "{path}");
        }
        for path in ["/documents", "/documents?a=//b;c%2f\\..", "/documents/7%20x", "/documents/...", "/x.y"]
        {
            let answer = Request::get(path).bearer(&key.secret).send(protocol, address);
            assert_eq!(answer.status, 200, "{path}");
        }
    }
}

#[test]
fn what_no_rule_names_is_open_to_any_key_or_to_none() {
    let scene = shared();
    let key = Key::live("mighty").may(&["*"]);
    scene.authority.publish([&key]);
    let status = |listener, path| scene.send(listener, &Request::get(path).bearer(&key.secret)).status;
    assert_eq!((status("main", "/unruled"), status("main", "/documents")), (200, 200));
    assert_eq!((status("closed", "/unruled"), status("closed", "/documents")), (403, 200));
    assert_eq!(scene.send("closed", &Request::get("/healthz")).status, 200);
    expect::denied(&scene.send("main", &Request::get("/unruled")), "no_credential");
    expect::denied(&scene.send("closed", &Request::get("/unruled")), "no_credential");
}

#[test]
fn without_rules_no_path_is_strange() {
    let key = Key::live("any");
    let scene = Scene::start(1, json!({"keys": [key.entry]}));
    for path in ["/", "//x", "/a/../b", "/a;b", "/a%2fb", "/%00"] {
        let request = Request::get(path);
        expect::denied(&scene.send("main", &request), "no_credential");
        assert_eq!(scene.send("main", &request.bearer(&key.secret)).status, 200, "{path}");
    }
}
