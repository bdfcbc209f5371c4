use flint::clock;
use flint::store::people::api_tokens::NewApiToken;
use flint::store::people::sessions::{IDLE, LIFETIME, SignIn};
use flint::store::{Store, StoreError};

use crate::harness::{Backend, actor, on_both};
use crate::program::{Serving, flint_json};

const NOW: i64 = 1_790_000_000;

on_both! {
    async fn a_session_lasts_until_it_is_over(backend) {
        let test = backend.database().await;
        let store = Store::open(&test.database).await.unwrap();
        let (operator, password) = store.create_operator("ada", NOW, &actor()).await.unwrap();
        let SignIn::Done(cookie, session) =
            store.sign_in("ada", password.reveal().into(), Some("::1"), NOW).await.unwrap() else { panic!() };
        assert_eq!(session.operator, operator);
        assert!(session.csrf_is(&session.csrf_token) && !session.csrf_is("") && !session.csrf_is(cookie.reveal()));
        let is_on = async |now| store.session(cookie.reveal(), now).await.unwrap().is_some();
        assert!(is_on(NOW + IDLE - 1).await);
        assert!(is_on(NOW + 2 * IDLE - 2).await, "a request did not keep the session");
        assert!(!is_on(NOW + 3 * IDLE).await);
        for hours in 0..12 {
            store.session(cookie.reveal(), NOW + hours * (IDLE - 1)).await.unwrap();
        }
        assert!(!is_on(NOW + LIFETIME).await);
        assert!(store.session("nonsense", NOW).await.unwrap().is_none());
        store.sign_out(cookie.reveal()).await.unwrap();
        assert!(!is_on(NOW + 1).await);
    }

    async fn another_password_or_being_shut_out_ends_sessions(backend) {
        let test = backend.database().await;
        let store = Store::open(&test.database).await.unwrap();
        let (_, first) = store.create_operator("ada", NOW, &actor()).await.unwrap();
        let SignIn::Done(cookie, _) = store.sign_in("ada", first.reveal().into(), None, NOW).await.unwrap() else {
            panic!()
        };
        let chosen = "correct horse battery";
        store.set_password("ada", Some(chosen.into()), NOW, &actor()).await.unwrap();
        assert!(store.session(cookie.reveal(), NOW).await.unwrap().is_none());
        assert!(matches!(store.sign_in("ada", first.reveal().into(), None, NOW).await.unwrap(), SignIn::Wrong));
        let SignIn::Done(cookie, _) = store.sign_in("ada", chosen.into(), None, NOW).await.unwrap() else { panic!() };
        store.disable_operator("ada", NOW, &actor()).await.unwrap();
        assert!(store.session(cookie.reveal(), NOW).await.unwrap().is_none());
        assert!(matches!(store.sign_in("ada", chosen.into(), None, NOW).await.unwrap(), SignIn::Wrong));
        let short = store.set_password("ada", Some("short".into()), NOW, &actor()).await;
        assert!(matches!(short, Err(StoreError::Invalid(_))));
    }

    async fn an_api_token_is_good_until_it_ends(backend) {
        let test = backend.database().await;
        let store = Store::open(&test.database).await.unwrap();
        let new = NewApiToken { name: "CI".into(), permissions: vec!["keys:*".into()], expires_at: Some(NOW + 10) };
        let (token, secret) = store.create_api_token(new, NOW, &actor()).await.unwrap();
        let find = async |now| store.api_token(&secret.digest(), now).await.unwrap();
        let found = find(NOW + 9).await.unwrap();
        assert!(found.may("keys:read") && !found.may("audit:read"));
        assert!(find(NOW + 10).await.is_none());
        assert_eq!(store.api_tokens().await.unwrap()[0].last_used_at, Some(NOW + 9));
        store.revoke_api_token(&token.id, NOW + 5, &actor()).await.unwrap();
        assert!(find(NOW + 6).await.is_none());
        let none = NewApiToken { name: "CI".into(), ..NewApiToken::default() };
        assert!(matches!(store.create_api_token(none, NOW, &actor()).await, Err(StoreError::Invalid(_))));
    }
}

#[tokio::test]
async fn the_first_run_tells_once_how_to_sign_in() {
    let test = Backend::Sqlite.database().await;
    let mut first = Serving::start(&test.database, &[]).await;
    let line = first.next_line().await;
    let password = line.rsplit(' ').next().unwrap().to_owned();
    assert!(
        line.starts_with("First run: sign in at http://127.0.0.1:") && line.contains("as \"admin\""),
        "{line}"
    );
    let store = Store::open(&test.database).await.unwrap();
    assert!(matches!(store.sign_in("admin", password, None, clock::now()).await.unwrap(), SignIn::Done(..)));
    first.terminate().await;
    let listed = flint_json(&test.database, &["operators", "list"]).await;
    assert_eq!(listed["operators"].as_array().unwrap().len(), 1);
    let again = Serving::start(&test.database, &[]).await;
    assert!(again.everything_it_prints().await.is_empty());
}
