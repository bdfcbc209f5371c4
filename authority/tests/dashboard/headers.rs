use flint::serve::Settings;

use crate::visitor::Dashboard;

#[tokio::test]
async fn every_answer_tells_the_browser_to_trust_nothing_else() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.operator(0).await;
    for path in
        ["/settings/api-keys", "/settings/audit", "/sign-in", "/settings/nothing", "/settings/api-keys/key_1"]
    {
        let answer = visitor.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"),
            "{policy}"
        );
        for part in ["form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.header("strict-transport-security"), "", "{path}");
    }
}

#[tokio::test]
async fn transport_security_is_promised_over_tls_only() {
    for (proxies, promised) in
        [(vec!["127.0.0.1".parse().unwrap()], "max-age=31536000; includeSubDomains"), (vec![], "")]
    {
        let dashboard = Dashboard::with(Settings { proxies, ..Settings::default() }).await;
        let mut visitor = dashboard.stranger();
        visitor.headers = vec![("x-forwarded-proto", "https".into())];
        assert_eq!(visitor.get("/sign-in").await.header("strict-transport-security"), promised);
    }
}

#[tokio::test]
async fn an_address_that_is_no_text_is_no_page() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.operator(0).await;
    for path in ["/settings/api-keys/%FF", "/settings/api-keys/%00/edit", "/assets/%FF", "/settings/%00"] {
        visitor.get(path).await.says(404, &["Not found"]);
    }
    for path in [
        "/settings/api-keys?q=%00",
        "/settings/api-keys?q=%FF",
        "/settings/audit?actor=%00",
        "/settings/nothing",
    ] {
        let answer = visitor.get(path).await;
        assert!(answer.status.as_u16() < 500, "{path}: {}", answer.text);
        assert!(answer.header("content-type").starts_with("text/html"), "{path}");
    }
}

#[tokio::test]
async fn assets_are_kept_under_names_that_change_with_them() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.stranger();
    let page = visitor.get("/sign-in").await;
    for (before, kind) in [
        ("href=\"/assets/style", "text/css"),
        ("src=\"/assets/script", "text/javascript"),
        ("href=\"/assets/icon", "image/svg+xml"),
    ] {
        let stem = before.split_once('"').unwrap().1;
        let path = format!("{stem}{}", page.between(before, "\"").unwrap());
        let answer = visitor.get(&path).await;
        assert_eq!(answer.status.as_u16(), 200, "{path}");
        assert!(answer.header("content-type").starts_with(kind), "{path}");
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
    }
}

#[tokio::test]
async fn no_page_has_a_script_or_a_style_inside() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.operator(0).await;
    for path in [
        "/settings/api-keys",
        "/settings/api-keys/new",
        "/settings/gateways",
        "/settings/operators",
        "/settings/api-tokens",
    ] {
        let text = visitor.get(path).await.text;
        for inside in ["<style", " style=", " onclick=", " onload=", "javascript:", "http://", "https://cdn"]
        {
            assert!(!text.contains(inside), "{path} has {inside}");
        }
        assert_eq!(text.matches("<script").count(), 1, "{path}");
    }
}

#[tokio::test]
async fn the_choice_of_a_theme_stays() {
    let dashboard = Dashboard::start().await;
    let mut visitor = dashboard.operator(0).await;
    visitor.get("/settings/audit").await.says(200, &["data-theme=\"auto\""]);
    let answer = visitor
        .fill("/settings/audit", "/theme", &[("theme", "dark"), ("back", "/settings/audit?actor=a%26b")])
        .await;
    assert_eq!(answer.location(), "/settings/audit?actor=a%26b");
    visitor.get("/settings/audit").await.says(200, &["data-theme=\"dark\""]);
    visitor.get("/settings/nothing").await.says(404, &["data-theme=\"dark\""]);
    visitor.fill("/settings/audit", "/theme", &[("theme", "\"><script>")]).await;
    visitor.get("/settings/audit").await.says(200, &["data-theme=\"auto\""]);
}
