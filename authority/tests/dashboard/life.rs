use flint::clock;
use flint::model::State;
use flint::store::feed::acknowledgements::Acknowledgement;
use flint::store::keys::listing::Filter;
use flint_contract::key::Digest;

use crate::visitor::{Dashboard, Visitor, actor};

const NEW: &str = "/settings/api-keys/new";

async fn make(visitor: &mut Visitor, name: &str) -> (String, String) {
    let fields = [
        ("name", name),
        ("environment", "live"),
        ("preset", "chosen"),
        ("custom", "documents:read"),
        ("expiry", "90"),
        ("owner", "org_7"),
    ];
    let answer = visitor.fill(NEW, NEW, &fields).await;
    answer.says(200, &["Key generated", "shown only once"]);
    assert_eq!(answer.header("cache-control"), "no-store");
    let id = answer.between("class=\"button\" href=\"/settings/api-keys/", "\"").unwrap();
    (id, answer.secret().unwrap())
}

#[tokio::test]
async fn a_key_is_shown_once_and_nowhere_again() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.operator(0).await;
    let (id, secret) = make(&mut visitor, "Checkout").await;
    let key = dashboard.store.key(&id).await.unwrap();
    assert_eq!(key.digest, Digest::of(secret.as_bytes()));
    assert_eq!((key.created_by.as_str(), key.owner.as_deref()), ("operator:ada", Some("org_7")));
    let middle = &secret["flint_live_".len() + 4..secret.len() - 4];
    for page in [
        "/settings/api-keys".into(),
        format!("/settings/api-keys/{id}"),
        "/settings/audit".into(),
        "/settings/audit.csv".into(),
    ] {
        let answer = visitor.get(&page).await;
        assert!(answer.status.is_success() && !answer.text.contains(middle), "{page}");
    }
    visitor.get("/settings/api-keys").await.says(200, &[&key.hint.unwrap(), "Checkout", "by ada"]);
}

#[tokio::test]
async fn a_form_that_is_sent_again_makes_nothing() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.operator(0).await;
    let page = visitor.get(NEW).await;
    let (csrf, once) = (page.hidden("csrf").unwrap(), page.hidden("once").unwrap());
    let fields = [
        ("csrf", csrf.as_str()),
        ("once", &once),
        ("name", "x"),
        ("environment", "test"),
        ("preset", "full"),
        ("expiry", "90"),
    ];
    visitor.post_raw(NEW, &fields).await.says(200, &["Key generated"]);
    let again = visitor.post_raw(NEW, &fields).await;
    again.says(409, &["Already done", "not created twice"]);
    assert_eq!(again.secret(), None);
    // Two at once: one of them.
    let once = visitor.get(NEW).await.hidden("once").unwrap();
    let fields = [fields[0], ("once", once.as_str()), fields[2], fields[3], fields[4], fields[5]];
    let (mut one, mut other) = (visitor.clone(), visitor.clone());
    let (first, second) = tokio::join!(one.post_raw(NEW, &fields), other.post_raw(NEW, &fields));
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    visitor
        .post_raw(NEW, &[fields[0], fields[2], fields[3], fields[4], fields[5]])
        .await
        .says(403, &["Nothing was changed"]);
    let all = Filter { limit: 9, ..Filter::default() };
    assert_eq!(dashboard.store.list_keys(&all, clock::now()).await.unwrap().keys.len(), 2);
}

#[tokio::test]
async fn rotation_shows_the_new_key_and_both_know_of_each_other() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.operator(0).await;
    let (id, secret) = make(&mut visitor, "Checkout").await;
    let page = format!("/settings/api-keys/{id}/rotate");
    visitor.fill(&page, &page, &[("overlap", "60")]).await.says(422, &["Choose how long"]);
    let answer = visitor.fill(&page, &page, &[("overlap", "3600")]).await;
    answer.says(200, &["Key rotated"]);
    assert_ne!(answer.secret().unwrap(), secret);
    let old = dashboard.store.key(&id).await.unwrap();
    let new = dashboard.store.key(old.replaced_by.as_deref().unwrap()).await.unwrap();
    assert_eq!(old.expires_at.unwrap(), old.updated_at + 3_600);
    visitor
        .get(&format!("/settings/api-keys/{id}"))
        .await
        .says(200, &["Superseded", &new.id, "Revoke old key now", "New key, last used"]);
    visitor.get(&format!("/settings/api-keys/{}", new.id)).await.says(200, &["Replaces", &old.id]);
    visitor.get(&page).await.says(409, &["has already been rotated"]);
    let csrf = visitor.get("/settings/gateways").await.hidden("csrf").unwrap();
    let again = [("csrf", csrf.as_str()), ("once", "oooooooooooooooooooooooo"), ("overlap", "0")];
    visitor.post_raw(&page, &again).await.says(409, &["has already been rotated"]);
}

#[tokio::test]
async fn a_revoked_key_shows_which_gateways_refuse_it() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.operator(0).await;
    let (id, _) = make(&mut visitor, "Checkout").await;
    let page = format!("/settings/api-keys/{id}/revoke");
    let fields = [("name", "Checkout"), ("reason", "it leaked, or may have"), ("note", "found in a log")];
    let answer = visitor.fill(&page, &page, &fields).await;
    assert_eq!(
        (answer.status.as_u16(), answer.location()),
        (303, format!("/settings/api-keys/{id}?done=revoked").as_str())
    );
    let key = dashboard.store.key(&id).await.unwrap();
    assert_eq!(key.state(clock::now()), State::Revoked);
    assert_eq!(key.revoke_reason.as_deref(), Some("it leaked, or may have: found in a log"));
    visitor.get(answer.location()).await.says(200, &["Key revoked", "No gateway has connected"]);
    for path in ["revoke", "edit", "rotate"] {
        visitor.get(&format!("/settings/api-keys/{id}/{path}")).await.says(409, &["never be used again"]);
    }
    visitor.get("/settings/api-keys?status=revoked").await.says(200, &["Checkout", "found in a log"]);
    visitor.get("/settings/api-keys?status=active").await.says(200, &["No keys match"]);
}

#[tokio::test]
async fn a_process_that_was_replaced_makes_no_gateway_look_ill() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.operator(0).await;
    let (store, now) = (&dashboard.store, clock::now());
    let (gateway, _) = store.create_gateway("edge", now, &actor()).await.unwrap();
    make(&mut visitor, "Checkout").await;
    let said = async |process: &str, seq, at| {
        let (gateway_id, process_id) = (gateway.id.clone(), process.into());
        assert!(store.acknowledge(Acknowledgement { gateway_id, process_id, seq, at }).await.unwrap());
        store.write_acknowledgements().await.unwrap();
    };
    said("old", 0, now - 5_000).await;
    said("old", 0, now - 1_000).await;
    let page = visitor.get("/settings/gateways").await;
    page.says(200, &["Silent", "old"]);
    said("new", 0, now - 990).await;
    said("new", 0, now).await;
    let page = visitor.get("/settings/gateways").await;
    page.says(200, &["Behind", "1 change", "new"]);
    // What was heard just now is not written down yet, and counts.
    let (gateway_id, process_id) = (gateway.id.clone(), "new".into());
    assert!(store.acknowledge(Acknowledgement { gateway_id, process_id, seq: 1, at: now }).await.unwrap());
    let page = visitor.get("/settings/gateways").await;
    page.says(200, &["Up to date"]);
    assert!(!page.text.contains("Silent") && !page.text.contains("Behind"), "{}", page.text);
}

#[tokio::test]
async fn of_very_many_processes_those_that_lag_are_listed_first_and_the_others_counted() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.operator(0).await;
    let (store, now) = (&dashboard.store, clock::now());
    let (gateway, _) = store.create_gateway("edge", now, &actor()).await.unwrap();
    let (id, _) = make(&mut visitor, "Checkout").await;
    for number in 0..150 {
        let (gateway_id, process_id) = (gateway.id.clone(), format!("process-{number}"));
        let seq = i64::from(number != 149);
        assert!(store.acknowledge(Acknowledgement { gateway_id, process_id, seq, at: now }).await.unwrap());
    }
    for path in ["/settings/gateways".into(), format!("/settings/api-keys/{id}")] {
        let page = visitor.get(&path).await;
        page.says(200, &["process-149", "And 50 more."]);
        assert_eq!(page.text.matches("process-").count(), 100, "{path}");
    }
}

#[tokio::test]
async fn a_change_is_saved_and_no_change_leaves_no_trace() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.operator(0).await;
    let (id, _) = make(&mut visitor, "Checkout").await;
    let page = format!("/settings/api-keys/{id}/edit");
    let same = [
        ("name", "Checkout"),
        ("preset", "chosen"),
        ("custom", "documents:read"),
        ("expiry", "keep"),
        ("owner", "org_7"),
    ];
    assert!(visitor.fill(&page, &page, &same).await.location().ends_with("?done=same"));
    assert_eq!(dashboard.store.key(&id).await.unwrap().version, 1);
    let other = [
        ("name", "Payments"),
        ("preset", "none"),
        ("expiry", "none"),
        ("cidrs", "10.0.0.0/8, 2001:db8::/32"),
        ("owner", ""),
    ];
    assert!(visitor.fill(&page, &page, &other).await.location().ends_with("?done=changed"));
    let key = dashboard.store.key(&id).await.unwrap();
    assert_eq!(
        (key.name.as_str(), key.permissions.len(), key.owner, key.expires_at),
        ("Payments", 0, None, None)
    );
    assert_eq!(key.allowed_cidrs.unwrap(), ["10.0.0.0/8", "2001:db8::/32"]);
}

#[tokio::test]
async fn gateways_tokens_operators_and_permissions_live_too() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.operator(0).await;
    let (gateways, now) = ("/settings/gateways", clock::now());
    let token = visitor.fill(gateways, gateways, &[("name", "edge")]).await.secret().unwrap();
    let store = &dashboard.store;
    let gateway = store.gateway_of_token(&Digest::of(token.as_bytes()), now).await.unwrap().unwrap();
    let rotate = format!("/settings/gateways/{gateway}/rotate");
    let newer = visitor.fill(&rotate, &rotate, &[("overlap", "0")]).await.secret().unwrap();
    assert!(store.gateway_of_token(&Digest::of(token.as_bytes()), clock::now()).await.unwrap().is_none());
    let revoke = format!("/settings/gateways/{gateway}/revoke");
    assert_eq!(visitor.fill(&revoke, &revoke, &[]).await.status.as_u16(), 303);
    assert!(store.gateway_of_token(&Digest::of(newer.as_bytes()), clock::now()).await.unwrap().is_none());

    let tokens = "/settings/api-tokens";
    let made = visitor
        .fill(tokens, tokens, &[("name", "CI"), ("grant", "keys:read"), ("days", "30")])
        .await
        .secret()
        .unwrap();
    let token = store.api_token(&Digest::of(made.as_bytes()), clock::now()).await.unwrap().unwrap();
    assert_eq!(token.permissions, ["keys:read"]);
    let revoke = format!("/settings/api-tokens/{}/revoke", token.id);
    visitor.fill(&revoke, &revoke, &[]).await;
    assert!(store.api_token(&Digest::of(made.as_bytes()), clock::now()).await.unwrap().is_none());

    let operators = "/settings/operators";
    visitor.fill(operators, operators, &[("name", "bob")]).await.says(200, &["Password"]);
    let bob = store.operators().await.unwrap().into_iter().find(|one| one.name == "bob").unwrap();
    let reset = format!("/settings/operators/{}/password", bob.id);
    assert!(visitor.fill(&reset, &reset, &[]).await.secret().is_some());
    let disable = format!("/settings/operators/{}/disable", bob.id);
    visitor.fill(&disable, &disable, &[]).await;
    assert!(
        store.operators().await.unwrap().iter().any(|one| one.name == "bob" && one.disabled_at.is_some())
    );
    let own = store.operators().await.unwrap().into_iter().find(|one| one.name == "ada").unwrap();
    visitor.get(&format!("/settings/operators/{}/disable", own.id)).await.says(409, &["on yourself"]);

    let permissions = "/settings/permissions";
    visitor.fill(permissions, permissions, &[("name", "reports:read"), ("description", "See reports")]).await;
    visitor.get(NEW).await.says(200, &["reports", "See reports"]);
    let withdraw = "/settings/permissions/reports:read/withdraw";
    visitor.fill(withdraw, withdraw, &[]).await;
    assert!(store.permissions().await.unwrap().iter().all(|one| one.name != "reports:read"));
}

#[tokio::test]
async fn a_new_password_ends_every_other_session() {
    let dashboard = Dashboard::start().await;
    let (mut one, mut other) = (dashboard.operator(0).await, dashboard.operator(0).await);
    let new = "correct horse battery";
    let fields = [("current", dashboard.password.as_str()), ("new", new), ("again", new)];
    let answer = one.fill("/settings/operators", "/settings/password", &fields).await;
    assert_eq!(answer.location(), "/settings/operators?done=password", "{}", answer.text);
    one.get("/settings/operators").await.says(200, &["Operators"]);
    assert_eq!(other.get("/settings/operators").await.status.as_u16(), 303);
}

#[tokio::test]
async fn pages_of_the_list_follow_each_other() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.operator(0).await;
    for number in 0..120 {
        let new = flint::model::draft::NewKey {
            name: format!("Key {number:03}"),
            environment: "test".into(),
            ..Default::default()
        };
        dashboard.store.create_key(new.check(clock::now()).unwrap(), clock::now(), &actor()).await.unwrap();
    }
    let (mut path, mut names) = ("/settings/api-keys?sort=name".to_owned(), Vec::new());
    loop {
        let page = visitor.get(&path).await;
        page.says(200, &[]);
        names.extend(
            page.text
                .split("class=\"key-name\"")
                .skip(1)
                .map(|rest| rest.split_once('>').unwrap().1[..7].to_owned()),
        );
        let Some(next) = page.between("<a class=\"button\" href=\"/settings/api-keys?", "\" rel=\"next\"")
        else {
            break;
        };
        // The link to the first page may stand before it.
        let next = next.rsplit("href=\"/settings/api-keys?").next().unwrap().replace("&#38;", "&");
        path = format!("/settings/api-keys?{next}");
    }
    let expected: Vec<_> = (0..120).map(|number| format!("Key {number:03}")).collect();
    assert_eq!(names, expected);
}
