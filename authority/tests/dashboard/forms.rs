use axum::http::Method;
use flint::clock;
use flint::model::draft::NewKey;
use flint::store::keys::Made;
use flint::store::keys::listing::Filter;

use crate::visitor::{Dashboard, Visitor, actor};

const NEW: &str = "/settings/api-keys/new";
const GOOD: [(&str, &str); 4] =
    [("name", "Export"), ("environment", "test"), ("preset", "full"), ("expiry", "90")];

async fn key(dashboard: &Dashboard, name: &str) -> Made {
    let new = NewKey { name: name.into(), environment: "live".into(), ..NewKey::default() };
    dashboard.store.create_key(new.check(clock::now()).unwrap(), clock::now(), &actor()).await.unwrap()
}

/// Fills the form with what is good but for one field.
async fn with(visitor: &mut Visitor, field: (&str, &str)) -> crate::visitor::Answer {
    let mut fields: Vec<_> = GOOD.into_iter().filter(|good| good.0 != field.0).collect();
    fields.push(field);
    visitor.fill(NEW, NEW, &fields).await
}

#[tokio::test]
async fn every_bad_field_of_a_new_key_is_named_and_nothing_is_made() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.operator(0).await;
    let long = "x".repeat(101);
    for (field, words) in [
        (("name", ""), "must be 1 to 100 characters"),
        (("name", long.as_str()), "must be 1 to 100 characters"),
        (("name", "a\u{202e}b"), "direction-changing"),
        (("name", "a\nb"), "control"),
        (("environment", "prod"), "Choose live or test."),
        (("environment", ""), "Choose live or test."),
        (("preset", "root"), "Choose what is allowed."),
        (("preset", "chosen"), "Choose at least one permission"),
        (("expiry", "13"), "Choose when the key expires."),
        (("expiry", "keep"), "Choose when the key expires."),
        (("expiry", "date"), "Enter the day as year-month-day"),
        (("owner", "two words"), "printable ASCII characters without spaces"),
        (("owner", "ö"), "printable ASCII characters without spaces"),
        (("cidrs", "10.0.0.1/8"), "Entry 1 must be an address or a block"),
        (("cidrs", "10.0.0.0/8\nnonsense"), "Entry 2 must be an address or a block"),
    ] {
        with(&mut visitor, field).await.says(422, &[words, "Nothing has been changed yet"]);
    }
    let past = [GOOD[0], GOOD[1], GOOD[2], ("expiry", "date"), ("expires_on", "2020-01-01")];
    visitor.fill(NEW, NEW, &past).await.says(422, &["must be in the future"]);
    let custom = [GOOD[0], GOOD[1], ("preset", "chosen"), ("custom", "documents:read UPPER:case"), GOOD[3]];
    visitor.fill(NEW, NEW, &custom).await.says(422, &["Entry 2 must be like documents:read"]);
    let all = Filter { limit: 9, ..Filter::default() };
    assert!(dashboard.store.list_keys(&all, clock::now()).await.unwrap().keys.is_empty());
}

#[tokio::test]
async fn all_mistakes_come_at_once_and_what_was_typed_stays() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.operator(0).await;
    let fields = [
        ("name", "<img src=x onerror=alert(1)>"),
        ("environment", "live"),
        ("preset", "chosen"),
        ("custom", "\"><script>alert(1)</script>"),
        ("expiry", "180"),
        ("owner", "a b"),
        ("cidrs", "x'\"<y>"),
    ];
    let answer = visitor.fill(NEW, NEW, &fields).await;
    answer.says(
        422,
        &[
            "Entry 1 must be like",
            "must be an address",
            "without spaces",
            "&#60;img src=x",
            "<option value=\"180\" selected>",
        ],
    );
    for raw in ["<img src=x", "<script>", "<y>"] {
        assert!(!answer.text.contains(raw), "{raw} is not escaped");
    }
}

#[tokio::test]
async fn oversize_and_unreadable_bodies_are_refused_kindly() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.operator(0).await;
    let csrf = visitor.get(NEW).await.hidden("csrf").unwrap();
    let huge = format!("csrf={csrf}&name={}", "x".repeat(70_000));
    visitor.send(Method::POST, NEW, huge).await.says(413, &["Too large"]);
    visitor.send(Method::POST, NEW, format!("csrf={csrf}&name=%00")).await.says(400, &["Unreadable request"]);
    visitor
        .send(Method::POST, NEW, format!("csrf={csrf}&{}", "a=&".repeat(2_500)))
        .await
        .says(400, &["Unreadable request"]);
    visitor
        .send(
            Method::POST,
            NEW,
            format!("csrf={csrf}&name=%ff%fe&environment=test&preset=full&expiry=90&once={}", "x".repeat(28)),
        )
        .await
        .says(200, &["Key generated"]);
    visitor.headers = vec![("content-type", "application/json".into())];
    visitor.send(Method::POST, NEW, "{}".into()).await.says(400, &["Unreadable request"]);
    visitor.headers = vec![("content-type", "text/plain".into())];
    visitor.send(Method::POST, NEW, format!("csrf={csrf}")).await.says(400, &["Unreadable request"]);
}

#[tokio::test]
async fn a_bad_address_says_so() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.operator(0).await;
    let made = key(&dashboard, "x").await;
    for (path, status) in [
        ("/settings/api-keys?status=purple", 400),
        ("/settings/api-keys?environment=prod", 400),
        ("/settings/api-keys?sort=evil", 400),
        ("/settings/api-keys?after=zz", 400),
        ("/settings/api-keys?q=%00", 400),
        ("/settings/activity?range=1y", 400),
        ("/settings/activity?owner=a%20b", 400),
        ("/settings/activity.csv?key=..", 400),
        ("/settings/audit?before=x", 400),
        ("/settings/audit?since=yesterday", 400),
        ("/settings/api-keys/key_nothing", 404),
        ("/settings/api-keys/%00", 404),
        ("/settings/api-keys/%FF", 404),
        ("/settings/gateways/%FF/rotate", 404),
        ("/assets/%FF", 404),
        ("/settings/api-keys/key_nothing/edit", 404),
        ("/settings/api-keys/key_nothing/rotate", 404),
        ("/settings/api-keys/key_nothing/revoke", 404),
        ("/settings/gateways/gw_nothing/rotate", 404),
        ("/settings/api-tokens/tok_nothing/revoke", 404),
        ("/settings/operators/op_nothing/disable", 404),
        ("/settings/permissions/a:b/withdraw", 404),
    ] {
        visitor.get(path).await.says(status, &["Back to API keys"]);
    }
    visitor.get(&format!("/settings/api-keys/{}?range=x", made.key.id)).await.says(400, &["unknown range"]);
    let long = format!("/settings/api-keys?q={}", "x".repeat(300));
    visitor.get(&long).await.says(400, &["too long"]);
    for odd in ["%25", "yonder_", "%27%20OR%201=1--", "%F0%9F%A6%80", "%FF"] {
        visitor.get(&format!("/settings/api-keys?q={odd}")).await.says(200, &["No keys match"]);
    }
}

#[tokio::test]
async fn a_wrong_name_or_reason_revokes_nothing() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.operator(0).await;
    let made = key(&dashboard, "Checkout").await;
    let page = format!("/settings/api-keys/{}/revoke", made.key.id);
    let long = "x".repeat(201);
    for fields in [
        [("name", ""), ("reason", "it is no longer used"), ("note", "")],
        [("name", "checkout"), ("reason", "it is no longer used"), ("note", "")],
        [("name", "Checkout"), ("reason", "because"), ("note", "")],
        [("name", "Checkout"), ("reason", ""), ("note", &long)],
    ] {
        visitor.fill(&page, &page, &fields).await.says(422, &["Nothing has been changed yet"]);
    }
    assert_eq!(dashboard.store.key(&made.key.id).await.unwrap(), made.key);
}

#[tokio::test]
async fn a_name_is_typed_as_a_page_shows_it() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.operator(0).await;
    let made = key(&dashboard, "Export   to  Oslo").await;
    let page = format!("/settings/api-keys/{}/revoke", made.key.id);
    let reason = ("reason", "it is no longer used");
    visitor
        .fill(&page, &page, &[("name", "Exportto Oslo"), reason])
        .await
        .says(422, &["Nothing has been changed yet"]);
    let answer = visitor.fill(&page, &page, &[("name", "Export to Oslo"), reason]).await;
    assert!(answer.location().ends_with("?done=revoked"), "{}", answer.text);
}

#[tokio::test]
async fn a_form_whose_work_failed_may_be_sent_again() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.operator(0).await;
    let gateways = "/settings/gateways";
    dashboard.store.create_gateway("edge", clock::now(), &actor()).await.unwrap();
    let page = visitor.get(gateways).await;
    let (csrf, once) = (page.hidden("csrf").unwrap(), page.hidden("once").unwrap());
    let form = |name| [("csrf", csrf.as_str()), ("once", once.as_str()), ("name", name)];
    visitor.post_raw(gateways, &form("edge")).await.says(422, &["A gateway with this name already exists"]);
    visitor.post_raw(gateways, &form("west")).await.says(200, &["Gateway token"]);
    visitor.post_raw(gateways, &form("north")).await.says(409, &["This form was already submitted"]);
    assert_eq!(dashboard.store.gateways().await.unwrap().len(), 2);
}

#[tokio::test]
async fn somebody_elses_change_is_not_overwritten_unseen() {
    let dashboard = Dashboard::start().await;
    let (mut one, mut other) = (dashboard.operator(0).await, dashboard.operator(0).await);
    let made = key(&dashboard, "First").await;
    let page = format!("/settings/api-keys/{}/edit", made.key.id);
    let (csrf, version) = {
        let loaded = one.get(&page).await;
        (loaded.hidden("csrf").unwrap(), loaded.hidden("version").unwrap())
    };
    let saved = other.fill(&page, &page, &[("name", "Theirs"), ("preset", "full"), ("expiry", "keep")]).await;
    assert!(saved.location().ends_with("?done=changed"), "{}", saved.text);
    let mine = [
        ("csrf", csrf.as_str()),
        ("version", &version),
        ("name", "Mine"),
        ("preset", "full"),
        ("expiry", "keep"),
    ];
    let answer = one.post_raw(&page, &mine).await;
    answer.says(409, &["Someone else changed this key", "value=\"Mine\""]);
    assert_eq!(dashboard.store.key(&made.key.id).await.unwrap().name, "Theirs");
    // Anyone who sends it again has seen that.
    let newer = answer.hidden("version").unwrap();
    let again = [mine[0], ("version", newer.as_str()), mine[2], mine[3], mine[4]];
    assert!(one.post_raw(&page, &again).await.location().ends_with("?done=changed"));
    assert_eq!(dashboard.store.key(&made.key.id).await.unwrap().name, "Mine");
}

#[tokio::test]
async fn the_other_forms_name_what_is_wrong_too() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.operator(0).await;
    let gateways = "/settings/gateways";
    visitor.fill(gateways, gateways, &[("name", "")]).await.says(422, &["must be 1 to 100 characters"]);
    visitor.fill(gateways, gateways, &[("name", "edge")]).await.says(200, &["Gateway token"]);
    visitor
        .fill(gateways, gateways, &[("name", "edge")])
        .await
        .says(422, &["A gateway with this name already exists", "value=\"edge\""]);
    let tokens = "/settings/api-tokens";
    visitor.fill(tokens, tokens, &[("name", "CI")]).await.says(422, &["must not be empty", "value=\"CI\""]);
    visitor
        .fill(tokens, tokens, &[("name", ""), ("grant", "keys:read")])
        .await
        .says(422, &["must be 1 to 100"]);
    visitor
        .fill(tokens, tokens, &[("name", "CI"), ("grant", "keys:read"), ("days", "7")])
        .await
        .says(422, &["Choose when"]);
    visitor
        .fill(tokens, tokens, &[("name", "CI"), ("grant", "root:all")])
        .await
        .says(422, &["must not be empty"]);
    let permissions = "/settings/permissions";
    visitor
        .fill(permissions, permissions, &[("name", "documents:*")])
        .await
        .says(422, &["without *", "value=\"documents:*\""]);
    let operators = "/settings/operators";
    visitor
        .fill(operators, operators, &[("name", "ada")])
        .await
        .says(422, &["An operator with this name already exists", "value=\"ada\""]);
    let password = "/settings/password";
    for (fields, words) in [
        (
            [("current", "wrong"), ("new", "correct horse battery"), ("again", "correct horse battery")],
            "not your password",
        ),
        ([("current", dashboard.password.as_str()), ("new", "short"), ("again", "short")], "12 characters"),
        (
            [("current", dashboard.password.as_str()), ("new", "correct horse battery"), ("again", "else")],
            "do not match",
        ),
    ] {
        visitor.fill(operators, password, &fields).await.says(422, &[words]);
    }
}
