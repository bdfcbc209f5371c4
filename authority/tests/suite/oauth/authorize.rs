use axum::http::header;

use super::browser::{Browser, Form};
use super::world::{CALLBACK, ISSUER, PASSWORD, World, given, led};
use crate::harness::{Backend, actor, on_both};
use flint::clock;
use flint::store::oauth::users::{NewUser, UserAmendment};

on_both! {
    async fn rfc6749_4_1_a_user_signs_in_consents_and_comes_back_with_a_code(backend) {
        let world = World::new(backend).await;
        let mut browser = Browser::new(world.http());
        let request = world.request(&world.id, &[]);
        let page = browser.get(&request).await;
        let form = Form::of(&page, "sign-in").with("name", "ada");
        let wrong = browser.post(&form.with("password", "wrong")).await;
        assert_eq!((page.status.as_u16(), wrong.status.as_u16()), (200, 422));
        let answer = browser.post(&Form::of(&wrong, "sign-in").with("password", PASSWORD)).await;
        assert_eq!((answer.status.as_u16(), led(&answer).0 == "/oauth/authorize"), (303, true));
        let page = browser.get(answer.headers[header::LOCATION].to_str().unwrap()).await;
        let text = String::from_utf8(page.body.to_vec()).unwrap();
        for shown in ["Example &#60;App&#62;", "app.example", "api.example", "ada", "/account/apps"] {
            assert!(text.contains(shown), "{shown}: {text}");
        }
        let form = Form::of(&page, "consent");
        assert_eq!(form.values("scope"), ["documents:read", "a:b"]);
        let answer = browser.post(&form.with("decision", "allow")).await;
        let (place, query) = led(&answer);
        let names: Vec<_> = query.iter().map(|pair| pair.0.as_str()).collect();
        assert_eq!((answer.status.as_u16(), place.as_str(), names), (303, CALLBACK, vec!["code", "state", "iss"]));
        assert_eq!((given(&answer, "state"), given(&answer, "iss")), (Some("xyz".into()), Some(ISSUER.into())));
        assert!(given(&answer, "code").unwrap().starts_with("flint_code_"));
        // Again: never a second code.
        let again = browser.post(&form.with("decision", "allow")).await;
        assert!(again.status == 409 && again.headers.get(header::LOCATION).is_none(), "{again:?}");
    }

    async fn rfc6749_4_1_2_1_faults_go_back_to_the_client_or_to_a_page(backend) {
        let world = World::new(backend).await;
        let mut browser = world.signed_in("ada").await;
        for (name, value, code) in [
            ("response_type", "", "invalid_request"),
            ("response_type", "token", "unsupported_response_type"),
            ("response_mode", "fragment", "invalid_request"),
            ("code_challenge", "", "invalid_request"),
            ("code_challenge", "short", "invalid_request"),
            ("code_challenge_method", "plain", "invalid_request"),
            ("code_challenge_method", "", "invalid_request"),
            ("scope", "openid", "invalid_scope"),
            ("scope", "secrets:read", "invalid_scope"),
            ("resource", "https://evil.example", "invalid_target"),
            ("request", "e30.e30.", "request_not_supported"),
            ("request_uri", "https://app.example/r", "request_uri_not_supported"),
        ] {
            let answer = browser.get(&world.request(&world.id, &[(name, value)])).await;
            assert_eq!((answer.status.as_u16(), led(&answer).0.as_str()), (303, CALLBACK), "{name}={value}");
            assert_eq!(given(&answer, "error").as_deref(), Some(code), "{name}={value}");
            assert_eq!(given(&answer, "iss").as_deref(), Some(ISSUER), "{name}={value}");
            assert_eq!(given(&answer, "state").as_deref(), Some("xyz"), "{name}={value}");
            assert!(given(&answer, "code").is_none());
        }
        for change in [
            &[("client_id", "")][..],
            &[("client_id", "client_01JF8Z00000000000000000000")],
            &[("client_id", "https://app.example/client.json")],
            &[("redirect_uri", "https://evil.example/cb")],
            &[("redirect_uri", "https://app.example/cb/")],
            &[("redirect_uri", CALLBACK), ("redirect_uri", CALLBACK)],
            &[("client_id", &world.id), ("client_id", &world.id)],
        ] {
            let answer = browser.get(&world.request(&world.id, change)).await;
            let text = String::from_utf8(answer.body.to_vec()).unwrap();
            assert_eq!(answer.status, 400, "{change:?}");
            assert!(answer.headers.get(header::LOCATION).is_none() && !text.contains("evil"), "{change:?}");
        }
    }

    async fn a_state_comes_back_as_it_was(backend) {
        let world = World::new(backend).await;
        let mut browser = world.signed_in("ada").await;
        let path = world.request(&world.id, &[("state", "")]) + "&state=%00%FF+%26%3D%0D%0A%C3%A9";
        let page = browser.get(&path).await;
        let answer = browser.post(&Form::of(&page, "consent").with("decision", "deny")).await;
        let address = answer.headers[header::LOCATION].to_str().unwrap();
        assert!(address.contains("state=%00%FF%20%26%3D%0D%0A%C3%A9&"), "{address}");
        assert_eq!(given(&answer, "error").as_deref(), Some("access_denied"));
    }

    async fn a_grant_narrows_and_never_widens(backend) {
        let world = World::new(backend).await;
        let store = &world.harness.store;
        let new = NewUser {
            name: "bob".into(),
            permissions: Some(vec!["documents:read".into()]),
            password: Some(PASSWORD.into()),
        };
        store.create_user(new, clock::now(), &actor()).await.unwrap();
        let mut browser = world.signed_in("bob").await;
        let page = browser.get(&world.request(&world.id, &[("scope", "documents:* a:b")])).await;
        let form = Form::of(&page, "consent");
        assert_eq!(form.values("scope"), ["documents:read"]);
        let more = browser.post(&form.with("scope", "a:b").with("decision", "allow")).await;
        assert_eq!(more.status, 400);
        let none = browser.get(&world.request(&world.id, &[("scope", "a:b")])).await;
        assert_eq!(given(&none, "error").as_deref(), Some("access_denied"));
        let nothing = browser.post(&form.without("scope").with("decision", "allow")).await;
        assert_eq!(given(&nothing, "error").as_deref(), Some("access_denied"));
    }

    async fn rfc6749_10_2_only_a_confidential_client_is_let_through_without_asking(backend) {
        let world = World::new(backend).await;
        world.tokens().await;
        let (public, _) = world.client("public", |_| {}).await;
        let code = world.code(&public, &[]).await;
        let mut browser = world.signed_in("ada").await;
        let again = browser.get(&world.request(&world.id, &[("scope", "a:b")])).await;
        assert!(given(&again, "code").is_some(), "it has all of it already");
        let more = browser.get(&world.request(&world.id, &[("scope", "documents:write")])).await;
        let other = browser.get(&world.request(&world.id, &[("resource", "https://other.example")])).await;
        let public = browser.get(&world.request(&public, &[])).await;
        for asked in [more, other, public] {
            Form::of(&asked, "consent");
        }
        assert!(!code.is_empty());
    }

    async fn a_disabled_user_is_signed_out_and_a_new_password_signs_out_too(backend) {
        let world = World::new(backend).await;
        let store = &world.harness.store;
        let tokens = world.tokens().await;
        let mut browser = world.signed_in("ada").await;
        store.set_user_password("ada", Some(PASSWORD.into()), clock::now(), &actor()).await.unwrap();
        Form::of(&browser.get(&world.request(&world.id, &[])).await, "sign-in");
        let tokens = world.refresh(tokens["refresh_token"].as_str().unwrap()).await.ok();
        let mut browser = world.signed_in("ada").await;
        let disabled = UserAmendment { disabled: Some(true), permissions: None };
        store.amend_user("ada", disabled, clock::now(), &actor()).await.unwrap();
        Form::of(&browser.get(&world.request(&world.id, &[])).await, "sign-in");
        assert!(world.is_refused(&tokens).await);
        assert_eq!(world.refresh(tokens["refresh_token"].as_str().unwrap()).await.status, 400);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc6265_8_4_a_session_cookie_is_host_bound_and_new_after_signing_in() {
    let world = World::new(Backend::Sqlite).await;
    let mut browser = Browser::new(world.http());
    let page = browser.get("/account/sign-in").await;
    assert!(browser.cookie("__Host-flint_user").is_none());
    let form = Form::of(&page, "sign-in").with("name", "ada").with("password", PASSWORD);
    let answer = browser.post(&form).await;
    let line = answer.headers[header::SET_COOKIE].to_str().unwrap();
    for part in ["__Host-flint_user=", "Path=/", "Secure", "HttpOnly", "SameSite=Lax", "Max-Age=43200"] {
        assert!(line.contains(part), "{line}");
    }
    let first = browser.cookie("__Host-flint_user").unwrap().to_owned();
    let second = browser.post(&form).await;
    assert_eq!(second.status, 303);
    assert_ne!(browser.cookie("__Host-flint_user"), Some(first.as_str()));
    // RFC 9700 §4.12 and session fixation: the old one has ended.
    browser.set_cookie("__Host-flint_user", &first);
    Form::of(&browser.get(&world.request(&world.id, &[])).await, "sign-in");
}
