use axum::http::header;
use serde_json::{Value, json};

use super::world::{API, ISSUER, VERIFIER, World, claims, fault, words};
use crate::harness::{Backend, on_both};
use crate::program::{Serving, flint_json};

on_both! {
    async fn rfc6749_4_1_3_a_code_becomes_tokens_once(backend) {
        let world = World::new(backend).await;
        let code = world.code(&world.id, &[]).await;
        let answer = world.exchange(&code).await;
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
        let tokens = answer.ok();
        assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(600)));
        assert_eq!(tokens["scope"], "documents:read a:b");
        assert!(tokens["refresh_token"].as_str().unwrap().starts_with("flint_refresh_"));
        let said = claims(tokens["access_token"].as_str().unwrap());
        assert_eq!((&said["iss"], &said["aud"], &said["environment"]), (&json!(ISSUER), &json!(API), &json!("live")));
        assert_eq!((&said["client_id"], &said["scope"]), (&json!(world.id), &tokens["scope"]));
        assert!(said["sub"].as_str().unwrap().starts_with("user_"));
        assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 600);
        // RFC 6749 §4.1.2: again, and everything that came of it has ended.
        assert_eq!(fault(&world.exchange(&code).await), (400, "invalid_grant".into()));
        assert!(world.is_refused(&tokens).await);
        assert_eq!(fault(&world.refresh(tokens["refresh_token"].as_str().unwrap()).await).1, "invalid_grant");
        let audit = world.harness.token(&["audit:read"]).await.get("/v1/audit?action=oauth.code.replay").await.ok();
        assert_eq!(audit["audit"].as_array().or(audit["lines"].as_array()).unwrap().len(), 1, "{audit}");
    }

    async fn rfc6749_6_a_refresh_token_is_used_once(backend) {
        let world = World::new(backend).await;
        let first = world.tokens().await;
        let old = first["refresh_token"].as_str().unwrap();
        let fields = [("grant_type", "refresh_token"), ("refresh_token", old), ("scope", "a:b")];
        let second = world.post("/oauth/token", &fields, None).await.ok();
        assert_eq!(second["scope"], "a:b");
        // Less was for that one token only.
        let third = world.refresh(second["refresh_token"].as_str().unwrap()).await.ok();
        assert_eq!(third["scope"], "documents:read a:b");
        assert_eq!(fault(&world.refresh(old).await), (400, "invalid_grant".into()));
        for tokens in [&first, &second, &third] {
            assert!(world.is_refused(tokens).await);
        }
        assert_eq!(fault(&world.refresh(third["refresh_token"].as_str().unwrap()).await).1, "invalid_grant");
    }

    async fn rfc6749_4_4_a_client_gets_a_token_for_itself(backend) {
        let world = World::new(backend).await;
        let (id, secret) = world.client("confidential", |rest| {
            rest.grant_types = words(&["client_credentials"]);
            rest.redirect_uris = None;
            rest.access = Some(30);
        }).await;
        let own = Some((id.as_str(), secret.as_str()));
        let fields = [("grant_type", "client_credentials"), ("scope", "a:b"), ("resource", "https://other.example")];
        let tokens = world.post("/oauth/token", &fields, own).await.ok();
        let said = claims(tokens["access_token"].as_str().unwrap());
        assert_eq!((&said["sub"], &said["aud"]), (&json!(id), &json!("https://other.example")));
        assert_eq!((&tokens["expires_in"], &tokens["scope"], &tokens["refresh_token"]), (&json!(30), &json!("a:b"), &Value::Null));
        let all = world.post("/oauth/token", &fields[..1], own).await.ok();
        assert_eq!(all["scope"], "a:b documents:*");
        for (fields, code) in [
            (vec![("grant_type", "client_credentials"), ("scope", "x:y")], "invalid_scope"),
            (vec![("grant_type", "client_credentials"), ("scope", "")], ""),
            (vec![("grant_type", "client_credentials"), ("resource", "https://evil.example")], "invalid_target"),
            (vec![("grant_type", "client_credentials"), ("resource", API), ("resource", API)], "invalid_target"),
            (vec![("grant_type", "authorization_code"), ("code", "x")], "unauthorized_client"),
        ] {
            let answer = world.post("/oauth/token", &fields, own).await;
            let said = if answer.status == 200 { String::new() } else { fault(&answer).1 };
            assert_eq!(said, code, "{fields:?}");
        }
    }

    async fn rfc6749_5_2_every_fault_at_the_token_endpoint_has_its_word(backend) {
        let world = World::new(backend).await;
        let code = world.code(&world.id, &[]).await;
        let (other, secret) = world.client("confidential", |_| {}).await;
        let good = [("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", VERIFIER)];
        let long = "a".repeat(43);
        for (fields, client, status, word) in [
            (vec![], None, 400, "invalid_request"),
            (vec![("grant_type", "password")], None, 400, "unsupported_grant_type"),
            (vec![("grant_type", "client_credentials")], None, 400, "unauthorized_client"),
            (vec![good[0], good[2]], None, 400, "invalid_request"),
            (vec![good[0], good[1]], None, 400, "invalid_grant"),
            (vec![good[0], good[1], ("code_verifier", &long)], None, 400, "invalid_grant"),
            (vec![good[0], good[1], ("code_verifier", "short")], None, 400, "invalid_grant"),
            (vec![good[0], good[1], good[2], ("redirect_uri", "https://app.example/")], None, 400, "invalid_grant"),
            (vec![good[0], ("code", "flint_code_x"), good[2]], None, 400, "invalid_grant"),
            (vec![good[0], good[1], good[1], good[2]], None, 400, "invalid_request"),
            (vec![good[0], good[1], good[2], ("resource", "https://other.example")], None, 400, "invalid_target"),
            (vec![good[0], good[1], good[2], ("resource", "https://evil.example")], None, 400, "invalid_target"),
            (good.to_vec(), Some((other.as_str(), secret.as_str())), 400, "invalid_grant"),
            (good.to_vec(), Some((world.id.as_str(), "wrong")), 401, "invalid_client"),
            (good.to_vec(), Some((world.id.as_str(), "")), 401, "invalid_client"),
            (good.to_vec(), Some(("client_01JF8Z00000000000000000000", "x")), 401, "invalid_client"),
            (vec![good[0], ("client_secret", "x")], None, 400, "invalid_request"),
            (vec![good[0], ("client_id", &other)], None, 400, "invalid_request"),
        ] {
            let answer = world.post("/oauth/token", &fields, client).await;
            assert_eq!(fault(&answer), (status, word.to_owned()), "{fields:?}");
            assert_eq!(answer.headers.contains_key(header::WWW_AUTHENTICATE), status == 401);
            assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
        }
        let json = world.http().post("/oauth/token", &json!({"grant_type": "authorization_code"})).await;
        assert_eq!(fault(&json), (400, "invalid_request".into()));
        // What stands in the address is not read, and none of all that has used the code up.
        let path = format!("/oauth/token?grant_type=authorization_code&code={code}");
        assert_eq!(fault(&world.post(&path, &[], None).await), (400, "invalid_request".into()));
        world.exchange(&code).await.ok();
    }

    async fn rfc9700_4_14_2_of_many_at_the_same_moment_one_succeeds(backend) {
        let world = World::new(backend).await;
        let code = world.code(&world.id, &[]).await;
        let many = (0..8).map(|_| world.exchange(&code));
        let mut statuses: Vec<_> = join_all(many).await.iter().map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        assert!(statuses.iter().filter(|status| **status == 200).count() <= 1, "{statuses:?}");
        let tokens = world.tokens().await;
        let token = tokens["refresh_token"].as_str().unwrap();
        let answers = join_all((0..8).map(|_| world.refresh(token))).await;
        let good: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(good.len(), 1, "one uses it, and then it is used");
        // It came again, so its family has ended.
        assert!(world.is_refused(&good[0].json()).await && world.is_refused(&tokens).await);
        assert_eq!(world.refresh(good[0].json()["refresh_token"].as_str().unwrap()).await.status, 400);
    }
}

/// Awaits all of them at once.
async fn join_all<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in waiting.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *done = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_200_survives_kill_9() {
    let test = Backend::Sqlite.database().await;
    let arguments = [
        "oauth",
        "clients",
        "create",
        "--name",
        "CI",
        "--environment",
        "live",
        "--grant",
        "client_credentials",
    ];
    let client = flint_json(&test.database, &arguments).await;
    let (id, secret) = (client["id"].as_str().unwrap(), client["client_secret"].as_str().unwrap());
    let serving = Serving::start(&test.database, &["--issuer", "http://localhost:8080"]).await;
    let body = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let http = serving.client.with("content-type", "application/x-www-form-urlencoded");
    let tokens = http.send(axum::http::Method::POST, "/oauth/token", body.clone().into()).await.ok();
    serving.kill().await;
    let serving = Serving::start(&test.database, &["--issuer", "http://localhost:8080"]).await;
    let http = serving.client.with("content-type", "application/x-www-form-urlencoded");
    let body =
        format!("client_id={id}&client_secret={secret}&token={}", tokens["access_token"].as_str().unwrap());
    let told = http.send(axum::http::Method::POST, "/oauth/introspect", body.into()).await.ok();
    assert_eq!((&told["active"], &told["client_id"]), (&json!(true), &json!(id)));
}
