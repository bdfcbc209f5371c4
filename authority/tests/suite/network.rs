use std::process::Stdio;
use std::time::Duration;

use axum::http::Method;
use flint::serve::Settings;
use flint::server::Limits;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr};
use tokio::time::interval;

use crate::client::Client;
use crate::harness::{Backend, Harness, TestDatabase, on_both};
use crate::program::command_of;

/// So short that anyone who is slow at all is too slow. What is quick enough is never tried with
/// it.
const SHORT: Duration = Duration::from_millis(20);

async fn with_limits(limits: Limits) -> Harness {
    let database = Backend::Sqlite.database().await;
    Harness::with(database, Settings { limits, ..Settings::default() }).await
}

async fn connect(client: &Client) -> TcpStream {
    TcpStream::connect(client.base().strip_prefix("http://").unwrap()).await.unwrap()
}

/// Sends these bytes, and gives back all that comes until the server closes.
async fn exchange(client: &Client, bytes: &[u8]) -> String {
    let mut stream = connect(client).await;
    stream.write_all(bytes).await.unwrap();
    rest(&mut stream).await
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// One request on a connection that is kept, up to the end of its answer.
async fn ask_alive(stream: &mut TcpStream) {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"{\"status\":\"ok\"}") {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "closed");
    }
}

/// `flint serve` as a shell starts it that has changed one of its limits first: a client for it,
/// and its log.
pub(crate) async fn start_with(
    limit: &str,
    most: &str,
) -> (Child, Client, Lines<BufReader<ChildStderr>>, TestDatabase) {
    let database = Backend::Sqlite.database().await;
    let script = format!("ulimit {limit} && exec \"$0\" serve --listen 127.0.0.1:0 --max-connections {most}");
    let mut child = command_of("sh", &database.database)
        .args(["-c", &script, env!("CARGO_BIN_EXE_flint")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().expect("flint serve ended before it listened");
    let client = Client::new(line.strip_prefix("flint listens on ").unwrap());
    let log = BufReader::new(child.stderr.take().unwrap()).lines();
    (child, client, log, database)
}

#[tokio::test]
async fn the_limit_of_open_files_is_raised_as_far_as_connections_need() {
    let (_child, client, mut log, _database) = start_with("-Sn 64", "300").await;
    let mut streams = Vec::new();
    for _ in 0..200 {
        let mut stream = connect(&client).await;
        // At once: who asks nothing at first is left after a while.
        ask_alive(&mut stream).await;
        streams.push(stream);
    }
    let line = log.next_line().await.unwrap().unwrap();
    assert!(line.contains("serving"), "{line}");
}

#[tokio::test]
async fn a_limit_of_open_files_that_cannot_be_raised_is_told() {
    let (_child, client, mut log, _database) = start_with("-n 256", "1000").await;
    let line = log.next_line().await.unwrap().unwrap();
    assert!(line.contains("too few open files") && line.contains("some 56 connections"), "{line}");
    ask_alive(&mut connect(&client).await).await;
}

#[tokio::test]
async fn a_trusted_proxy_says_where_a_request_comes_from_and_nobody_else_does() {
    let told = "192.0.2.66, 2001:db8::7, 127.0.0.9";
    for (proxies, address) in
        [(&["127.0.0.0/8"][..], "2001:db8::7"), (&["10.0.0.0/8"], "127.0.0.1"), (&[], "127.0.0.1")]
    {
        let proxies = proxies.iter().map(|proxy| proxy.parse().unwrap()).collect();
        let settings = Settings { proxies, ..Settings::default() };
        let harness = Harness::with(Backend::Sqlite.database().await, settings).await;
        let client = harness.token(&["keys:write", "audit:read"]).await.with("x-forwarded-for", told);
        client.post("/v1/keys", &json!({ "name": "CI", "environment": "live" })).await.ok();
        let audit = client.get("/v1/audit?action=key.&limit=1").await.ok();
        assert_eq!(audit["lines"][0]["address"], address, "{audit}");
    }
}

#[tokio::test]
async fn who_does_not_send_a_head_is_left() {
    let harness = with_limits(Limits { head: SHORT, ..Limits::default() }).await;
    for begun in [
        "",
        "GET /healthz HT",
        "GET /healthz HTTP/1.1\r\nhost: a\r\nx-a: ",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let answer = exchange(&harness.client, begun.as_bytes()).await;
        assert!(!answer.starts_with("HTTP"), "{begun}: {answer}");
    }
}

#[tokio::test]
async fn a_body_that_stops_is_answered() {
    let harness = with_limits(Limits { body_pause: SHORT, ..Limits::default() }).await;
    let head = "POST /v1/keys/revoke-leaked HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{";
    let answer = exchange(&harness.client, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"REQUEST_TIMEOUT\""), "{answer}");
    let head = "POST /sign-in HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-www-form-urlencoded\r\n\
                content-length: 100\r\n\r\nname=";
    let answer = exchange(&harness.client, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("<!doctype html>"), "{answer}");
}

#[tokio::test]
async fn a_body_that_drips_is_answered() {
    let harness = with_limits(Limits { body: SHORT * 5, ..Limits::default() }).await;
    let (mut reader, mut writer) = connect(&harness.client).await.into_split();
    let head = "POST /v1/keys/revoke-leaked HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    writer.write_all(head.as_bytes()).await.unwrap();
    let dripping = tokio::spawn(async move {
        let mut ticks = interval(Duration::from_millis(5));
        while writer.write_all(b"1\r\n \r\n").await.is_ok() {
            ticks.tick().await;
        }
    });
    let mut answer = [0; 12];
    reader.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    dripping.abort();
}

#[tokio::test]
async fn who_takes_no_answers_is_left() {
    let harness = with_limits(Limits { write: SHORT, ..Limits::default() }).await;
    let mut stream = connect(&harness.client).await;
    // Fills every buffer on the way. Nothing ends this but the server.
    while stream.write_all(b"GET /openapi.json HTTP/1.1\r\nhost: a\r\n\r\n").await.is_ok() {}
}

#[tokio::test]
async fn a_connection_without_requests_ends_some_time() {
    let harness = with_limits(Limits { idle: SHORT, ..Limits::default() }).await;
    let mut stream = connect(&harness.client).await;
    ask_alive(&mut stream).await;
    assert_eq!(rest(&mut stream).await, "");
}

/// Asks for the key table on a connection that is kept, as a gateway does.
async fn ask_table(stream: &mut TcpStream, gateway: &Client) {
    let token = gateway.header("authorization").unwrap();
    let head = format!(
        "GET /v1/key-table HTTP/1.1\r\nhost: a\r\nx-flint-gateway: envoy-1\r\nauthorization: {token}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\"revoked_tokens\":[]}") {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "closed");
    }
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_asked_makes_room_and_one_of_a_gateway_does_not() {
    let harness = with_limits(Limits { connections: 3, ..Limits::default() }).await;
    let gateway = harness.gateway("envoy-1").await;
    let mut of_gateway = connect(&harness.client).await;
    ask_table(&mut of_gateway, &gateway).await;
    let (mut first, mut second) = (connect(&harness.client).await, connect(&harness.client).await);
    ask_alive(&mut first).await;
    ask_alive(&mut second).await;
    let mut third = connect(&harness.client).await;
    ask_alive(&mut third).await;
    assert_eq!(rest(&mut first).await, "", "it was quiet for longest");
    ask_alive(&mut second).await;
    ask_table(&mut of_gateway, &gateway).await;
}

#[tokio::test]
async fn connections_wait_if_none_of_the_others_can_make_room() {
    let harness = with_limits(Limits { connections: 2, ..Limits::default() }).await;
    let gateways = [harness.gateway("envoy-1").await, harness.gateway("envoy-2").await];
    let mut streams = [connect(&harness.client).await, connect(&harness.client).await];
    for (stream, gateway) in streams.iter_mut().zip(&gateways) {
        ask_table(stream, gateway).await;
    }
    let mut third = connect(&harness.client).await;
    third.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    for (stream, gateway) in streams.iter_mut().zip(&gateways) {
        ask_table(stream, gateway).await;
    }
    assert!(third.try_read(&mut [0; 1]).is_err(), "it was served beside the others");
    drop(streams);
    assert!(rest(&mut third).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn http_2_in_the_clear_is_spoken() {
    let harness = Backend::Sqlite.start().await;
    let stream = hyper_util::rt::TokioIo::new(connect(&harness.client).await);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake::<_, _, http_body_util::Empty<axum::body::Bytes>>(
            executor, stream,
        )
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::get("http://a/healthz").body(http_body_util::Empty::new()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, hyper::Version::HTTP_2));
}

/// Paths and heads as only scanners and broken clients send them: what is asked with the token, and
/// what is answered.
const ODD: [(&str, &str, u16); 21] = [
    ("GET /v1/keys/%FF", "", 404),
    ("GET /v1/keys/%00", "", 404),
    ("GET /v1/keys/a%00b/activity", "", 404),
    ("GET /v1/keys/%E2%28%A1/propagation", "", 404),
    ("POST /v1/keys/%FF/revoke", "content-length: 0\r\n", 404),
    ("POST /v1/keys/%00/rotate", "content-length: 0\r\n", 404),
    ("DELETE /v1/keys/%00", "", 404),
    ("PATCH /v1/keys/%FF", "content-length: 2\r\n\r\n{}", 404),
    ("POST /v1/gateways/%00/revoke", "content-length: 0\r\n", 404),
    ("POST /v1/gateways/%FF/rotate-token", "content-length: 0\r\n", 404),
    ("POST /v1/api-tokens/%FF/revoke", "content-length: 0\r\n", 404),
    ("POST /v1/api-tokens/%00/revoke", "content-length: 0\r\n", 404),
    ("DELETE /v1/permissions/%FF", "", 404),
    ("DELETE /v1/permissions/%00", "", 404),
    ("GET /v1/audit?subject=%00", "", 400),
    ("GET /v1/nothing", "", 404),
    ("PUT /v1/keys", "content-length: 0\r\n", 405),
    ("GET http://elsewhere.example/v1/keys/%FF", "", 404),
    ("GET /v1//keys", "", 404),
    ("GET /v1/keys/", "", 404),
    ("OPTIONS *", "", 404),
];

on_both! {
    async fn whatever_is_asked_is_answered_in_the_envelope(backend) {
        let harness = backend.start().await;
        let permissions = ["keys:*", "activity:read", "gateways:*", "audit:read", "permissions:*", "tokens:*"];
        let token = bearer(&harness, &permissions).await;
        for (line, more, status) in ODD {
            let end = if more.contains("\r\n\r\n") { "" } else { "\r\n" };
            let request = format!("{line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{token}{more}{end}");
            let answer = exchange(&harness.client, request.as_bytes()).await;
            let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {answer}");
            assert!(head.contains("content-type: application/json"), "{line}: {answer}");
            let body: serde_json::Value = serde_json::from_str(body).expect(&answer);
            assert!(body["error"]["code"].is_string() && body["error"]["message"].is_string(), "{line}: {body}");
        }
    }
}

/// The header line of a new token.
async fn bearer(harness: &Harness, permissions: &[&str]) -> String {
    harness
        .token(permissions)
        .await
        .header("authorization")
        .map(|value| format!("authorization: {value}\r\n"))
        .unwrap()
}

#[tokio::test]
async fn older_and_other_clients_are_understood() {
    let harness = Backend::Sqlite.start().await;
    let answer = exchange(&harness.client, b"GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 ") && answer.ends_with("{\"status\":\"ok\"}"), "{answer}");
    let absolute =
        b"GET http://elsewhere.example:81/healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert!(exchange(&harness.client, absolute).await.starts_with("HTTP/1.1 200 "));

    // The body comes only when it was asked for, and is asked for only where it is read.
    let key = harness.key("leaked").await;
    let body = json!({ "key": key.secret.reveal() }).to_string();
    let head = format!(
        "POST /v1/keys/revoke-leaked HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = connect(&harness.client).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 25];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body.as_bytes()).await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200 "));
    let refused = exchange(&harness.client, head.replace("/keys/revoke-leaked", "/keys").as_bytes()).await;
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let harness = Backend::Sqlite.start().await;
    let value = "a".repeat(1 << 20);
    let request = format!("GET /healthz HTTP/1.1\r\nhost: a\r\nx-a: {value}\r\n\r\n");
    let mut stream = connect(&harness.client).await;
    // It may be refused before it has been sent whole.
    let _ = stream.write_all(request.as_bytes()).await;
    let answer = rest(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let answer = harness.client.send(Method::GET, "/healthz", "".into()).await;
    assert_eq!(answer.status.as_u16(), 200);
}
