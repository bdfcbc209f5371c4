use axum::http::Method;
use flint::clock;
use flint::model::draft::NewKey;
use flint::store::keys::listing::Filter;
use flint::store::people::sessions::SignIn;

use crate::visitor::{Dashboard, NAME, actor};

const PAGES: [&str; 20] = [
    "/settings/api-keys",
    "/settings/api-keys/new",
    "/settings/api-keys/key_1",
    "/settings/activity",
    "/settings/activity.csv",
    "/settings/audit",
    "/settings/audit.csv",
    "/settings/gateways",
    "/settings/permissions",
    "/settings/api-tokens",
    "/settings/operators",
    "/settings/oauth-clients",
    "/settings/oauth-clients/new",
    "/settings/oauth-clients/client_1",
    "/settings/oauth-clients/client_1/edit",
    "/settings/users",
    "/settings/users/new",
    "/settings/users/user_1",
    "/settings/signing-keys",
    "/settings/signing-keys/rotate",
];

const FORMS: [&str; 30] = [
    "/sign-out",
    "/theme",
    "/settings/password",
    "/settings/api-keys/new",
    "/settings/api-keys/key_1/edit",
    "/settings/api-keys/key_1/rotate",
    "/settings/api-keys/key_1/revoke",
    "/settings/gateways",
    "/settings/gateways/gw_1/rotate",
    "/settings/gateways/gw_1/revoke",
    "/settings/permissions",
    "/settings/permissions/documents:read/withdraw",
    "/settings/api-tokens",
    "/settings/api-tokens/tok_1/revoke",
    "/settings/operators",
    "/settings/operators/op_1/disable",
    "/settings/oauth-clients/new",
    "/settings/oauth-clients/client_1/edit",
    "/settings/oauth-clients/client_1/rotate",
    "/settings/oauth-clients/client_1/disable",
    "/settings/oauth-clients/client_1/enable",
    "/settings/oauth-clients/client_1/remove",
    "/settings/grants/grant_1/withdraw",
    "/settings/users/new",
    "/settings/users/user_1/edit",
    "/settings/users/user_1/password",
    "/settings/users/user_1/disable",
    "/settings/users/user_1/enable",
    "/settings/signing-keys/rotate",
    "/settings/signing-keys/sig_1/retire",
];

#[tokio::test]
async fn without_a_session_every_page_leads_to_the_form_to_sign_in() {
    let dashboard = Dashboard::start().await;
    let mut stranger = dashboard.stranger();
    for page in PAGES {
        let answer = stranger.get(page).await;
        let next: String = form_urlencoded::byte_serialize(page.as_bytes()).collect();
        assert_eq!(
            (answer.status.as_u16(), answer.location()),
            (303, format!("/sign-in?next={next}").as_str())
        );
    }
    for form in FORMS {
        let answer = stranger.post_raw(form, &[("csrf", "x")]).await;
        assert_eq!((answer.status.as_u16(), answer.location()), (303, "/sign-in?ended=1"), "{form}");
    }
}

#[tokio::test]
async fn without_the_sessions_token_no_form_does_anything() {
    let dashboard = Dashboard::start().await;
    let mut operator = dashboard.operator(0).await;
    let other = dashboard.operator(0).await.get("/settings/gateways").await.hidden("csrf").unwrap();
    for form in FORMS {
        for fields in [&[][..], &[("csrf", "")], &[("csrf", other.as_str())]] {
            operator.post_raw(form, fields).await.says(403, &["Nothing was changed"]);
        }
    }
    // They are still signed in.
    operator.get("/settings/api-keys").await.says(200, &["API Keys"]);
}

#[tokio::test]
async fn what_another_site_sends_is_refused_whatever_it_shows() {
    let dashboard = Dashboard::start().await;
    let mut operator = dashboard.operator(0).await;
    let csrf = operator.get("/settings/gateways").await.hidden("csrf").unwrap();
    for site in ["cross-site", "same-site"] {
        operator.headers = vec![("sec-fetch-site", site.into())];
        operator.post_raw("/sign-out", &[("csrf", &csrf)]).await.says(403, &["another site"]);
        operator.post_raw("/sign-in", &[]).await.says(403, &["another site"]);
    }
    operator.headers = vec![("sec-fetch-site", "same-origin".into())];
    assert_eq!(operator.post_raw("/sign-out", &[("csrf", &csrf)]).await.location(), "/sign-in?out=1");
}

#[tokio::test]
async fn signing_in_begins_a_session_and_signing_out_ends_it() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.stranger();
    let fields = [("name", NAME), ("password", &dashboard.password), ("next", "/settings/audit")];
    let answer = visitor.fill("/sign-in", "/sign-in", &fields).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/settings/audit"));
    let line = answer.header("set-cookie");
    assert!(
        line.starts_with("__Host-flint_session=") && line.ends_with("; Secure; HttpOnly; SameSite=Lax"),
        "{line}"
    );
    assert!(line.contains("; Path=/;") && !line.to_lowercase().contains("domain"), "{line}");
    let first = visitor.cookie("__Host-flint_session").unwrap().to_owned();

    // Again: another id, and the old one is good for nothing.
    let mut again = visitor.clone();
    let page = dashboard.stranger().get("/sign-in").await;
    assert_eq!(again.get("/sign-in").await.status.as_u16(), 303, "who is signed in needs no form");
    let token = page.hidden("token").unwrap();
    again.headers = vec![("cookie", format!("__Host-flint_form={token}"))];
    let mut fresh = dashboard.stranger();
    fresh.headers = vec![("cookie", format!("__Host-flint_form={token}; __Host-flint_session={first}"))];
    let answer = fresh.post_raw("/sign-in", &[("token", &token), fields[0], fields[1]]).await;
    assert_eq!(answer.location(), "/settings/api-keys");
    assert_ne!(fresh.cookie("__Host-flint_session"), Some(first.as_str()));
    assert_eq!(visitor.get("/settings/api-keys").await.status.as_u16(), 303);

    let mut operator = dashboard.operator(0).await;
    let mut copy = operator.clone();
    operator.fill("/settings/gateways", "/sign-out", &[]).await;
    assert_eq!(operator.cookie("__Host-flint_session"), None);
    assert_eq!(copy.get("/settings/api-keys").await.status.as_u16(), 303, "the session stays valid");
}

#[tokio::test]
async fn signing_in_tells_nothing_and_is_slowed_down() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.stranger();
    let mut texts = Vec::new();
    for name in [NAME, "nobody"] {
        let answer = visitor.fill("/sign-in", "/sign-in", &[("name", name), ("password", "wrong")]).await;
        answer.says(422, &["Wrong name or password."]);
        texts.push(answer.text.replace(name, ""));
    }
    assert_eq!(texts[0], texts[1]);
    // Failures of most of an hour ahead, so that the wait does not end while a slow machine works.
    // After a whole one the first failure would be forgotten.
    let ahead = clock::now() + 3_000;
    for _ in 0..4 {
        let tried = dashboard.store.sign_in(NAME, "wrong".into(), None, ahead).await.unwrap();
        assert!(matches!(tried, SignIn::Wrong));
    }
    let answer =
        visitor.fill("/sign-in", "/sign-in", &[("name", NAME), ("password", &dashboard.password)]).await;
    answer.says(429, &["Too many attempts"]);
    assert!(answer.header("retry-after").parse::<i64>().unwrap() > 0);
}

#[tokio::test]
async fn the_form_to_sign_in_has_a_token_of_its_own() {
    let dashboard = Dashboard::start().await;
    let good = [("name", NAME), ("password", dashboard.password.as_str())];
    let mut visitor = dashboard.stranger();
    visitor.post_raw("/sign-in", &good).await.says(403, &["out of date"]);
    let other = dashboard.stranger().get("/sign-in").await.hidden("token").unwrap();
    visitor.get("/sign-in").await;
    visitor.post_raw("/sign-in", &[good[0], good[1], ("token", &other)]).await.says(403, &["out of date"]);
    assert_eq!(visitor.cookie("__Host-flint_session"), None);
}

#[tokio::test]
async fn nobody_is_led_to_another_site() {
    let dashboard = Dashboard::start().await;
    for next in ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"] {
        let fields = [("name", NAME), ("password", dashboard.password.as_str()), ("next", next)];
        let answer = dashboard.stranger().fill("/sign-in", "/sign-in", &fields).await;
        assert_eq!(answer.location(), "/settings/api-keys", "{next}");
        let mut operator = dashboard.operator(0).await;
        let answer =
            operator.fill("/settings/gateways", "/theme", &[("theme", "dark"), ("back", next)]).await;
        assert_eq!(answer.location(), "/settings/api-keys", "{next}");
    }
}

#[tokio::test]
async fn an_ended_session_and_a_shut_out_operator_are_out() {
    let dashboard = Dashboard::start().await;
    let mut late = dashboard.operator(13 * 3_600).await;
    assert_eq!(late.get("/settings/api-keys").await.status.as_u16(), 303);
    let mut operator = dashboard.operator(0).await;
    dashboard.store.disable_operator(NAME, clock::now(), &actor()).await.unwrap();
    assert_eq!(operator.get("/settings/api-keys").await.status.as_u16(), 303);
}

#[tokio::test]
async fn one_session_that_comes_twice_is_none() {
    let dashboard = Dashboard::start().await;
    let mut operator = dashboard.operator(0).await;
    let cookie = operator.cookie("__Host-flint_session").unwrap().to_owned();
    operator.headers = vec![("cookie", format!("__Host-flint_session={cookie}"))];
    assert_eq!(operator.get("/settings/api-keys").await.status.as_u16(), 303);
}

#[tokio::test]
async fn what_is_grave_wants_the_password_after_a_while() {
    let dashboard = Dashboard::start().await;
    // Both signed in before anything went wrong: the throttle does not travel in time.
    let (mut operator, mut stale) = (dashboard.operator(700).await, dashboard.operator(700).await);
    let live = [("name", "x"), ("environment", "live"), ("preset", "full"), ("expiry", "90")];
    let page = "/settings/api-keys/new";
    operator.fill(page, page, &live).await.says(422, &["Enter your password", "value=\"x\""]);
    let wrong = [live[0], live[1], live[2], live[3], ("password", "wrong")];
    operator.fill(page, page, &wrong).await.says(422, &["That is not your password"]);
    let old = operator.cookie("__Host-flint_session").unwrap().to_owned();
    let right = [live[0], live[1], live[2], live[3], ("password", dashboard.password.as_str())];
    let answer = operator.fill(page, page, &right).await;
    answer.says(200, &["Key generated"]);
    let new = operator.cookie("__Host-flint_session").unwrap();
    assert_ne!(old, new, "the id stays");
    assert!(dashboard.store.session(&old, clock::now()).await.unwrap().is_none(), "the old id is good");
    // From now on it is not asked again, and a test key never wanted it.
    operator.fill(page, page, &live).await.says(200, &["Key generated"]);
    let test = [live[0], ("environment", "test"), live[2], live[3]];
    stale.fill(page, page, &test).await.says(200, &["Key generated"]);
    let all = Filter { limit: 9, ..Filter::default() };
    let keys = dashboard.store.list_keys(&all, clock::now());
    assert_eq!(keys.await.unwrap().keys.len(), 3);
}

#[tokio::test]
async fn revoking_wants_no_password() {
    let dashboard = Dashboard::start().await;
    let mut operator = dashboard.operator(700).await;
    let new = NewKey { name: "x".into(), environment: "live".into(), ..NewKey::default() };
    let new = new.check(clock::now()).unwrap();
    let made = dashboard.store.create_key(new, clock::now(), &actor()).await.unwrap();
    // Anyone who knows the name guesses on.
    for number in 0..6 {
        let address = format!("10.0.0.{number}");
        dashboard.store.sign_in(NAME, "wrong".into(), Some(&address), clock::now()).await.unwrap();
    }
    let page = format!("/settings/api-keys/{}/revoke", made.key.id);
    let answer = operator.fill(&page, &page, &[("name", "x"), ("reason", "it leaked, or may have")]).await;
    assert!(answer.location().ends_with("?done=revoked"), "{}", answer.text);
    let (gateway, _) = dashboard.store.create_gateway("edge", clock::now(), &actor()).await.unwrap();
    let page = format!("/settings/gateways/{}/revoke", gateway.id);
    assert!(operator.fill(&page, &page, &[]).await.location().ends_with("?done=revoked"));
}

#[tokio::test]
async fn changing_a_live_key_wants_the_password_too() {
    let dashboard = Dashboard::start().await;
    for (environment, wants) in [("live", true), ("test", false)] {
        let mut operator = dashboard.operator(700).await;
        let new = NewKey { name: "x".into(), environment: environment.into(), ..NewKey::default() };
        let made = dashboard
            .store
            .create_key(new.check(clock::now()).unwrap(), clock::now(), &actor())
            .await
            .unwrap();
        let page = format!("/settings/api-keys/{}/edit", made.key.id);
        assert_eq!(operator.get(&page).await.text.contains("Your password"), wants);
        let same = [("name", "x"), ("preset", "full"), ("expiry", "keep")];
        assert!(operator.fill(&page, &page, &same).await.location().ends_with("?done=same"));
        let other = [("name", "y"), same[1], same[2]];
        let answer = operator.fill(&page, &page, &other).await;
        if wants {
            answer.says(422, &["Enter your password", "value=\"y\""]);
            assert_eq!(dashboard.store.key(&made.key.id).await.unwrap(), made.key);
            let right = [other[0], other[1], other[2], ("password", dashboard.password.as_str())];
            let answer = operator.fill(&page, &page, &right).await;
            assert!(answer.location().ends_with("?done=changed"), "{}", answer.text);
        } else {
            assert!(answer.location().ends_with("?done=changed"), "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn a_page_about_a_fault_keeps_whoever_gave_their_password_signed_in() {
    let dashboard = Dashboard::start().await;
    let mut operator = dashboard.operator(700).await;
    let page = "/settings/api-keys/new";
    let old = operator.cookie("__Host-flint_session").unwrap().to_owned();
    let csrf = operator.get(page).await.hidden("csrf").unwrap();
    let fields = [
        ("csrf", csrf.as_str()),
        ("once", "short"),
        ("name", "x"),
        ("environment", "live"),
        ("preset", "full"),
        ("expiry", "90"),
        ("password", dashboard.password.as_str()),
    ];
    operator.post_raw(page, &fields).await.says(403, &["Please reload the page"]);
    assert_ne!(operator.cookie("__Host-flint_session").unwrap(), old);
    operator.get(page).await.says(200, &["Generate New Key"]);
}

#[tokio::test]
async fn the_wrong_method_and_the_unknown_page_are_pages_too() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.stranger();
    visitor.get("/settings/nothing/here").await.says(404, &["Not found"]);
    visitor.get("/assets/nothing.css").await.says(404, &["Not found"]);
    visitor.send(Method::PUT, "/settings/api-keys", String::new()).await.says(405, &["Method not allowed"]);
    assert_eq!(visitor.get("/").await.location(), "/settings/api-keys");
}
