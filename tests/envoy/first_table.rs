//! A cold start: requests that arrive before the first table (contract §6, acceptance C7, D3 to
//! D5).

use std::thread;
use std::time::{Duration, Instant};

use flint_contract::key::Digest;
use serde_json::json;

use crate::authority::{Authority, Reply};
use crate::client::{Answer, Protocol, Request, http1, http2};
use crate::expect;
use crate::harness::{Plan, eventually, throughout};
use crate::keys::Key;
use crate::scene::{Scene, configuration, fault};

/// How often a test starts over that is about requests which wait: they do for a second only, and
/// what is done meanwhile may take longer.
const ATTEMPTS: usize = 10;

/// A gateway whose authority has been asked for the first page and does not answer yet.
fn cold(workers: usize, keys: &[&Key]) -> Scene {
    cold_with(keys, |plan| plan.workers(workers))
}

fn cold_with(keys: &[&Key], plan: impl FnOnce(Plan) -> Plan) -> Scene {
    let authority = Authority::start();
    authority.announce(keys.iter().copied());
    authority.every_poll(Reply::Hold);
    Scene::with(authority, |base| plan(base).listener("main", configuration(json!({}))))
}

/// Waits until so many requests have come to the listener in all.
fn have_come(scene: &Scene, count: usize) {
    let count = u64::try_from(count).unwrap();
    eventually("the requests have come", || {
        scene.gateway.statistic("http.main.downstream_rq_total") >= count
    });
}

#[test]
fn requests_wait_for_the_first_table_and_are_then_decided() {
    for workers in [1, 4] {
        assert!(
            (0..ATTEMPTS).any(|_| all_are_decided(workers)),
            "{workers} workers: the table came too late"
        );
    }
}

/// Lets requests wait until the table comes; false where that was too late for one of them.
fn all_are_decided(workers: usize) -> bool {
    let (good, poor) = (Key::live("good").may(&["*"]), Key::live("poor"));
    let scene = cold(workers, &[&good, &poor]);
    let mut waiting: Vec<_> = scene.connections("main");
    let secrets = [&*good.secret, &*poor.secret, "flint_live_unknown"];
    for (index, connection) in waiting.iter_mut().enumerate() {
        let request = Request::get("/documents").bearer(secrets[index % 3]);
        connection.write(&request).expect("the connection is open");
    }
    throughout("no request gets through", Duration::from_millis(150), || {
        scene.upstream.received().is_empty()
    });
    scene.authority.recover();
    let mut in_time = true;
    for (index, connection) in waiting.iter_mut().enumerate() {
        let answer = connection.read("GET").expect("an answer");
        in_time &= answer.status != 503;
        let decided = [200, 403, 401][index % 3];
        assert!([decided, 503].contains(&answer.status), "{workers} workers: {answer:?}");
    }
    assert_eq!(scene.authority.most_open_polls(), 1, "the many waited for one poll");
    in_time
}

#[test]
fn a_request_waits_and_is_then_told_that_it_cannot_be_decided() {
    let key = Key::live("good").may(&["*"]);
    let scene = cold(4, &[&key]);
    let address = scene.gateway.address();
    let timed = |protocol: Protocol| {
        let begun = Instant::now();
        let answer = Request::get("/documents").bearer(&key.secret).send(protocol, address);
        (answer, begun.elapsed())
    };
    thread::scope(|scope| {
        let requests: Vec<_> =
            (0..12).map(|index| scope.spawn(move || timed(Protocol::ALL[index % 2]))).collect();
        for request in requests {
            let (answer, waited) = request.join().expect("an answer");
            expect::denied(&answer, "unavailable");
            assert!(Duration::from_millis(500) < waited, "{waited:?}");
        }
    });
    scene.authority.recover();
    eventually("the table comes", || timed(Protocol::Http1).0.status == 200);
}

/// By Envoy's own clock, whatever the machine adds: one that Envoy keeps for three seconds, and
/// that came later, is not answered first.
#[test]
fn a_request_that_waits_is_answered_before_one_that_envoy_keeps_longer() {
    let key = Key::live("good").may(&["*"]);
    let scene = cold_with(&[&key], |plan| plan.filter_before(fault()));
    let request = Request::get("/documents").bearer(&key.secret);
    let (mut waiting, mut kept) =
        (http1::Connection::open(scene.gateway.address()), http1::Connection::open(scene.gateway.address()));
    waiting.write(&request).expect("the connection is open");
    have_come(&scene, 1);
    let later =
        request.header("x-envoy-fault-delay-request", "3000").header("x-envoy-fault-abort-request", "418");
    assert_eq!(kept.send(&later).status, 418);
    assert!(waiting.is_answered(), "it waits longer than a second");
    expect::denied(&waiting.read("GET").expect("an answer"), "unavailable");
}

#[test]
fn what_needs_no_table_does_not_wait() {
    let scene = cold(1, &[]);
    let begun = Instant::now();
    for _ in 0..20 {
        for protocol in Protocol::ALL {
            let send = |request: Request| request.send(protocol, scene.gateway.address());
            expect::denied(&send(Request::get("/documents")), "no_credential");
            expect::denied(&send(Request::get("/documents").bearer("flint_live_a.b")), "malformed");
            assert_eq!(send(Request::get("/healthz")).status, 200);
        }
    }
    // Were there one kind that waits, it would do so for a second each time.
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
}

#[test]
fn a_body_that_waits_arrives_whole_or_is_refused_by_envoy() {
    assert!((0..ATTEMPTS).any(|_| all_bodies_arrive()), "the table came too late");
}

/// Lets requests with bodies wait until the table comes; false where that was too late for one of
/// them.
fn all_bodies_arrive() -> bool {
    let key = Key::live("good").may(&["*"]);
    let sizes = [1, 100_000, 900_000, 4_000_000];
    let scene = cold(1, &[&key]);
    let requests: Vec<_> = Protocol::ALL
        .iter()
        .flat_map(|protocol| sizes.map(|size| (*protocol, body(size))))
        .map(|(protocol, body)| (protocol, Request::new("POST", "/upload").bearer(&key.secret).body(body)))
        .collect();
    let answers: Vec<_> = thread::scope(|scope| {
        let sent: Vec<_> = requests
            .iter()
            .map(|(protocol, request)| scope.spawn(|| try_send(request, *protocol, &scene)))
            .collect();
        eventually("the requests wait, or are refused", || {
            let done = sent.iter().filter(|request| request.is_finished()).count();
            scene.gateway.statistic("http.main.downstream_rq_active") + u64::try_from(done).unwrap() >= 8
        });
        scene.authority.recover();
        sent.into_iter().map(|request| request.join().expect("a result")).collect()
    });
    let mut in_time = true;
    for ((protocol, request), answer) in requests.iter().zip(answers) {
        let size = request.body.len();
        match answer {
            // More than Envoy buffers is 413, or a hang-up where the client continues sending what
            // was refused.
            None | Some(Answer { status: 413, .. }) => assert!(size > 1_000_000, "{protocol:?} {size}"),
            Some(Answer { status: 503, .. }) => in_time = false,
            Some(answer) => {
                assert_eq!(answer.status, 200, "{protocol:?} {size}: {answer:?}");
                assert_eq!(
                    answer.json()["body_sha256"],
                    Digest::of(&request.body).to_hex(),
                    "{protocol:?} {size}"
                );
            }
        }
    }
    in_time
}

fn body(size: usize) -> Vec<u8> {
    (0..size).map(|index| u8::try_from(index % 251).unwrap()).collect()
}

fn try_send(request: &Request, protocol: Protocol, scene: &Scene) -> Option<Answer> {
    match protocol {
        Protocol::Http1 => http1::Connection::open(scene.gateway.address()).try_send(request).ok(),
        Protocol::Http2 => http2::Connection::open(scene.gateway.address()).try_send(request).ok(),
    }
}

#[test]
fn clients_that_hang_up_while_they_wait_leave_nothing_behind() {
    assert!((0..ATTEMPTS).any(|_| all_hang_up_while_they_wait()), "their second was over");
}

/// Lets clients hang up while their requests wait; false where one was over before.
fn all_hang_up_while_they_wait() -> bool {
    let key = Key::live("good").may(&["*"]);
    let scene = cold(4, &[&key]);
    let mut connections = scene.connections("main");
    for connection in &mut connections {
        let request = Request::new("POST", "/upload").bearer(&key.secret).body(vec![7; 10_000]);
        connection.write(&request).expect("the connection is open");
    }
    let active = || scene.gateway.statistic("http.main.downstream_rq_active");
    let all = u64::try_from(connections.len()).unwrap();
    have_come(&scene, connections.len());
    let all_wait = active() == all;
    connections.into_iter().for_each(http1::Connection::close);
    eventually("Envoy lets go of them", || active() == 0);
    scene.authority.recover();
    eventually("the table comes", || {
        scene.send("main", &Request::get("/documents").bearer(&key.secret)).status == 200
    });
    assert_eq!(scene.upstream.received().len(), 1, "nothing of the others got through");
    assert_eq!(active(), 0);
    all_wait
}

#[test]
fn clients_that_hang_up_as_the_table_comes_harm_nobody() {
    let key = Key::live("good").may(&["*"]);
    for _ in 0..5 {
        let scene = cold(1, &[&key]);
        let address = scene.gateway.address();
        let waiting: Vec<_> = (0..300)
            .map(|_| {
                let mut connection = http1::Connection::open(address);
                connection.write(&Request::get("/documents").bearer(&key.secret)).expect("a connection");
                connection
            })
            .collect();
        // Envoy may see some go in the same turn of its loop in which the filter lets them
        // continue.
        thread::scope(|scope| {
            scope.spawn(|| scene.authority.recover());
            waiting.into_iter().for_each(http1::Connection::close);
        });
        eventually("the table is there", || {
            scene.send("main", &Request::get("/documents").bearer(&key.secret)).status == 200
        });
        scene.gateway.is_unharmed();
    }
}

#[test]
fn the_table_is_not_used_before_its_last_page() {
    let keys: Vec<Key> = (0..4).map(|_| Key::live("paged").may(&["*"])).collect();
    let scene = cold(1, &keys.iter().collect::<Vec<_>>());
    let page = json!({"cursor": "half", "more": true, "keys": [keys[0].entry]});
    scene.authority.next_polls([Reply::Page(page), Reply::Hold]);
    eventually("the second page is asked for", || {
        scene.authority.polls().iter().any(|call| call.cursor() == Some("half"))
    });
    let request = Request::get("/documents").bearer(&keys[0].secret);
    expect::denied(&scene.send("main", &request), "unavailable");
    scene.authority.recover();
    eventually("the table is whole", || scene.send("main", &request).status == 200);
}

#[test]
fn a_dead_authority_makes_requests_unavailable_until_it_comes_to_life() {
    let key = Key::live("good").may(&["*"]);
    let scene =
        Scene::with(Authority::down(), |plan| plan.workers(4).listener("main", configuration(json!({}))));
    let answer = scene.send("main", &Request::get("/documents").bearer(&key.secret));
    expect::denied(&answer, "unavailable");
    scene.authority.announce([&key]);
    scene.authority.up();
    for mut connection in scene.connections("main") {
        eventually("every worker recovers by itself", || {
            connection.send(&Request::get("/documents").bearer(&key.secret)).status == 200
        });
    }
}
