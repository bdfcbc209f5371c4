use flint::clock;
use flint::oauth::key_life::Algorithm;
use flint::oauth::keyring::Keyring;
use flint::store::audit::AuditFilter;
use flint::store::oauth::grants::GrantFilter;

use crate::visitor::{Answer, Dashboard, Visitor, actor};

const CLIENTS: &str = "/settings/oauth-clients";
const NEW_CLIENT: &str = "/settings/oauth-clients/new";
const NEW_USER: &str = "/settings/users/new";
const KEYS: &str = "/settings/signing-keys";
const GOOD: [(&str, &str); 11] = [
    ("name", "Example App"),
    ("environment", "test"),
    ("kind", "confidential"),
    ("redirect_uris", "https://app.example/cb\nhttp://127.0.0.1:8080/cb"),
    ("preset", "chosen"),
    ("custom", "documents:read"),
    ("grant_types", "authorization_code"),
    ("token_endpoint_auth_method", "client_secret_basic"),
    ("access_token_seconds", "5m"),
    ("refresh_idle_seconds", "7d"),
    ("refresh_max_seconds", "30d"),
];

/// Registers what is good, but for some fields.
async fn register(visitor: &mut Visitor, change: &[(&str, &str)]) -> Answer {
    let kept = GOOD.iter().filter(|good| !change.iter().any(|one| one.0 == good.0));
    let fields: Vec<_> = kept.chain(change).copied().collect();
    visitor.fill(NEW_CLIENT, NEW_CLIENT, &fields).await
}

/// What was done, the youngest first.
async fn actions(dashboard: &Dashboard, prefix: &str) -> Vec<String> {
    let filter = AuditFilter { action: Some(prefix.into()), limit: 50, ..AuditFilter::default() };
    let lines = dashboard.store.audit(&filter).await.unwrap().lines;
    lines.into_iter().map(|line| line.action).collect()
}

#[tokio::test]
async fn a_client_lives_from_its_first_form_to_its_removal() {
    let dashboard = Dashboard::issuing().await;
    let mut visitor = dashboard.operator(0).await;
    let made = register(&mut visitor, &[]).await;
    made.says(200, &["This is shown only once.", "client_"]);
    let secret = made.secret().unwrap();
    assert!(secret.starts_with("flint_secret_"), "{secret}");
    let [client] = dashboard.store.oauth_clients(clock::now()).await.unwrap().try_into().unwrap();
    let (id, registration) = (client.client.id, client.client.registration);
    let page = format!("{CLIENTS}/{id}");
    assert_eq!(registration.redirect_uris, ["https://app.example/cb", "http://127.0.0.1:8080/cb"]);
    assert_eq!(
        (registration.permissions.join(" "), registration.lifetimes.access),
        ("documents:read".into(), 300)
    );
    visitor.get(CLIENTS).await.says(200, &["Example App", "Never used", "Enabled"]);
    let shown = visitor.get(&page).await;
    shown.says(
        200,
        &[&id, "https://auth.example/oauth/token", "Users allow it", "registered OAuth client", "7d"],
    );
    assert!(!shown.text.contains(&secret));

    let edit = format!("{page}/edit");
    let fields: Vec<_> = GOOD[4..].iter().copied().chain([GOOD[3], ("name", "Renamed")]).collect();
    let changed = visitor.fill(&edit, &edit, &fields).await;
    assert_eq!(changed.location(), format!("{page}?done=changed"), "{}", changed.text);
    let rotate = format!("{page}/rotate");
    let newer = visitor.fill(&rotate, &rotate, &[("overlap", "3600")]).await.secret().unwrap();
    assert_ne!(newer, secret);
    assert_eq!(dashboard.store.oauth_client(&id, clock::now()).await.unwrap().secrets.len(), 2);
    for (verb, badge) in [("disable", "Disabled"), ("enable", "Enabled")] {
        let path = format!("{page}/{verb}");
        let done = visitor.fill(&path, &path, &[]).await;
        assert_eq!(done.location(), format!("{page}?done={verb}d"), "{}", done.text);
        visitor.get(&page).await.says(200, &["Renamed", badge]);
    }
    let remove = format!("{page}/remove");
    assert_eq!(visitor.fill(&remove, &remove, &[]).await.location(), format!("{CLIENTS}?done=removed"));
    visitor.get(&page).await.says(404, &["This OAuth client does not exist"]);
    let verbs = ["delete", "enable", "disable", "rotate_secret", "update", "create"];
    assert_eq!(actions(&dashboard, "oauth.client.").await, verbs.map(|verb| format!("oauth.client.{verb}")));
}

#[tokio::test]
async fn every_bad_field_of_a_client_is_named_and_nothing_is_registered() {
    let dashboard = Dashboard::issuing().await;
    let mut visitor = dashboard.operator(0).await;
    for (field, said) in [
        (("name", ""), "It must be 1 to 100"),
        (("environment", ""), "It must be &#34;live&#34; or &#34;test&#34;"),
        (
            ("redirect_uris", "https://app.example/cb http://evil.example/cb"),
            "Entry 2 must be an absolute URI",
        ),
        (("redirect_uris", ""), "It must not be empty for a client that users allow"),
        (("custom", ""), "Choose at least one permission"),
        (("custom", "Documents"), "Entry 1 must be like documents:read"),
        (("grant_types", "implicit"), "It must be at least one of"),
        (("token_endpoint_auth_method", "private_key_jwt"), "It is required for private_key_jwt"),
        (("access_token_seconds", "1h"), "It must be 30s to 10m"),
        (("refresh_idle_seconds", "31d"), "It must be 1m up to the longest time in all"),
        (("refresh_max_seconds", "soon"), "Enter a length of time"),
    ] {
        let page = register(&mut visitor, &[field]).await;
        page.says(422, &[said, "Nothing has been changed yet"]);
        if field.0 != "redirect_uris" {
            page.says(422, &["https://app.example/cb\n"]);
        }
    }
    let signed =
        [("token_endpoint_auth_method", "private_key_jwt"), ("jwks", "{\"keys\": [{\"kty\": \"oct\"}]}")];
    register(&mut visitor, &signed).await.says(422, &["Entry 1 must be a public key"]);
    register(&mut visitor, &[signed[0], ("jwks", "{")]).await.says(422, &["It must be a JWK set in JSON."]);
    assert!(dashboard.store.oauth_clients(clock::now()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_public_client_has_no_secret() {
    let dashboard = Dashboard::issuing().await;
    let mut visitor = dashboard.operator(0).await;
    let made = register(&mut visitor, &[("kind", "public")]).await;
    let page = made.location().split('?').next().unwrap().to_owned();
    assert!(page.starts_with("/settings/oauth-clients/client_"), "{}", made.text);
    let shown = visitor.get(&page).await;
    shown.says(200, &["Public", "<code>none</code>"]);
    assert!(!shown.text.contains("Rotate secret"), "{}", shown.text);
    visitor.get(&format!("{page}/rotate")).await.says(409, &["the client has no secret"]);
    // Its kind stays, whatever a form says.
    let edit = format!("{page}/edit");
    let fields: Vec<_> = GOOD.iter().filter(|one| one.0 != "environment").copied().collect();
    assert!(visitor.fill(&edit, &edit, &fields).await.location().ends_with("?done=changed"));
    visitor.get(&page).await.says(200, &["Public", "<code>none</code>"]);
}

#[tokio::test]
async fn nobody_saves_a_client_or_a_user_over_what_somebody_else_changed() {
    let dashboard = Dashboard::issuing().await;
    let mut visitor = dashboard.operator(0).await;
    let client = dashboard.client("App", &["documents:read"]).await;
    let user = dashboard.user("ada", &["documents:read"]).await;
    for path in [format!("{CLIENTS}/{}/edit", client.id), format!("/settings/users/{}/edit", user.id)] {
        let (csrf, fields) = (visitor.get(&path).await.hidden("csrf").unwrap(), &GOOD[3..]);
        let old: Vec<_> = [("csrf", csrf.as_str()), ("version", "0"), ("name", "Mine")]
            .iter()
            .chain(fields)
            .copied()
            .collect();
        visitor.post_raw(&path, &old).await.says(409, &["Someone else changed this", "documents:read"]);
    }
    assert_eq!(dashboard.store.oauth_client(&client.id, clock::now()).await.unwrap().client, client);
    assert_eq!(dashboard.store.user(&user.id).await.unwrap(), user);
}

#[tokio::test]
async fn what_widens_wants_the_password_and_what_ends_does_not() {
    let dashboard = Dashboard::issuing().await;
    let client = dashboard.client("App", &["documents:read"]).await;
    let user = dashboard.user("ada", &["*"]).await;
    let of_client = |verb: &str| format!("{CLIENTS}/{}/{verb}", client.id);
    let of_user = |verb: &str| format!("/settings/users/{}/{verb}", user.id);
    let mut visitor = dashboard.operator(700).await;
    register(&mut visitor, &[("environment", "live")])
        .await
        .says(422, &["Enter your password", "Example App"]);
    register(&mut visitor, &[]).await.says(200, &["This is shown only once."]);
    let user_fields = [("name", "eve"), ("preset", "full")];
    visitor.fill(NEW_USER, NEW_USER, &user_fields).await.says(422, &["Enter your password", "eve"]);
    for (path, fields) in [
        (of_client("rotate"), vec![("overlap", "0")]),
        (of_client("edit"), GOOD.to_vec()),
        (of_user("edit"), vec![("preset", "none")]),
        (of_user("password"), vec![]),
        (format!("{KEYS}/rotate"), vec![("algorithm", "ES256"), ("way", "now")]),
    ] {
        visitor.fill(&path, &path, &fields).await.says(422, &["Enter your password"]);
    }
    assert_eq!(dashboard.store.user("ada").await.unwrap().permissions, ["*"]);
    for (path, lifts) in
        [(of_client("disable"), of_client("enable")), (of_user("disable"), of_user("enable"))]
    {
        assert!(visitor.fill(&path, &path, &[]).await.location().ends_with("?done=disabled"), "{path}");
        visitor.fill(&lifts, &lifts, &[]).await.says(422, &["Enter your password"]);
    }
    let remove = of_client("remove");
    assert!(visitor.fill(&remove, &remove, &[]).await.location().ends_with("?done=removed"));
}

#[tokio::test]
async fn a_user_is_added_changed_disabled_and_found() {
    let dashboard = Dashboard::issuing().await;
    let mut visitor = dashboard.operator(0).await;
    visitor.get("/settings/users").await.says(200, &["No users yet"]);
    let fields = [("name", "ada@example.com"), ("preset", "full")];
    let made = visitor.fill(NEW_USER, NEW_USER, &fields).await;
    made.says(200, &["This is shown only once.", "Pass it on to ada@example.com"]);
    let password = made.secret().unwrap();
    visitor.fill(NEW_USER, NEW_USER, &fields).await.says(422, &["A user with this name already exists."]);
    visitor.fill(NEW_USER, NEW_USER, &[("name", ""), fields[1]]).await.says(422, &["It must be 1 to 100"]);
    let user = dashboard.store.user("ada@example.com").await.unwrap();
    let page = format!("/settings/users/{}", user.id);
    let signs_in = async |password: &str| {
        let mut one = dashboard.stranger();
        let fields = [("name", "ada@example.com"), ("password", password)];
        let answer = one.fill("/account/sign-in", "/account/sign-in", &fields).await;
        (answer.status.as_u16() == 303, one)
    };
    let (is_in, mut ada) = signs_in(&password).await;
    assert!(is_in);

    let edit = format!("{page}/edit");
    visitor
        .fill(&edit, &edit, &[("preset", "chosen"), ("custom", "a b")])
        .await
        .says(422, &["Entry 1 must be like"]);
    let changed = visitor.fill(&edit, &edit, &[("preset", "chosen"), ("custom", "documents:read")]).await;
    assert_eq!(changed.location(), format!("{page}?done=changed"), "{}", changed.text);
    visitor.get(&page).await.says(200, &["<code>documents:read</code>", "Enabled"]);
    let reset = format!("{page}/password");
    let newer = visitor.fill(&reset, &reset, &[]).await.secret().unwrap();
    assert!(ada.get("/account/apps").await.location().starts_with("/account/sign-in"), "still signed in");
    assert!(!signs_in(&password).await.0 && signs_in(&newer).await.0);
    for (verb, may) in [("disable", false), ("enable", true)] {
        let path = format!("{page}/{verb}");
        assert_eq!(visitor.fill(&path, &path, &[]).await.location(), format!("{page}?done={verb}d"));
        assert_eq!(signs_in(&newer).await.0, may, "{verb}");
    }
    // Looked for by a part of the name, whatever is in it; and by id only in an address.
    dashboard.user("100%_sure!", &[]).await;
    for (part, found) in [("ADA", "ada@"), ("%25_s", "100%_sure!"), ("e!", "100%_sure!")] {
        let page = visitor.get(&format!("/settings/users?q={part}")).await;
        page.says(200, &[found]);
        assert_eq!(page.text.matches("class=\"key-name\"").count(), 1, "{part}");
    }
    let names = async |after, most| {
        let found = dashboard.store.find_users("", after, most).await.unwrap();
        found.into_iter().map(|user| user.name).collect::<Vec<_>>()
    };
    assert_eq!(names("", 1).await, ["100%_sure!"]);
    assert_eq!(names("100%_sure!", 9).await, ["ada@example.com"]);
    visitor.get("/settings/users?q=nobody").await.says(200, &["No user matches."]);
    visitor.get("/settings/users/ada@example.com").await.says(404, &["This user does not exist"]);
}

#[tokio::test]
async fn a_grant_is_seen_and_withdrawn_on_both_pages() {
    let dashboard = Dashboard::issuing().await;
    let client = dashboard.client("Example App", &["documents:*"]).await;
    let user = dashboard.user("ada", &["*"]).await;
    let (mut visitor, mut ada) = (dashboard.operator(0).await, dashboard.granting("ada").await);
    let pages = [format!("{CLIENTS}/{}", client.id), format!("/settings/users/{}", user.id)];
    for (page, other) in pages.iter().zip(["ada", "Example App"]) {
        ada.allow(&client, "documents:read").await;
        let shown = visitor.get(page).await;
        shown.says(200, &[other, "<code>documents:read</code>", "https://api.example"]);
        let withdraw = shown.between("href=\"/settings/grants/", "\"").unwrap();
        let withdraw = format!("/settings/grants/{withdraw}");
        visitor.get(&withdraw).await.says(200, &["Withdraw what ada granted to Example App?"]);
        assert_eq!(
            visitor.fill(&withdraw, &withdraw, &[]).await.location(),
            format!("{page}?done=withdrawn")
        );
        assert!(!visitor.get(page).await.text.contains("/settings/grants/"));
        let live = GrantFilter { live: true, ..GrantFilter::default() };
        assert!(dashboard.store.oauth_grants(&live).await.unwrap().is_empty());
    }
    visitor.get("/settings/grants/grant_1/withdraw").await.says(404, &["This grant does not exist"]);
    let log = visitor.get("/settings/audit?action=oauth.grant.").await;
    log.says(200, &["withdrew what was granted to", "granted permissions to", "(user", "Example App"]);
}

#[tokio::test]
async fn a_signing_key_is_rotated_replaced_and_retired() {
    let dashboard = Dashboard::issuing().await;
    let mut visitor = dashboard.operator(0).await;
    let (store, rotate) = (&dashboard.store, format!("{KEYS}/rotate"));
    visitor.get(KEYS).await.says(200, &["Signing", "ES256", "It is rotated"]);
    for bad in [[("algorithm", "none"), ("way", "soon")], [("algorithm", "ES256"), ("way", "later")]] {
        visitor.fill(&rotate, &rotate, &bad).await.says(422, &["Choose"]);
    }
    let done = visitor.fill(&rotate, &rotate, &[("algorithm", "EdDSA"), ("way", "soon")]).await;
    assert_eq!(done.location(), format!("{KEYS}?done=rotated"), "{}", done.text);
    visitor.get(KEYS).await.says(200, &["Next", "EdDSA", "signs in 15 minutes"]);
    let done = visitor.fill(&rotate, &rotate, &[("algorithm", "ES256"), ("way", "now")]).await;
    assert_eq!(done.location(), format!("{KEYS}?done=replaced"));
    let now = clock::now();
    let [only] = store.signing_keys(now).await.unwrap().try_into().unwrap();
    // One that signs is not retired; one that signed is.
    let ring = Keyring::in_folder(dashboard.keys());
    let old = store.rotate_signing_key(&ring, Algorithm::Es256, false, false, now - 1_000, &actor()).await;
    let old = old.unwrap().unwrap().times.kid;
    visitor.get(KEYS).await.says(200, &["Previous", &format!("{KEYS}/{old}/retire")]);
    for (kid, status) in [(only.times.kid.as_str(), 409), ("sig_1", 404), (&old, 303)] {
        let path = format!("{KEYS}/{kid}/retire");
        let page = if status == 404 { KEYS.into() } else { path.clone() };
        let csrf = visitor.get(&page).await.hidden("csrf").unwrap();
        assert_eq!(visitor.post_raw(&path, &[("csrf", &csrf)]).await.status.as_u16(), status, "{kid}");
    }
    assert_eq!(store.signing_keys(now).await.unwrap().len(), 1);
    assert_eq!(actions(&dashboard, "oauth.keys.retire").await.len(), 1);
    // Without its private half it says so.
    std::fs::remove_file(dashboard.keys().join(format!("{}.pem", only.times.kid))).unwrap();
    let elsewhere = dashboard.again().await;
    elsewhere
        .operator(0)
        .await
        .get(KEYS)
        .await
        .says(200, &["This server cannot sign tokens", &only.times.kid]);
}

#[tokio::test]
async fn without_an_issuer_the_pages_say_how_to_have_one() {
    let (without, with) = (Dashboard::start().await, Dashboard::issuing().await);
    for (dashboard, says) in [(&without, true), (&with, false)] {
        let mut visitor = dashboard.operator(0).await;
        for page in [CLIENTS, "/settings/users", KEYS] {
            let page = visitor.get(page).await;
            page.says(200, &[]);
            assert_eq!(page.text.contains("flint serve --issuer https://auth.example.com"), says);
        }
    }
    let mut visitor = without.operator(0).await;
    visitor.get(&format!("{KEYS}/rotate")).await.says(409, &["started without --issuer"]);
    // What is registered beforehand is there afterwards.
    register(&mut visitor, &[]).await.says(200, &["This is shown only once."]);
    assert_eq!(visitor.get("/account/apps").await.status.as_u16(), 404);
}
