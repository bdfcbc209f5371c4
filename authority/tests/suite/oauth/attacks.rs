use axum::http::header;

use super::browser::{Browser, Form};
use super::world::{ISSUER, PASSWORD, World, fault, given};
use crate::harness::{Backend, actor, on_both};
use flint::clock;
use flint::store::oauth::users::NewUser;

on_both! {
    async fn rfc9700_4_7_a_consent_of_another_session_is_refused(backend) {
        let world = World::new(backend).await;
        let new = NewUser { name: "eve".into(), permissions: None, password: Some(PASSWORD.into()) };
        world.harness.store.create_user(new, clock::now(), &actor()).await.unwrap();
        let (mut ada, mut eve) = (world.signed_in("ada").await, world.signed_in("eve").await);
        let form = Form::of(&ada.get(&world.request(&world.id, &[])).await, "consent").with("decision", "allow");
        let theirs = Form::of(&eve.get(&world.request(&world.id, &[])).await, "consent").with("decision", "allow");
        let request = theirs.values("request")[0].to_owned();
        for (mut browser, form) in [
            (eve.clone(), form.clone()),
            (ada.clone(), form.with("request", &request)),
            (ada.clone(), form.without("request")),
            (ada.clone(), form.with("request", "x")),
            (Browser::new(world.http()), form.clone()),
        ] {
            let answer = browser.post(&form).await;
            assert!(answer.status == 403 && answer.headers.get(header::LOCATION).is_none(), "{answer:?}");
        }
        assert_eq!(ada.post(&form.with("scope", "x:y")).await.status, 400);
        assert_eq!(ada.post(&form.with("decision", "maybe")).await.status, 400);
        assert!(given(&ada.post(&form).await, "code").is_some(), "none of that has used it up");
    }

    async fn rfc9700_4_5_a_code_is_no_good_to_another_client(backend) {
        let world = World::new(backend).await;
        let (id, secret) = world.client("confidential", |_| {}).await;
        let code = world.code(&world.id, &[]).await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("code_verifier", super::world::VERIFIER),
        ];
        let stolen = world.post("/oauth/token", &fields, Some((&id, &secret))).await;
        assert_eq!(fault(&stolen), (400, "invalid_grant".into()));
        let tokens = world.exchange(&code).await.ok();
        // Nor does showing what is another's end it.
        world.post("/oauth/token", &fields, Some((&id, &secret))).await;
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
        assert_eq!(world.post("/oauth/token", &refresh, Some((&id, &secret))).await.status, 400);
        assert!(!world.is_refused(&tokens).await);
    }

    async fn guessing_passwords_is_slowed_down_apart_from_operators(backend) {
        let world = World::new(backend).await;
        let mut browser = Browser::new(world.http());
        let form = Form::of(&browser.get("/account/sign-in").await, "sign-in").with("name", "ada");
        let mut statuses = Vec::new();
        for _ in 0..8 {
            let answer = browser.post(&form.with("password", "wrong password")).await;
            statuses.push(answer.status.as_u16());
        }
        assert!(statuses.starts_with(&[422; 5]) && statuses.contains(&429), "{statuses:?}");
        let operators = world.http().get("/sign-in").await;
        assert_eq!(operators.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc9700_4_16_no_page_is_put_into_a_frame_and_none_is_kept() {
    let world = World::new(Backend::Sqlite).await;
    let mut browser = world.signed_in("ada").await;
    for path in [world.request(&world.id, &[]), "/account/apps".into(), world.request("", &[])] {
        let page = browser.get(&path).await;
        let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(page.headers[header::X_FRAME_OPTIONS], "DENY", "{path}");
        assert_eq!(page.headers[header::REFERRER_POLICY], "no-referrer", "{path}");
        assert_eq!(page.headers[header::CACHE_CONTROL], "no-store", "{path}");
        assert!(!page.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), "{path}");
        // RFC 6749 §4.1.2: browsers would stop on the way to the client.
        assert_eq!(policy.contains("form-action"), !path.contains("client_id=client_"), "{path}: {policy}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc9207_2_a_client_can_tell_which_server_answered() {
    let world = World::new(Backend::Sqlite).await;
    let mut browser = world.signed_in("ada").await;
    let forged = browser.get(&world.request(&world.id, &[("iss", "https://evil.example")])).await;
    let answer = browser.post(&Form::of(&forged, "consent").with("decision", "allow")).await;
    assert_eq!(given(&answer, "iss").as_deref(), Some(ISSUER));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_secret_is_in_the_database_the_journal_or_the_audit_log() {
    let world = World::new(Backend::Sqlite).await;
    let code = world.code(&world.id, &[]).await;
    let tokens = world.exchange(&code).await.ok();
    world.exchange(&code).await;
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(world.harness.database.directory.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            texts.push(String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned());
        }
    }
    let all = texts.concat();
    let refresh = tokens["refresh_token"].as_str().unwrap();
    for secret in [code.as_str(), refresh, &world.secret, PASSWORD, super::world::VERIFIER] {
        assert!(!all.contains(secret));
    }
    assert!(all.contains("oauth.code.replay"), "the right files were looked at");
}
