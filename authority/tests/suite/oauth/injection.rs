//! Attacks on the flow of a grant: injected codes, missing PKCE, redirects that lead elsewhere,
//! forms sent by another browser.

use axum::http::header;

use super::browser::{Browser, Form};
use super::world::{API, CALLBACK, CHALLENGE, PASSWORD, VERIFIER, World, fault, given, led, words};
use crate::client::Answer;
use crate::harness::{Backend, on_both};

/// Asserts that an answer is a page that says no, and leads nowhere.
#[track_caller]
fn stays(answer: &Answer, status: u16, what: &str) {
    assert_eq!(answer.status.as_u16(), status, "{what}: {answer:?}");
    assert!(!answer.headers.contains_key(header::LOCATION), "{what}");
    assert!(!String::from_utf8_lossy(&answer.body).contains("evil"), "{what}");
}

on_both! {
    async fn rfc9700_4_5_a_code_injected_into_another_session_is_refused(backend) {
        let world = World::new(backend).await;
        // The attacker has somebody's code and another session at the same client, which sends that
        // session's verifier.
        let code = world.code(&world.id, &[]).await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("code_verifier", "attacker-attacker-attacker-attacker-attacker"),
            ("redirect_uri", CALLBACK),
        ];
        assert_eq!(fault(&world.post("/oauth/token", &fields, None).await), (400, "invalid_grant".into()));
        // Nor does that spoil it for its owner.
        world.exchange(&code).await.ok();
    }

    async fn rfc9700_4_8_2_pkce_is_neither_left_out_nor_weakened(backend) {
        let world = World::new(backend).await;
        let (public, _) = world.client("public", |_| {}).await;
        for (id, secret) in [(&world.id, world.secret.as_str()), (&public, "")] {
            let mut browser = world.signed_in("ada").await;
            for change in [
                &[("code_challenge", ""), ("code_challenge_method", "")][..],
                &[("code_challenge", "")],
                &[("code_challenge_method", "plain")],
                &[("code_challenge_method", "")],
                &[("code_challenge_method", "s256")],
            ] {
                let answer = browser.get(&world.request(id, change)).await;
                assert_eq!(given(&answer, "error").as_deref(), Some("invalid_request"), "{change:?}");
            }
            let code = world.code(id, &[]).await;
            let good = [("grant_type", "authorization_code"), ("code", code.as_str())];
            // As `plain` would have it, the challenge is its own verifier.
            for verifier in ["", CHALLENGE] {
                let fields = [&good[..], &[("code_verifier", verifier)]].concat();
                let answer = world.post("/oauth/token", &fields, Some((id, secret))).await;
                assert_eq!(fault(&answer), (400, "invalid_grant".into()), "{verifier}");
            }
            let fields = [&good[..], &[("code_verifier", VERIFIER)]].concat();
            world.post("/oauth/token", &fields, Some((id, secret))).await.ok();
        }
    }

    async fn rfc6749_10_12_a_withdrawal_needs_the_form_of_its_own_session(backend) {
        let world = World::new(backend).await;
        let tokens = world.tokens().await;
        let (mut mine, mut other) = (world.signed_in("ada").await, world.signed_in("ada").await);
        let page = mine.get("/account/apps").await;
        let text = String::from_utf8(page.body.to_vec()).unwrap();
        let from = text.find("id=\"withdraw-").unwrap() + 4;
        let form = Form::of(&page, &text[from..from + text[from..].find('"').unwrap()]);
        stays(&other.post(&form).await, 403, "another session");
        stays(&mine.post(&form.without("csrf")).await, 403, "no token");
        stays(&Browser::new(world.http()).post(&form).await, 403, "nobody");
        assert!(!world.is_refused(&tokens).await);
        assert_eq!(mine.post(&form).await.status, 303);
        assert!(world.is_refused(&tokens).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc9700_4_1_3_no_redirect_leads_to_what_is_not_registered() {
    let world = World::new(Backend::Sqlite).await;
    let mut browser = world.signed_in("ada").await;
    for uri in [
        "https://evil.example/cb",
        "https://app.example.evil.example/cb",
        "https://app.example@evil.example/cb",
        "https://evil.example/https://app.example/cb",
        "https://evil.example#https://app.example/cb",
        "https://app.example/cb#evil",
        "https://app.example/cb?evil",
        "https://app.example/cb/../evil",
        "https://app.example/cb/%2e%2e/evil",
        "https://app.example/CB?evil",
        "https://app.example:443/cb",
        "https://APP.example/cb",
        "http://app.example/cb",
        "//app.example/cb",
        "/cb",
        "https://app.example/cb ",
        "https://app.example/cb\r\nlocation: https://evil.example",
        "https://app.example\\@evil.example/cb",
        "javascript:evil()//https://app.example/cb",
        "data:text/html,evil",
    ] {
        stays(&browser.get(&world.request(&world.id, &[("redirect_uri", uri)])).await, 400, uri);
    }
    // RFC 8252 §7.3: the port alone is free, and for public clients on this machine alone.
    let (public, _) =
        world.client("public", |rest| rest.redirect_uris = words(&["http://127.0.0.1/cb"])).await;
    for uri in [
        "http://127.0.0.1.evil.example/cb",
        "http://127.0.0.1:1@evil.example/cb",
        "http://127.0.0.1:1.evil.example/cb",
        "http://127.0.0.1:99999/cb",
        "http://127.0.0.1:x/cb",
        "http://127.0.0.1:1/cb?evil",
        "http://127.0.0.1:1/evil",
        "http://localhost:1/cb",
        "http://[::1]:1/cb",
        "http://127.1:1/cb",
        "https://127.0.0.1:1/cb",
    ] {
        stays(&browser.get(&world.request(&public, &[("redirect_uri", uri)])).await, 400, uri);
    }
    let free = browser.get(&world.request(&public, &[("redirect_uri", "http://127.0.0.1:49152/cb")])).await;
    let answer = browser.post(&Form::of(&free, "consent").with("decision", "allow")).await;
    assert_eq!(led(&answer).0, "http://127.0.0.1:49152/cb");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc6749_3_1_no_parameter_comes_twice() {
    let world = World::new(Backend::Sqlite).await;
    let mut browser = world.signed_in("ada").await;
    for (name, value, error) in [
        ("response_type", "code", "invalid_request"),
        ("scope", "a:b", "invalid_request"),
        ("state", "xyz", "invalid_request"),
        ("code_challenge", CHALLENGE, "invalid_request"),
        ("code_challenge_method", "S256", "invalid_request"),
        ("resource", API, "invalid_target"),
    ] {
        let answer = browser.get(&world.request(&world.id, &[(name, value), (name, value)])).await;
        assert_eq!(
            (led(&answer).0.as_str(), given(&answer, "error").as_deref()),
            (CALLBACK, Some(error)),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc9700_4_11_signing_in_and_out_lead_to_pages_of_this_server_alone() {
    let world = World::new(Backend::Sqlite).await;
    for next in [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/oauth/authorize@evil.example?",
        "/oauth/authorize.evil.example?",
        "/oauth/authorize?\r\nset-cookie: a=b",
        "/oauth/authorize?\u{e9}",
        "javascript:evil()",
        "/account/apps/../../evil",
        "",
    ] {
        let mut browser = Browser::new(world.http());
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
        let page = browser.get(&format!("/account/sign-in?{query}")).await;
        let form = Form::of(&page, "sign-in").with("name", "ada").with("password", PASSWORD);
        for form in [form.clone(), form.with("next", next)] {
            assert_eq!(led(&browser.post(&form).await).0, "/account/apps", "{next:?}");
        }
        assert_eq!(
            led(&browser.get(&format!("/account/sign-in?{query}")).await).0,
            "/account/apps",
            "{next:?}"
        );
        let out = Form::of(&browser.get("/account/apps").await, "sign-out").with("next", next);
        assert_eq!(led(&browser.post(&out).await).0, "/account/sign-in", "{next:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc9700_4_7_nobody_is_signed_in_by_the_form_of_another_browser() {
    let world = World::new(Backend::Sqlite).await;
    let (mut theirs, mut mine) = (Browser::new(world.http()), Browser::new(world.http()));
    let page = theirs.get("/account/sign-in").await;
    let form = Form::of(&page, "sign-in").with("name", "ada").with("password", PASSWORD);
    mine.get("/account/sign-in").await;
    for (mut browser, form) in [
        (mine.clone(), form.clone()),
        (Browser::new(world.http()), form.clone()),
        (theirs.clone(), form.without("token")),
    ] {
        stays(&browser.post(&form).await, 403, "another browser's form");
        assert!(browser.cookie("__Host-flint_user").is_none());
    }
    assert_eq!(theirs.post(&form).await.status, 303);
}
