use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use flint::clock;
use flint::doctor::database::examine;
use flint::doctor::finding::Grade;
use flint::model::DAY;
use flint::model::draft::{Amendment, NewKey};
use flint::notices::Notify;
use flint::notices::webhook::Webhook;
use flint::serve::Settings;
use flint::store::Store;
use flint::store::keys::Made;
use flint::store::notices::{Claimed, Delivery};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc;

use crate::doctor::tls_server;
use crate::harness::{Backend, Harness, actor, on_both};
use crate::program::{command, flint_json, signal, stderr, stdout};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What came, and the answers that are still to be given; 204 if there is none.
#[derive(Clone)]
struct Desk {
    came: mpsc::UnboundedSender<Received>,
    answers: Arc<Mutex<VecDeque<u16>>>,
}

struct Received {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// Who is told of keys that end, for as long as the test runs.
struct Receiver {
    url: String,
    came: mpsc::UnboundedReceiver<Received>,
}

impl Receiver {
    async fn answering(answers: &[u16]) -> Self {
        let (sender, came) = mpsc::unbounded_channel();
        let answers = Arc::new(Mutex::new(answers.iter().copied().collect()));
        let router = Router::new().fallback(receive).with_state(Desk { came: sender, answers });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook/s3cret?token=s3cret", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, came }
    }

    /// A server that tells it, at a test's pace.
    fn settings(&self) -> Settings {
        let webhook = Webhook::new(&self.url, Some(SECRET)).unwrap();
        let notify = Notify { rest: Duration::from_millis(20), first_retry: 0, ..Notify::to(webhook) };
        Settings { notify: Some(notify), ..Settings::default() }
    }

    async fn next(&mut self) -> Received {
        let received = self.came.recv().await.unwrap();
        assert_eq!(received.path, "/hook/s3cret?token=s3cret");
        received
    }

    /// Of which key the next notice is.
    async fn next_key(&mut self) -> String {
        self.next().await.json()["data"]["id"].as_str().unwrap().to_owned()
    }
}

impl Received {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

async fn receive(
    State(desk): State<Desk>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap) {
    let answer = desk.answers.lock().unwrap().pop_front().unwrap_or(204);
    let received = Received { path: uri.to_string(), headers, body };
    let _ = desk.came.send(received);
    let elsewhere = HeaderMap::from_iter([(header::LOCATION, "/elsewhere".parse().unwrap())]);
    (StatusCode::from_u16(answer).unwrap(), elsewhere)
}

/// A key that ends in that many days and is not due for rotation before.
async fn key_for(store: &Store, name: &str, days: i64, now: i64) -> Made {
    let new = NewKey {
        name: name.into(),
        environment: "live".into(),
        owner: Some("org_7".into()),
        expires_at: Some(Some(now + days * DAY)),
        rotate_by: Some(None),
        ..NewKey::default()
    };
    store.create_key(new.check(now).unwrap(), now, &actor()).await.unwrap()
}

/// Goes on until the database counts so many; the test's own time is the bound.
async fn until_counted(harness: &Harness, sql: &'static str, expected: i64) {
    let mut connection = harness.connect().await;
    while sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut connection).await.unwrap() != expected {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

const SENT: &str = "SELECT COUNT(*) FROM notice WHERE outcome = 'sent'";
const CLAIMS: &str = "SELECT CAST(COALESCE(SUM(attempts), 0) AS BIGINT) FROM notice";

on_both! {
    async fn a_key_that_ends_is_told_of_and_its_secret_is_not(backend) {
        let mut receiver = Receiver::answering(&[]).await;
        let harness = Harness::with(backend.database().await, receiver.settings()).await;
        let now = clock::now();
        key_for(&harness.store, "far", 31, now).await;
        let made = key_for(&harness.store, "near <!channel>", 5, now).await;
        let received = receiver.next().await;
        let event = received.json();
        let data = json!({
            "id": made.key.id, "name": "near <!channel>", "environment": "live", "owner": "org_7", "hint": made.secret.hint(),
            "expires_at": now + 5 * DAY, "rotate_by": null, "days_left": 5, "text": event["data"]["text"],
        });
        assert_eq!((&event["type"], &event["data"]), (&json!("key.expiring"), &data));
        let said = event["data"]["text"].as_str().unwrap();
        assert!(said.starts_with(&format!("The key near &lt;!channel&gt; ({}) expires within 5 days: 20", made.key.id)), "{said}");
        assert!(clock::parse(event["timestamp"].as_str().unwrap()).is_some_and(|at| (now..now + 600).contains(&at)));
        let text = String::from_utf8(received.body.to_vec()).unwrap();
        assert!(!text.contains(made.secret.reveal()) && !text.contains(&made.key.digest.to_hex()), "{text}");
        assert_eq!(received.header("content-type"), "application/json");
        assert!(verifies(&received, SECRET, &text).await);
        assert!(!verifies(&received, SECRET, &text.replace("near", "neat")).await);
        assert!(!verifies(&received, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &text).await);
        until_counted(&harness, SENT, 1).await;
        let metrics = harness.client.get("/metrics").await.body;
        let metrics = String::from_utf8(metrics.to_vec()).unwrap();
        assert!(metrics.contains("\nflint_notices_sent_total 1\n"), "{metrics}");
        assert!(metrics.contains("\nflint_notices_failed_total 0\n"), "{metrics}");
    }

    async fn a_notice_comes_once_also_across_a_restart(backend) {
        let mut receiver = Receiver::answering(&[]).await;
        let harness = Harness::with(backend.database().await, receiver.settings()).await;
        let first = key_for(&harness.store, "first", 5, clock::now()).await;
        assert_eq!(receiver.next_key().await, first.key.id);
        until_counted(&harness, SENT, 1).await;
        let harness = Harness::with(harness.stop().await, receiver.settings()).await;
        let second = key_for(&harness.store, "second", 5, clock::now()).await;
        // Notices that have waited longer come before it.
        assert_eq!(receiver.next_key().await, second.key.id);
        until_counted(&harness, CLAIMS, 2).await;
    }

    async fn a_notice_comes_once_from_two_servers(backend) {
        let mut receiver = Receiver::answering(&[]).await;
        let harness = Harness::with(backend.database().await, receiver.settings()).await;
        harness.second_with(receiver.settings()).await;
        let mut expected = Vec::new();
        for number in 0..40 {
            expected.push(key_for(&harness.store, &format!("{number}"), 5, clock::now()).await.key.id);
        }
        let mut told = Vec::new();
        for _ in &expected {
            told.push(receiver.next_key().await);
        }
        told.sort_unstable();
        expected.sort_unstable();
        assert_eq!(told, expected);
        until_counted(&harness, SENT, 40).await;
        until_counted(&harness, CLAIMS, 40).await;
    }

    async fn what_was_not_taken_comes_again_and_what_was_taken_does_not(backend) {
        let mut receiver = Receiver::answering(&[500, 302, 200]).await;
        let harness = Harness::with(backend.database().await, receiver.settings()).await;
        let first = key_for(&harness.store, "first", 5, clock::now()).await;
        let mut ids = Vec::new();
        for _ in 0..3 {
            let received = receiver.next().await;
            assert_eq!(received.json()["data"]["id"], first.key.id);
            ids.push(received.header("webhook-id").to_owned());
        }
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        until_counted(&harness, SENT, 1).await;
        let second = key_for(&harness.store, "second", 5, clock::now()).await;
        assert_eq!(receiver.next_key().await, second.key.id);
        until_counted(&harness, CLAIMS, 4).await;
        let metrics = String::from_utf8(harness.client.get("/metrics").await.body.to_vec()).unwrap();
        assert!(metrics.contains("\nflint_notices_failed_total 2\n"), "{metrics}");
    }

    async fn a_receiver_that_is_gone_is_left_alone(backend) {
        let mut receiver = Receiver::answering(&[410]).await;
        let harness = Harness::with(backend.database().await, receiver.settings()).await;
        let first = key_for(&harness.store, "first", 5, clock::now()).await;
        assert_eq!(receiver.next_key().await, first.key.id);
        let second = key_for(&harness.store, "second", 5, clock::now()).await;
        until_counted(&harness, "SELECT COUNT(*) FROM notice", 2).await;
        // The server looks on, and anyone who starts over tries again.
        let harness = Harness::with(harness.stop().await, receiver.settings()).await;
        let mut told = [receiver.next_key().await, receiver.next_key().await];
        told.sort_unstable();
        let mut expected = [first.key.id, second.key.id];
        expected.sort_unstable();
        assert_eq!(told, expected);
        until_counted(&harness, CLAIMS, 3).await;
    }

    async fn a_look_finds_what_became_due_since_the_last(backend) {
        let test = backend.database().await;
        let (store, now) = (Store::open(&test.database).await.unwrap(), clock::now());
        let id = key_for(&store, "CI", 40, now).await.key.id;
        let old = key_for(&store, "old", 13, now).await.key.id;
        for (days, expected) in [(0, 1), (0, 0), (5, 0), (9, 1), (10, 1), (11, 0)] {
            assert_eq!(store.make_notices(now + days * DAY).await.unwrap(), expected, "after {days} days");
        }
        let now = now + 27 * DAY;
        assert_eq!(store.make_notices(now).await.unwrap(), 1, "13 days are left");
        let claimed = store.claim_notice(now).await.unwrap().unwrap();
        assert_eq!((claimed.key.id.as_str(), claimed.notice.step), (id.as_str(), 14), "30 days was passed over");
        assert_eq!(store.claim_notice(now).await.unwrap(), None, "nor is an end told that has come, of {old}");
        store.settle_notice(&claimed, &Delivery::Sent, now).await.unwrap();

        let end = |days: i64| Amendment { expires_at: Some(Some(now + days * DAY)), ..Amendment::default() };
        store.amend_key(&id, end(20).check(now).unwrap(), now, &actor()).await.unwrap();
        assert_eq!(store.make_notices(now).await.unwrap(), 1, "another end begins anew");
        let renamed = Amendment { name: Some("CI 2".into()), ..Amendment::default() };
        store.amend_key(&id, renamed.check(now).unwrap(), now, &actor()).await.unwrap();
        assert_eq!(store.make_notices(now).await.unwrap(), 0, "another name does not");
        store.revoke_key(&id, None, now, &actor()).await.unwrap();
        assert_eq!(store.claim_notice(now).await.unwrap(), None, "nobody has to act on a key that is revoked");

        store.forget_notices(now + 40 * DAY).await.unwrap();
        let mut connection = crate::program::connect(&test.database).await;
        let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM notice").fetch_one(&mut connection).await.unwrap();
        assert_eq!(left, 0);
    }

    async fn a_first_look_reads_on_over_pages_of_keys(backend) {
        let test = backend.database().await;
        let (store, now) = (Store::open(&test.database).await.unwrap(), clock::now());
        for number in 0..450 {
            // A page of keys that end at the same time, and others.
            let days = if number < 250 { 6 } else { [12, 29][number % 2] };
            key_for(&store, "CI", days, now).await;
        }
        let rotating = NewKey {
            name: "rotating".into(),
            environment: "live".into(),
            expires_at: Some(None),
            rotate_by: Some(Some(now + 5 * DAY)),
            ..NewKey::default()
        };
        store.create_key(rotating.check(now).unwrap(), now, &actor()).await.unwrap();
        assert_eq!(store.make_notices(now).await.unwrap(), 451);
        assert_eq!(store.make_notices(now + 60).await.unwrap(), 0);
    }

    async fn a_claim_is_one_servers_until_it_is_settled_or_too_old(backend) {
        let test = backend.database().await;
        let (one, other) = (Store::open(&test.database).await.unwrap(), Store::open(&test.database).await.unwrap());
        let now = clock::now();
        for name in ["first", "second"] {
            key_for(&one, name, 5, now).await;
        }
        let made = tokio::try_join!(one.make_notices(now), other.make_notices(now)).unwrap();
        assert_eq!(made.0 + made.1, 2);
        let claims = tokio::try_join!(one.claim_notice(now), other.claim_notice(now)).unwrap();
        let (first, second) = (claims.0.unwrap(), claims.1.unwrap());
        assert_ne!(first.id, second.id);
        assert_eq!(one.claim_notice(now).await.unwrap(), None);

        one.settle_notice(&first, &Delivery::Sent, now).await.unwrap();
        let later = now + 61;
        let again = other.claim_notice(later).await.unwrap().unwrap();
        assert_eq!(again, Claimed { attempts: 2, ..second.clone() }, "whoever had it is gone");
        assert_eq!(one.claim_notice(later).await.unwrap(), None);
        let failed = |again_at| Delivery::Failed { reason: "it answers 500".into(), again_at };
        // Its claim was too old, so this says nothing.
        one.settle_notice(&second, &failed(None), later).await.unwrap();
        other.settle_notice(&again, &failed(Some(later + 30)), later).await.unwrap();
        assert_eq!(one.claim_notice(later + 29).await.unwrap(), None);
        let third = one.claim_notice(later + 30).await.unwrap().unwrap();
        one.settle_notice(&third, &failed(None), later).await.unwrap();
        assert_eq!(one.claim_notice(later + 3_600).await.unwrap(), None, "it was given up");
    }

    async fn the_doctor_tells_how_notices_fare(backend) {
        let test = backend.database().await;
        let (store, now) = (Store::open(&test.database).await.unwrap(), clock::now());
        let grade = async |now| {
            let found = examine(&store, now).await.unwrap().into_iter().find(|one| one.check == "notices").unwrap();
            (found.grade, found.finding)
        };
        assert!(matches!(grade(now).await, (Grade::Good, text) if text.contains("nobody is told")));
        store.note_webhook("https://hooks.example.com", now).await.unwrap();
        assert!(matches!(grade(now).await, (Grade::Good, text) if text.contains("https://hooks.example.com")));
        key_for(&store, "CI", 5, now).await;
        store.make_notices(now).await.unwrap();
        let claimed = store.claim_notice(now).await.unwrap().unwrap();
        let failed = Delivery::Failed { reason: "it answers 500".into(), again_at: Some(now) };
        store.settle_notice(&claimed, &failed, now).await.unwrap();
        assert!(matches!(grade(now).await, (Grade::Bad, text) if text.contains("it answers 500")));
        store.settle_notice(&store.claim_notice(now).await.unwrap().unwrap(), &Delivery::Sent, now).await.unwrap();
        assert!(matches!(grade(now).await, (Grade::Good, text) if text.contains("accepted the last one")));
        assert!(matches!(grade(now + 3_600).await, (Grade::Good, text) if text.contains("nobody is told")));
    }
}

/// What the documentation's own lines say of a notice with this body.
async fn verifies(received: &Received, secret: &str, body: &str) -> bool {
    let docs = include_str!("../../../docs/authority.md");
    let snippet = docs.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let headers: Value =
        received.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    let asked = json!({ "secret": secret, "headers": headers, "body": body });
    let script = format!(
        "{snippet}\nimport json, sys\nasked = json.load(sys.stdin)\n\
         print(verify(asked['secret'], asked['headers'], asked['body'].encode()))"
    );
    let mut child = Command::new("python3")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("python3 is there");
    child.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success());
    stdout(&output).trim() == "True"
}

#[tokio::test]
async fn what_is_secret_of_a_webhook_is_in_no_log() {
    let test = Backend::Sqlite.database().await;
    let mut receiver = Receiver::answering(&[500]).await;
    let create = ["keys", "create", "--name", "CI", "--environment", "live", "--expires", "5d"];
    let key = flint_json(&test.database, &create).await;
    let mut child = command(&test.database)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("FLINT_NOTIFY_WEBHOOK", &receiver.url)
        .env("FLINT_NOTIFY_WEBHOOK_SECRET", SECRET)
        .env("FLINT_LOG", "debug")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let received = receiver.next().await;
    assert_eq!(received.json()["data"]["id"], key["id"]);
    assert!(received.headers.contains_key("webhook-signature"));
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut log = String::new();
    while !log.contains("a notice was not accepted") {
        log.push_str(&lines.next_line().await.unwrap().expect("it says that the notice was not taken"));
    }
    signal(&child, Signal::TERM);
    while let Some(line) = lines.next_line().await.unwrap() {
        log.push_str(&line);
    }
    assert!(child.wait().await.unwrap().success());
    assert!(log.contains("it answers 500"), "{log}");
    for secret in ["s3cret", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
        assert!(!log.contains(secret), "{log}");
    }
    let doctor = command(&test.database).arg("doctor").output().await.unwrap();
    assert!(stdout(&doctor).contains("it answers 500") && !stdout(&doctor).contains("s3cret"));
}

#[tokio::test]
async fn an_operator_can_try_a_webhook() {
    let test = Backend::Sqlite.database().await;
    let mut receiver = Receiver::answering(&[204, 503]).await;
    let directory = test.directory.path();
    let (url, secret) = (directory.join("url"), directory.join("secret"));
    std::fs::write(&url, format!("{}\n", receiver.url)).unwrap();
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let files = [
        "--notify-webhook-file",
        url.to_str().unwrap(),
        "--notify-webhook-secret-file",
        secret.to_str().unwrap(),
    ];
    let answer = flint_json(&test.database, &[&["notices", "test"][..], &files].concat()).await;
    let place = receiver.url.strip_suffix("/hook/s3cret?token=s3cret").unwrap();
    assert_eq!(answer, json!({ "webhook": place, "status": 204, "signed": true }));
    let received = receiver.next().await;
    assert_eq!(received.json()["type"], "notices.test");
    assert!(verifies(&received, SECRET, std::str::from_utf8(&received.body).unwrap()).await);

    let run = async |variables: &[(&str, &str)]| {
        let mut command = command(&test.database);
        let output =
            command.args(["notices", "test"]).envs(variables.iter().copied()).output().await.unwrap();
        assert!(!stderr(&output).contains("s3cret"), "{}", stderr(&output));
        (output.status.code(), stderr(&output))
    };
    let (code, said) = run(&[("FLINT_NOTIFY_WEBHOOK", &receiver.url)]).await;
    assert_eq!((code, said.contains("it answers 503")), (Some(1), true), "{said}");
    assert!(!receiver.next().await.headers.contains_key("webhook-signature"), "there was no secret");
    assert_eq!(run(&[]).await.0, Some(2));
    let (code, said) = run(&[("FLINT_NOTIFY_WEBHOOK", "s3cret")]).await;
    assert_eq!((code, said.contains("must be an http or https URL")), (Some(2), true), "{said}");
}

#[tokio::test]
async fn a_webhook_over_tls_must_be_trusted() {
    let test = Backend::Sqlite.database().await;
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let roots = test.directory.path().join("roots.pem");
    std::fs::write(&roots, issuer.pem()).unwrap();
    let url = format!("https://localhost:{}/hook/s3cret", tls_server(&issuer, 90).await);
    for (roots, expected) in [(roots.to_str().unwrap(), 0), ("/nonexistent", 1)] {
        let mut command = command(&test.database);
        command.args(["notices", "test"]).env("FLINT_NOTIFY_WEBHOOK", &url).env("SSL_CERT_FILE", roots);
        let output = command.output().await.unwrap();
        assert_eq!(output.status.code(), Some(expected), "{}", stderr(&output));
        assert!(!stderr(&output).contains("s3cret"), "{}", stderr(&output));
    }
}
