use super::*;

#[test]
fn rfc9700_4_1_3_what_may_be_registered() {
    for (uri, confidential, public) in [
        ("https://app.example.com/callback", true, true),
        ("https://app.example.com", true, true),
        ("https://app.example.com:8443/cb?tenant=1&x=%2F", true, true),
        ("https://[2001:db8::1]/cb", true, true),
        ("http://localhost/cb", true, true),
        ("http://127.0.0.1:4711/cb", true, true),
        ("http://[::1]:4711/cb", true, true),
        ("com.example.app:/cb", false, true),
        ("com.example.app://cb", false, true),
        ("com.example.MyApp:/cb", false, true),
        ("https://App.example.com/cb", true, true),
        ("", false, false),
        ("/cb", false, false),
        ("app.example.com/cb", false, false),
        ("https:", false, false),
        ("https://", false, false),
        ("https:///cb", false, false),
        ("https:/app.example.com", false, false),
        ("HTTPS://app.example.com/cb", false, false),
        ("http://LOCALHOST/cb", false, false),
        ("https://app.example.com/cb#x", false, false),
        ("https://app.example.com/cb#", false, false),
        ("https://user@app.example.com/cb", false, false),
        ("https://user:pass@app.example.com/cb", false, false),
        ("https://*.example.com/cb", false, false),
        ("https://app.example.com/*", false, false),
        ("https://app.example.com/a b", false, false),
        ("https://app.example.com/\u{e9}", false, false),
        ("https://app.example.com/\n", false, false),
        ("https://app.example.com\\@evil.example/", false, false),
        ("https://app.example.com/%zz", false, false),
        ("https://app.example.com/%2", false, false),
        ("https://app.example.com:0/", false, false),
        ("https://app.example.com:65536/", false, false),
        ("https://app.example.com:/", false, false),
        ("https://app.example.com:+80/", false, false),
        ("http://app.example.com/cb", false, false),
        ("http://localhost.evil.example/cb", false, false),
        ("http://127.0.0.2/cb", false, false),
        ("http://[::2]/cb", false, false),
        ("javascript:alert(1)", false, false),
        ("data:text/html,x", false, false),
        ("myapp:/cb", false, false),
        ("1com.example:/cb", false, false),
        ("com.example.app:", false, false),
    ] {
        assert_eq!(may_be_registered(uri, Kind::Confidential), confidential, "{uri}");
        assert_eq!(may_be_registered(uri, Kind::Public), public, "{uri}");
    }
    let long = |length: usize| format!("https://a.example/{}", "a".repeat(length - 18));
    assert!(may_be_registered(&long(MAX_LENGTH), Kind::Public));
    assert!(!may_be_registered(&long(MAX_LENGTH + 1), Kind::Public));
}

#[test]
fn rfc9700_2_1_a_redirect_uri_is_compared_byte_for_byte() {
    let registered = "https://app.example.com/cb?a=1";
    assert!(is_registered(registered, registered, Kind::Confidential));
    for other in [
        "https://app.example.com/cb",
        "https://app.example.com/cb?a=1&b=2",
        "https://app.example.com/cb?a=1#x",
        "https://app.example.com:443/cb?a=1",
        "https://APP.example.com/cb?a=1",
        "https://app.example.com/%63b?a=1",
        "https://app.example.com/x/../cb?a=1",
        "https://app.example.com.evil.example/cb?a=1",
        "http://app.example.com/cb?a=1",
    ] {
        assert!(!is_registered(other, registered, Kind::Public), "{other}");
    }
}

#[test]
fn rfc8252_7_3_the_port_of_a_public_clients_loopback_address_is_free() {
    for (asked, registered, same) in [
        ("http://127.0.0.1:51004/cb", "http://127.0.0.1/cb", true),
        ("http://127.0.0.1:51004/cb", "http://127.0.0.1:1/cb", true),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1/cb", true),
        ("http://[::1]:9/cb?x=1", "http://[::1]/cb?x=1", true),
        ("http://localhost:9/cb", "http://localhost/cb", true),
        ("http://localhost:9/cb", "http://127.0.0.1/cb", false),
        ("http://127.0.0.1:9/cb/", "http://127.0.0.1/cb", false),
        ("http://127.0.0.1:9/cb?x=1", "http://127.0.0.1/cb", false),
        ("http://127.0.0.1:9/cb#x", "http://127.0.0.1/cb", false),
        ("http://127.0.0.1:9@evil.example/cb", "http://127.0.0.1/cb", false),
        ("http://127.0.0.1:/cb", "http://127.0.0.1/cb", false),
        ("http://127.0.0.1:x/cb", "http://127.0.0.1/cb", false),
        ("https://127.0.0.1:9/cb", "https://127.0.0.1/cb", false),
        ("https://127.0.0.1:9/cb", "http://127.0.0.1/cb", false),
        ("https://app.example.com:9/cb", "https://app.example.com/cb", false),
    ] {
        assert_eq!(is_registered(asked, registered, Kind::Public), same, "{asked} for {registered}");
        assert!(!is_registered(asked, registered, Kind::Confidential), "{asked} for {registered}");
    }
}

#[test]
fn rfc6749_4_1_2_an_answer_is_added_to_what_the_uri_has() {
    for (uri, expected) in [
        ("https://a.example/cb", "https://a.example/cb?state=a%20%26%3D%FF&iss=https%3A%2F%2Fi"),
        ("https://a.example/cb?x=1", "https://a.example/cb?x=1&state=a%20%26%3D%FF&iss=https%3A%2F%2Fi"),
        ("https://a.example/cb?", "https://a.example/cb?state=a%20%26%3D%FF&iss=https%3A%2F%2Fi"),
        ("com.example.app:/cb", "com.example.app:/cb?state=a%20%26%3D%FF&iss=https%3A%2F%2Fi"),
    ] {
        assert_eq!(with_answer(uri, &[("state", b"a &=\xff"), ("iss", b"https://i")]), expected);
    }
}

#[test]
fn what_a_user_sees_of_a_redirect_uri_is_its_host() {
    assert_eq!(shown_host("https://app.example.com:8443/cb"), "app.example.com");
    assert_eq!(shown_host("http://[::1]:1/cb"), "[::1]");
    assert_eq!(shown_host("com.example.app:/cb"), "com.example.app");
}
