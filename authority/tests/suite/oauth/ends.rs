use serde_json::{Value, json};

use super::browser::Form;
use super::world::{World, claims, fault, words};
use crate::harness::{actor, on_both};
use flint::clock;
use flint::oauth::client::Amendment;
use flint::store::Store;
use flint::store::oauth::grants::GrantFilter;

fn access(tokens: &Value) -> &str {
    tokens["access_token"].as_str().unwrap()
}

fn refresh(tokens: &Value) -> &str {
    tokens["refresh_token"].as_str().unwrap()
}

on_both! {
    async fn rfc7009_2_1_a_client_ends_its_own_tokens(backend) {
        let world = World::new(backend).await;
        let (one, other) = (world.tokens().await, world.tokens().await);
        let (id, secret) = world.client("confidential", |_| {}).await;
        let stranger = Some((id.as_str(), secret.as_str()));
        for token in [access(&one), refresh(&one)] {
            let answer = world.post("/oauth/revoke", &[("token", token)], stranger).await;
            assert_eq!(fault(&answer), (400, "invalid_grant".into()));
        }
        assert!(!world.is_refused(&one).await);
        assert_eq!(world.post("/oauth/revoke", &[("token", access(&one))], None).await.status, 200);
        assert!(world.is_refused(&one).await && !world.is_refused(&other).await);
        // An access token ends itself, a refresh token its family.
        let next = world.refresh(refresh(&one)).await.ok();
        let hint = ("token_type_hint", "access_token");
        assert_eq!(world.post("/oauth/revoke", &[("token", refresh(&next)), hint], None).await.status, 200);
        assert!(world.is_refused(&next).await);
        assert_eq!(world.refresh(refresh(&next)).await.status, 400);
        for token in ["unknown", refresh(&next), access(&one), "a.b.c"] {
            assert_eq!(world.post("/oauth/revoke", &[("token", token)], None).await.status, 200, "{token}");
        }
        assert_eq!(fault(&world.post("/oauth/revoke", &[], None).await), (400, "invalid_request".into()));
        let wrong = world.post("/oauth/revoke", &[("token", "x")], Some((&world.id, "wrong"))).await;
        assert_eq!(fault(&wrong), (401, "invalid_client".into()));
    }

    async fn rfc7662_2_2_a_token_is_looked_into_by_its_client_or_an_api_token(backend) {
        let world = World::new(backend).await;
        let tokens = world.tokens().await;
        let told = world.post("/oauth/introspect", &[("token", access(&tokens))], None).await.ok();
        let said = claims(access(&tokens));
        for name in ["scope", "client_id", "sub", "iss", "iat", "exp", "aud", "jti", "environment"] {
            assert_eq!(told[name], said[name], "{name}");
        }
        assert_eq!((&told["active"], &told["token_type"]), (&json!(true), &json!("Bearer")));
        let told = world.post("/oauth/introspect", &[("token", refresh(&tokens))], None).await.ok();
        assert_eq!((&told["active"], &told["client_id"], &told["aud"]), (&json!(true), &json!(world.id), &Value::Null));
        let (id, secret) = world.client("confidential", |_| {}).await;
        for token in [access(&tokens), refresh(&tokens), "unknown"] {
            let own = world.post("/oauth/introspect", &[("token", token)], Some((&id, &secret))).await;
            assert_eq!(own.ok(), json!({"active": false}));
        }
        let form = ("content-type", "application/x-www-form-urlencoded");
        let body = format!("token={}", access(&tokens));
        for (permission, status) in [("oauth:introspect", 200), ("oauth:read", 403)] {
            let client = world.harness.token(&[permission]).await.with(form.0, form.1);
            let answer = client.send(axum::http::Method::POST, "/oauth/introspect", body.clone().into()).await;
            assert_eq!(answer.status, status, "{permission}");
        }
        let (public, _) = world.client("public", |_| {}).await;
        let answer = world.post("/oauth/introspect", &[("token", "x")], Some((&public, ""))).await;
        assert_eq!((answer.status.as_u16(), answer.headers.contains_key("www-authenticate")), (401, true));
        world.post("/oauth/revoke", &[("token", access(&tokens))], None).await;
        let told = world.post("/oauth/introspect", &[("token", access(&tokens))], None).await.ok();
        assert_eq!(told, json!({"active": false}));
    }

    async fn a_withdrawn_grant_ends_everything_at_once(backend) {
        let world = World::new(backend).await;
        let tokens = world.tokens().await;
        let mut browser = world.signed_in("ada").await;
        let page = browser.get("/account/apps").await;
        let filter = GrantFilter { live: true, ..GrantFilter::default() };
        let grant = world.harness.store.oauth_grants(&filter).await.unwrap().remove(0);
        let form = Form::of(&page, &format!("withdraw-{}", grant.id));
        assert_eq!(browser.post(&form.with("csrf", "x")).await.status, 403);
        assert_eq!(browser.post(&form).await.status, 303);
        assert!(world.is_refused(&tokens).await);
        assert_eq!(fault(&world.refresh(refresh(&tokens)).await), (400, "invalid_grant".into()));
        // It is asked again.
        Form::of(&browser.get(&world.request(&world.id, &[])).await, "consent");
        let kept = &world.harness.store.oauth_grants(&GrantFilter::default()).await.unwrap()[0];
        assert_eq!((kept.id.as_str(), kept.revoked_at.is_some()), (grant.id.as_str(), true));
    }

    async fn a_disabled_client_loses_everything_and_begins_again(backend) {
        let world = World::new(backend).await;
        let (machine, secret) = world.client("confidential", |rest| {
            rest.grant_types = words(&["authorization_code", "refresh_token", "client_credentials"]);
        }).await;
        let own = Some((machine.as_str(), secret.as_str()));
        let fields = [("grant_type", "client_credentials")];
        let itself = world.post("/oauth/token", &fields, own).await.ok();
        let store = &world.harness.store;
        let change = |disabled| Amendment { disabled: Some(disabled), ..Amendment::default() };
        store.amend_oauth_client(&machine, change(true), clock::now(), &actor()).await.unwrap();
        assert!(world.is_refused(&itself).await);
        assert_eq!(fault(&world.post("/oauth/token", &fields, own).await), (401, "invalid_client".into()));
        let mut browser = world.signed_in("ada").await;
        assert_eq!(browser.get(&world.request(&machine, &[])).await.status, 400);
        store.amend_oauth_client(&machine, change(false), clock::now(), &actor()).await.unwrap();
        let again = world.post("/oauth/token", &fields, own).await.ok();
        assert!(!world.is_refused(&again).await && world.is_refused(&itself).await);
        store.remove_oauth_client(&machine, clock::now(), &actor()).await.unwrap();
        assert!(world.is_refused(&again).await);
        assert_eq!(fault(&world.post("/oauth/token", &fields, own).await).1, "invalid_client");
    }

    async fn what_client_or_user_may_no_longer_do_is_left_out(backend) {
        let world = World::new(backend).await;
        let store = &world.harness.store;
        let tokens = world.tokens().await;
        let less = Amendment { permissions: words(&["a:b"]), ..Amendment::default() };
        store.amend_oauth_client(&world.id, less, clock::now(), &actor()).await.unwrap();
        let tokens = world.refresh(refresh(&tokens)).await.ok();
        assert_eq!(tokens["scope"], "a:b");
        let nothing = flint::store::oauth::users::UserAmendment { permissions: words(&["x:y"]), disabled: None };
        store.amend_user("ada", nothing, clock::now(), &actor()).await.unwrap();
        assert_eq!(fault(&world.refresh(refresh(&tokens)).await), (400, "invalid_grant".into()));
    }

    async fn a_held_call_hears_of_an_end(backend) {
        let world = World::new(backend).await;
        let tokens = world.tokens().await;
        let gateway = world.harness.gateway("held").await;
        let cursor = gateway.get("/v1/key-table").await.ok()["cursor"].as_str().unwrap().to_owned();
        let path = format!("/v1/key-table?cursor={cursor}&wait=60");
        let held = tokio::spawn(async move { gateway.get(&path).await.ok() });
        crate::program::until_held(world.http()).await;
        world.post("/oauth/revoke", &[("token", access(&tokens))], None).await;
        let page = held.await.unwrap();
        let said = claims(access(&tokens));
        assert_eq!(page["revoked_tokens"], json!([{"jti": said["jti"], "expires_at": said["exp"]}]));
        assert_eq!((&page["reset"], &page["keys"]), (&json!(false), &json!([])));
    }
}

/// What an older copy of the database does not know has ended all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_backup_brings_no_token_back() {
    let world = World::new(crate::harness::Backend::Sqlite).await;
    let (kept, revoked) = (world.tokens().await, world.tokens().await);
    let code = world.code(&world.id, &[]).await;
    let directory = world.harness.database.directory.path().to_owned();
    let (copy, secret) = (directory.join("copy.db"), world.secret.clone());
    world.harness.store.back_up(&copy).await.unwrap();
    world.post("/oauth/revoke", &[("token", access(&revoked))], None).await;
    let (id, database) = (world.id.clone(), world.harness.database.database.clone());
    let grants = world.harness.store.oauth_grants(&GrantFilter::default()).await.unwrap();
    world.harness.store.revoke_oauth_grant(&grants[0].id, None, None, clock::now(), &actor()).await.unwrap();
    let test = world.harness.stop().await;
    let journal = flint::store::recovery::journal::Journal::beside(database.path().unwrap());
    flint::store::recovery::backup::restore(&database, &copy, journal, clock::now()).await.unwrap();
    let store = Store::open(&database).await.unwrap();
    let grant = store.oauth_grants(&GrantFilter::default()).await.unwrap().remove(0);
    assert!(grant.revoked_at.is_some(), "the grant was withdrawn since");
    let harness = crate::harness::Harness::with(test, super::world::settings(&directory.join("keys"))).await;
    let world = World { harness, id, secret };
    assert!(world.is_refused(&revoked).await);
    assert_eq!(fault(&world.refresh(refresh(&kept)).await), (400, "invalid_grant".into()));
    assert_eq!(fault(&world.exchange(&code).await), (400, "invalid_grant".into()));
}
