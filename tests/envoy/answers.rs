//! Denials for every kind of caller: HEAD, preflights, CONNECT, WebSocket, gRPC (contract §3,
//! acceptance C).

use serde_json::json;

use crate::client::{Protocol, Request, http1, http2};
use crate::expect;
use crate::harness::now;
use crate::keys::Key;
use crate::scene::{Scene, shared};

#[test]
fn head_gets_the_same_headers_and_no_body() {
    let scene = shared();
    for protocol in Protocol::ALL {
        for request in [Request::get("/documents"), Request::get("/documents").bearer("flint_live_unknown")] {
            let head = Request { method: "HEAD".into(), ..request.clone() };
            let send = |request: &Request| {
                let mut answer = request.send(protocol, scene.gateway.address());
                answer.headers.retain(|(name, _)| name != "date");
                answer
            };
            let (get, head) = (send(&request), send(&head));
            assert_eq!((head.status, &head.headers), (get.status, &get.headers));
            assert_eq!((head.text(), get.body.is_empty()), (String::new(), false));
        }
    }
    // The connection goes on after an answer without a body.
    let mut connection = http1::Connection::open(scene.gateway.address());
    for method in ["HEAD", "GET", "HEAD", "GET"] {
        assert_eq!(connection.send(&Request::new(method, "/documents")).status, 401, "{method}");
    }
}

#[test]
fn a_preflight_is_authenticated_unless_it_is_allowed() {
    let scene = shared();
    let key = Key::live("any").may(&["*"]);
    scene.authority.publish([&key]);
    let options = || Request::new("OPTIONS", "/documents");
    let preflight =
        || options().header("origin", "https://app.example").header("access-control-request-method", "GET");
    for protocol in Protocol::ALL {
        let send = |listener, request: Request| request.send(protocol, scene.gateway.listener(listener));
        expect::denied(&send("main", preflight()), "no_credential");
        assert_eq!(send("main", preflight().bearer(&key.secret)).status, 200);
        assert_eq!(send("preflight", preflight()).status, 200);
        for plain in [
            options(),
            options().header("origin", "https://app.example"),
            options().header("access-control-request-method", "GET"),
        ] {
            expect::denied(&send("preflight", plain.clone()), "no_credential");
            assert_eq!(send("preflight", plain.bearer(&key.secret)).status, 200);
        }
        let get = Request { method: "GET".into(), ..preflight() };
        expect::denied(&send("preflight", get), "no_credential");
    }
}

#[test]
fn an_allowed_preflight_brings_no_identity_along() {
    let scene = shared();
    let preflight = Request::new("OPTIONS", "/documents")
        .header("origin", "https://app.example")
        .header("access-control-request-method", "GET")
        .header("x-flint-owner", "org_forged");
    let (answer, line) = scene.send_logged(Protocol::Http1, "preflight", preflight);
    assert_eq!(answer.received("x-flint-owner"), json!(null));
    assert_eq!(line["outcome"], "public");
}

#[test]
fn options_of_everything_is_refused_before_the_upstream() {
    let scene = shared();
    let key = Key::live("any").may(&["*"]);
    scene.authority.publish([&key]);
    let mut connection = http1::Connection::open(scene.gateway.address());
    for request in [Request::new("OPTIONS", "*"), Request::new("OPTIONS", "*").bearer(&key.secret)] {
        // Envoy 1.40 itself has no answer but 404 for a path without a slash; were it to ask the
        // filter: 401.
        let answer = connection.send(&request.header("x-case", "star"));
        assert!(matches!(answer.status, 401 | 404), "{answer:?}");
    }
    assert_eq!(connection.send(&Request::get("/healthz")).status, 200, "the connection goes on");
    assert!(scene.upstream.received().iter().all(|echo| echo["headers"]["x-case"] != "star"));
}

#[test]
fn connect_is_decided_and_crashes_nothing() {
    let scene = shared();
    let key = Key::live("any").may(&["*"]);
    scene.authority.publish([&key]);
    let connect = Request::new("CONNECT", "api.example.com:443").header("host", "api.example.com:443");
    let (answer, line) = scene.send_logged(Protocol::Http1, "main", connect.clone());
    assert_eq!((answer.status, &line["outcome"]), (401, &json!("no_credential")));
    let mut connection = http1::Connection::open(scene.gateway.address());
    let answer = connection.send(&connect.clone().bearer(&key.secret));
    assert_ne!(answer.status, 401, "{answer:?}");
    let mut connection = http1::Connection::open(scene.gateway.listener("closed"));
    assert_eq!(connection.send(&connect.bearer(&key.secret)).status, 403);

    let connect = Request::new("CONNECT", "api.example.com:443");
    let mut connection = http2::Connection::open(scene.gateway.address());
    assert_eq!(connection.send(&connect).status, 401);
    assert_eq!(connection.send(&connect.bearer("flint_live_bad")).status, 401);
    assert!(scene.gateway.is_running());
}

#[test]
fn a_websocket_opens_with_a_key_and_not_without() {
    let scene = shared();
    let key = Key::live("any").may(&["*"]);
    scene.authority.publish([&key]);
    let open = Request::get("/socket")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    expect::denied(&scene.send("main", &open), "no_credential");
    let mut connection = http1::Connection::open(scene.gateway.address());
    connection.write(&open.bearer(&key.secret)).expect("the connection is open");
    assert_eq!(connection.read_head().expect("an answer").status, 101);
    connection.write_raw(b"ping over the socket").expect("the socket is open");
    assert_eq!(connection.read_raw(20).expect("an echo"), b"ping over the socket");
    let seen = scene.upstream.received();
    let opened = seen.iter().find(|echo| echo["headers"]["x-flint-key-id"] == key.id.as_str());
    assert_eq!(opened.expect("the upstream saw the handshake")["headers"]["authorization"], json!(null));
}

#[test]
fn a_websocket_over_http2_opens_with_a_key_and_not_without() {
    let scene = shared();
    let key = Key::live("any").may(&["*"]);
    scene.authority.publish([&key]);
    let open = Request::new("CONNECT", "/socket-2").header("sec-websocket-version", "13");
    let mut connection = http2::Connection::open(scene.gateway.address());
    // What Envoy can do is known with its first frames, so one answer has to be read before.
    assert_eq!(connection.send(&Request::get("/healthz")).status, 200);
    expect::denied(&connection.send(&open), "no_credential");
    expect::denied(&connection.send(&open.clone().bearer("flint_live_bad")), "unknown_key");
    let opened = || scene.upstream.received().into_iter().filter(|echo| echo["path"] == "/socket-2").count();
    assert_eq!(opened(), 0);
    assert_eq!(connection.send(&open.bearer(&key.secret)).status, 200);
    assert_eq!(opened(), 1);
}

#[test]
fn a_request_line_with_a_whole_address_is_judged_by_its_path() {
    let scene = shared();
    let key = Key::live("any").may(&["documents:write"]);
    scene.authority.publish([&key]);
    let get = |path: &str| Request::get(&format!("http://elsewhere.example{path}"));
    assert_eq!(scene.send("main", &get("/healthz")).status, 200);
    expect::denied(&scene.send("main", &get("/healthz/")), "no_credential");
    expect::denied(&scene.send("main", &get("/documents").bearer(&key.secret)), "missing_permission");
    assert_eq!(scene.send("main", &get("/unruled").bearer(&key.secret)).status, 200);
}

#[test]
fn grpc_callers_get_a_status_of_their_own() {
    let poor = Key::live("poor");
    let good = Key::live("good").may(&["*"]);
    let late = Key::live("late").with("expires_at", now() - 1);
    let scene = shared();
    scene.authority.publish([&poor, &good, &late]);
    let call = |token: &str| {
        let request = Request::new("POST", "/admin/Users/List")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body([0; 5]);
        let request = if token.is_empty() { request } else { request.bearer(token) };
        scene.send_logged(Protocol::Http2, "main", request)
    };
    for (token, grpc, outcome) in [
        ("", "16", "no_credential"),
        ("flint_live_unknown", "16", "unknown_key"),
        (&*late.secret, "16", "expired"),
        (&*poor.secret, "7", "missing_permission"),
    ] {
        let (answer, line) = call(token);
        // Trailers-only: the trailers are the one block of headers, and there is no body.
        assert_eq!((answer.status, answer.header("grpc-status")), (200, Some(grpc)), "{answer:?}");
        assert!(answer.body.is_empty() && answer.trailers.is_empty(), "{answer:?}");
        assert_eq!(line["details"], format!("flint_{outcome}"));
        expect::challenged(&answer, outcome);
    }
    let (answer, _) = call(&good.secret);
    assert_eq!(answer.trailers, [("grpc-status".to_owned(), "0".to_owned())], "{answer:?}");
}

#[test]
fn the_realm_is_the_configured_one() {
    let scene = Scene::start(1, json!({"realm": "Acme API", "keys": []}));
    let answer = scene.send("main", &Request::get("/"));
    assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="Acme API""#));
}
