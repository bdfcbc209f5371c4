use axum::http::header;
use flint::serve::Settings;
use std::time::Duration;

use super::browser::Browser;
use super::world::{CALLBACK, ISSUER, World, fault, led, settings};
use crate::client::Answer;
use crate::harness::{Backend, on_both};
use crate::postgres;

#[track_caller]
fn is_told_to_try_again(answer: &Answer) {
    assert_eq!(fault(answer), (503, "server_error".into()));
    assert!(answer.headers.contains_key(header::RETRY_AFTER), "{answer:?}");
}

on_both! {
    async fn rfc6749_4_1_2_1_and_5_2_a_database_that_is_away_is_told(backend) {
        let world = World::new(backend).await;
        let (stranger, _) = world.client("public", |_| {}).await;
        let mut browser = Browser::new(world.http());
        let path = world.request(&world.id, &[]);
        assert_eq!(browser.get(&path).await.status, 200);
        let documents = ["/.well-known/oauth-authorization-server", "/oauth/jwks.json"];
        for document in documents {
            world.http().get(document).await.ok();
        }
        world.harness.store.close().await;
        // The client was found before: it is told, as is anybody who is sent back.
        let answer = browser.get(&path).await;
        let (place, told) = led(&answer);
        assert_eq!((answer.status.as_u16(), place.as_str()), (303, CALLBACK));
        let word = |name: &str| told.iter().find(|pair| pair.0 == name).map(|pair| pair.1.as_str());
        assert_eq!((word("error"), word("code")), (Some("temporarily_unavailable"), None));
        assert_eq!((word("state"), word("iss")), (Some("xyz"), Some(ISSUER)));
        // Nobody knows where another one is, nor whether that is where it says.
        let elsewhere = world.request(&world.id, &[("redirect_uri", "https://evil.example/cb")]);
        for path in [world.request(&stranger, &[]), elsewhere] {
            let answer = browser.get(&path).await;
            assert_eq!((answer.status.as_u16(), answer.headers.get(header::LOCATION)), (503, None), "{path}");
            assert!(answer.headers.contains_key(header::RETRY_AFTER), "{path}");
        }
        for path in ["/oauth/token", "/oauth/revoke", "/oauth/introspect"] {
            let fields = [("grant_type", "refresh_token"), ("refresh_token", "x"), ("token", "x")];
            is_told_to_try_again(&world.post(path, &fields, None).await);
        }
        for document in documents {
            world.http().get(document).await.ok();
        }
    }
}

/// One that takes a request and says nothing is as one that is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc6749_5_2_a_database_that_says_nothing_is_not_waited_for() {
    if !postgres::is_there() {
        return;
    }
    let world = World::new(Backend::Postgres).await;
    let keys = world.harness.database.directory.path().join("keys");
    let usual = settings(&keys);
    let oauth = usual.oauth.map(|mut server| {
        server.patience = Duration::from_millis(300);
        server
    });
    let (twin, _) = world.harness.second_with(Settings { oauth, ..Settings::default() }).await;
    let mut browser = Browser::new(&twin);
    let path = world.request(&world.id, &[]);
    assert_eq!(browser.get(&path).await.status, 200);
    let mut holder = world.harness.connect().await;
    for statement in ["BEGIN", "LOCK TABLE oauth_client IN ACCESS EXCLUSIVE MODE"] {
        sqlx::query(statement).execute(&mut holder).await.unwrap();
    }
    let told = led(&browser.get(&path).await).1;
    assert!(told.contains(&("error".into(), "temporarily_unavailable".into())), "{told:?}");
    let body = format!("grant_type=client_credentials&client_id={}&client_secret=x", world.id);
    let form = twin.with("content-type", "application/x-www-form-urlencoded");
    is_told_to_try_again(&form.send(axum::http::Method::POST, "/oauth/token", body.into()).await);
}
