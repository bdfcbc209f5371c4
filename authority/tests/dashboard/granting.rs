use axum::http::Method;
use flint::clock;
use flint::store::keys::catalogue::Offered;

use crate::visitor::{Dashboard, PASSWORD, actor, request};

/// Describes permissions.
async fn catalogue(dashboard: &Dashboard) {
    for (name, description) in
        [("documents:read", "See documents"), ("documents:write", "Change documents"), ("payments:read", "")]
    {
        let offered = Offered { name: name.into(), description: description.into() };
        dashboard.store.offer_permission(offered, clock::now(), &actor()).await.unwrap();
    }
}

#[tokio::test]
async fn the_question_says_what_is_asked_for_and_what_is_not() {
    let dashboard = Dashboard::issuing().await;
    catalogue(&dashboard).await;
    let client = dashboard.client("Example <App>", &["documents:*", "payments:read"]).await;
    dashboard.user("eve", &["documents:*"]).await;
    let mut eve = dashboard.granting("eve").await;
    let page = eve.get(&request(&client, "documents:read payments:read")).await;
    page.says(200, &["Allow Example &#60;App&#62;?", "api.example", "app.example", "eve", "/account/apps"]);
    let asked = page.between("class=\"scopes\"", "</fieldset>").unwrap();
    assert!(asked.contains("See documents") && !asked.contains("payments"), "{asked}");
    // She cannot give what she does not have, and so nobody needs to be told that it is not asked
    // for.
    page.says(200, &["<code>payments:read</code>. That is more than you hold"]);
    let not_asked = page.between("class=\"withheld\"", "</ul>").unwrap();
    assert!(not_asked.contains("Change documents") && not_asked.contains("Your password"), "{not_asked}");
    assert!(!not_asked.contains("See documents") && !not_asked.contains("payments"), "{not_asked}");
}

#[tokio::test]
async fn full_access_is_called_what_it_is() {
    let dashboard = Dashboard::issuing().await;
    catalogue(&dashboard).await;
    let client = dashboard.client("Archive", &["*"]).await;
    dashboard.user("ada", &["*"]).await;
    let mut ada = dashboard.granting("ada").await;
    let page = ada.get(&request(&client, "*")).await;
    page.says(200, &["This is full access", "Everything, including what is added later"]);
    assert!(!page.text.contains("Change documents"), "{}", page.text);
    let page = ada.get(&request(&client, "documents:read")).await;
    assert!(!page.text.contains("This is full access"), "{}", page.text);
}

#[tokio::test]
async fn a_wrong_password_does_not_lose_who_asked() {
    let dashboard = Dashboard::issuing().await;
    let client = dashboard.client("Example App", &["documents:read"]).await;
    dashboard.user("ada", &["*"]).await;
    let (mut visitor, request) = (dashboard.stranger(), request(&client, "documents:read"));
    let fields = [("next", request.as_str()), ("name", "ada"), ("password", "wrong")];
    let again = visitor.fill(&request, "/account/sign-in", &fields).await;
    again.says(422, &["Wrong name or password.", "to continue to <strong>Example App</strong>"]);
    let fields = [fields[0], fields[1], ("password", PASSWORD)];
    let answer = visitor.fill(&request, "/account/sign-in", &fields).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, request.as_str()));
    // An application that is none is not named.
    let page = dashboard.stranger().get("/account/sign-in?next=/oauth/authorize?client_id=x").await;
    page.says(200, &["Sign in"]);
    assert!(!page.text.contains("to continue to"), "{}", page.text);
}

#[tokio::test]
async fn users_are_not_led_to_the_pages_of_operators() {
    let dashboard = Dashboard::issuing().await;
    let client = dashboard.client("Example App", &["documents:read"]).await;
    dashboard.user("ada", &["*"]).await;
    let mut ada = dashboard.granting("ada").await;
    for (path, status) in [
        ("/oauth/authorize?client_id=x".to_owned(), 400),
        (request(&client, "documents:read"), 200),
        ("/account/apps".into(), 200),
    ] {
        let page = ada.get(&path).await;
        page.says(status, &[]);
        for (_, rest) in page.text.match_indices("href=\"/").map(|(at, _)| page.text.split_at(at)) {
            let allowed = ["href=\"/assets/", "href=\"/account/apps"];
            assert!(allowed.iter().any(|one| rest.starts_with(one)), "{path}: {rest}");
        }
    }
    ada.post_raw("/account/apps", &[]).await.says(403, &["href=\"/account/apps\""]);
    // Theirs is another session: it opens no page of operators, and an operator's opens none of
    // theirs.
    assert!(ada.get("/settings/api-keys").await.location().starts_with("/sign-in"));
    let mut operator = dashboard.operator(0).await;
    assert!(operator.get("/account/apps").await.location().starts_with("/account/sign-in"));
    operator.send(Method::PUT, "/account/apps", String::new()).await.says(405, &["Your apps"]);
}

#[tokio::test]
async fn what_was_allowed_is_listed_and_withdrawn_by_nobody_else() {
    let dashboard = Dashboard::issuing().await;
    catalogue(&dashboard).await;
    let client = dashboard.client("Example App", &["documents:*"]).await;
    dashboard.user("ada", &["*"]).await;
    dashboard.user("eve", &["*"]).await;
    let (mut ada, mut eve) = (dashboard.granting("ada").await, dashboard.granting("eve").await);
    ada.get("/account/apps").await.says(200, &["No apps"]);
    assert!(
        ada.allow(&client, "documents:read").await.location().starts_with("https://app.example/cb?code=")
    );
    let page = ada.get("/account/apps").await;
    page.says(200, &["Example App", "See documents", "api.example", "never used"]);
    let grant = page.between("id=\"withdraw-", "\"").unwrap();
    eve.fill("/account/apps", "/account/apps", &[("grant", &grant)]).await.says(404, &[]);
    let answer = ada.fill("/account/apps", "/account/apps", &[("grant", &grant)]).await;
    assert_eq!(answer.location(), "/account/apps?done=withdrawn");
    ada.get(answer.location()).await.says(200, &["Withdrawn.", "No apps"]);
}

#[tokio::test]
async fn signing_out_says_so_and_keeps_a_request() {
    let dashboard = Dashboard::issuing().await;
    let client = dashboard.client("Example App", &["documents:read"]).await;
    dashboard.user("ada", &["*"]).await;
    for (next, to) in [
        ("/account/apps".to_owned(), "/account/sign-in?out=1".to_owned()),
        (request(&client, "documents:read"), request(&client, "documents:read")),
    ] {
        let mut ada = dashboard.granting("ada").await;
        let answer = ada.fill("/account/apps", "/account/sign-out", &[("next", &next)]).await;
        assert_eq!(answer.location(), to);
        assert_eq!(ada.cookie("__Host-flint_user"), None);
    }
    dashboard.stranger().get("/account/sign-in?out=1").await.says(200, &["You are signed out."]);
}
