//! Keeping sets fresh: rules of `fetch` and `held`.

use serde_json::json;

use super::support::*;
use crate::feed::lease::TERM;
use crate::feed::poller::{Answer, Now};
use crate::table::store::Namespace;
use crate::table::tests::Memory;
use crate::token::fetch::{Event, Failure, Fetcher, Settings};
use crate::token::held::{ASK_EVERY, Refetch, State, View, clear};
use crate::token::keys::BadSet;

const SETTINGS: Settings = Settings { refresh_seconds: 300, timeout_seconds: 5 };

fn namespace() -> Namespace {
    Namespace::of("auth", "auth", "\0jwks/keys")
}

fn now(ms: u64) -> Now {
    // A tenth of 300 s less 30 s: what is spread comes to 300 s exactly.
    Now { ms, served: false, random: 30_000 }
}

fn body(keys: &[u8]) -> Vec<u8> {
    json!({"keys": keys.iter().map(|number| jwk(*number)).collect::<Vec<_>>()}).to_string().into_bytes()
}

fn good(body: &[u8]) -> Answer<'_> {
    Answer { status: Some(200), encoded: false, body }
}

/// A process with one fetcher.
struct Process {
    store: Memory,
    fetcher: Fetcher,
    view: View,
}

impl Process {
    fn new() -> Self {
        Self { store: Memory::default(), fetcher: Fetcher::new(namespace(), 1), view: View::new(namespace()) }
    }

    fn poll(&mut self, ms: u64) -> bool {
        self.fetcher.poll(&self.store, SETTINGS, now(ms)).is_some()
    }

    fn answer(&mut self, ms: u64, answer: Answer<'_>) -> Vec<Event> {
        self.fetcher.handle_answer(&self.store, SETTINGS, answer, now(ms));
        self.view.refresh(&self.store).unwrap();
        self.fetcher.take_events()
    }

    /// A set is there, called for at 1,000.
    fn with_set(keys: &[u8]) -> Self {
        let mut process = Self::new();
        assert!(process.poll(1_000));
        process.answer(1_010, good(&body(keys)));
        process
    }

    fn state(&self, ms: u64) -> State {
        self.view.state(86_400, ms)
    }

    /// The first call that is made from this time on, to the half second; the lease is kept
    /// meanwhile.
    fn next_call(&mut self, from: u64) -> u64 {
        (0..).map(|step| from + 500 * step).find(|ms| self.poll(*ms)).unwrap()
    }
}

#[test]
fn a_set_is_fetched_at_once_and_again_when_it_is_due() {
    let mut process = Process::new();
    process.view.refresh(&process.store).unwrap();
    assert_eq!(process.state(0), State::Awaited);
    assert_eq!(process.fetcher.poll(&process.store, SETTINGS, now(1_000)), Some(5_000));
    assert!(!process.poll(1_001), "one call at a time");
    let events = process.answer(1_010, good(&body(&[1, 2])));
    assert_eq!(events, [Event::Changed { keys: 2, left_out: 0 }]);
    assert_eq!(
        (process.state(1_010), process.view.keys().len(), process.view.version()),
        (State::Usable, 2, 1)
    );
    assert_eq!(process.next_call(1_011), 301_011);
    assert_eq!(process.answer(301_020, good(&body(&[1, 2]))), [], "the same keys");
    assert_eq!(process.view.version(), 1);
    process.next_call(301_021);
    assert_eq!(process.answer(601_600, good(&body(&[2]))), [Event::Changed { keys: 1, left_out: 0 }]);
    assert_eq!((process.view.version(), process.view.keys().len()), (2, 1));
}

#[test]
fn an_answer_that_is_not_good_changes_nothing() {
    let mut process = Process::with_set(&[1]);
    let (mut ms, good_body) = (301_010, body(&[2]));
    let answer = |status, encoded, body| Answer { status, encoded, body };
    for (times, (bad, failure)) in [
        (answer(None, false, &[][..]), Failure::NoAnswer),
        (answer(Some(500), false, &good_body), Failure::Status(500)),
        (answer(Some(304), false, &good_body), Failure::Status(304)),
        (answer(Some(200), true, &good_body), Failure::Encoding),
        (answer(Some(200), false, b"<html>"), Failure::Bad(BadSet::Json)),
        (answer(Some(200), false, b"{\"keys\":[]}"), Failure::Bad(BadSet::NoKey)),
        (answer(Some(200), false, b"{\"keys\":[7]}"), Failure::Bad(BadSet::NoKey)),
    ]
    .into_iter()
    .enumerate()
    {
        ms = process.next_call(ms);
        let times = u32::try_from(times).unwrap() + 1;
        assert_eq!(process.answer(ms + 1, bad), [Event::Failed(failure, times)]);
        assert_eq!((process.view.version(), process.state(ms)), (1, State::Usable));
    }
    let called = process.next_call(ms);
    assert!(called - ms < 10_500, "the back-off of the key table");
    assert_eq!(process.answer(called, good(&good_body))[1..], [Event::Recovered(7)]);
}

#[test]
fn a_set_grows_old_from_the_call_that_brought_it() {
    let process = Process::with_set(&[1]);
    assert_eq!(process.state(1_000 + 86_399_999), State::Usable);
    assert_eq!(process.state(1_000 + 86_400_000), State::TooOld);
}

#[test]
fn a_call_that_is_never_answered_is_given_up() {
    let mut process = Process::new();
    assert!(process.poll(0));
    (1..=12).for_each(|step| assert!(!process.poll(500 * step - 1)));
    process.poll(6_000);
    assert_eq!(process.fetcher.take_events(), [Event::Failed(Failure::TimedOut, 1)]);
    process.answer(6_001, good(&body(&[1])));
    assert_eq!(process.state(6_001), State::Awaited, "too late");
}

#[test]
fn an_unknown_kid_has_the_set_fetched_once_in_five_seconds() {
    let mut process = Process::with_set(&[1]);
    assert!(!process.poll(2_000));
    for _ in 0..1_000 {
        assert_eq!(process.view.ask(&process.store, 2_000), Ok(Refetch::At(2_000)));
    }
    assert!(process.poll(2_010) && !process.poll(2_011));
    assert!(!process.view.is_answered(2_000));
    assert_eq!(process.view.ask(&process.store, 2_020), Ok(Refetch::At(2_000)), "it is on its way");
    process.answer(2_030, good(&body(&[1, 2])));
    assert!(process.view.is_answered(2_000) && process.view.keys().len() == 2);
    for ms in [2_031, 2_000 + ASK_EVERY - 1] {
        assert_eq!(process.view.ask(&process.store, ms), Ok(Refetch::NotNow));
        assert!(!process.poll(ms));
    }
    assert_eq!(process.view.ask(&process.store, 2_000 + ASK_EVERY), Ok(Refetch::At(7_000)));
    assert!(process.poll(7_000));
}

#[test]
fn a_call_that_was_on_its_way_before_the_question_is_no_answer_to_it() {
    let mut process = Process::with_set(&[1]);
    let called = process.next_call(301_000);
    assert_eq!(process.view.ask(&process.store, called + 5), Ok(Refetch::At(called + 5)));
    process.answer(called + 10, good(&body(&[1])));
    assert!(!process.view.is_answered(called + 5));
    assert!(process.poll(called + 11), "another call");
    process.answer(called + 20, good(&body(&[1, 2])));
    assert!(process.view.is_answered(called + 5));
}

#[test]
fn a_question_to_a_dead_server_is_answered_with_its_failure() {
    let mut process = Process::with_set(&[1]);
    process.view.ask(&process.store, 2_000).unwrap();
    assert!(process.poll(2_010));
    process.fetcher.handle_failure(&process.store, Failure::NotSent, now(2_010));
    process.view.refresh(&process.store).unwrap();
    assert!(process.view.is_answered(2_000));
    assert_eq!(process.state(2_020), State::Usable);
}

#[test]
fn one_vm_calls_and_the_next_one_continues_where_it_stopped() {
    let mut process = Process::with_set(&[1]);
    let mut other = Fetcher::new(namespace(), 2);
    assert_eq!(other.poll(&process.store, SETTINGS, now(1_100)), None);
    let late = 1_010 + TERM;
    assert_eq!(other.poll(&process.store, SETTINGS, now(late)), None, "the set is fresh");
    assert!(other.is_holder());
    assert!(!process.poll(late + 1) && !process.fetcher.is_holder());
    let due = (0..700)
        .map(|step| late + 500 * step)
        .find(|ms| other.poll(&process.store, SETTINGS, now(*ms)).is_some());
    assert!(due.is_some_and(|due| (301_000..301_500).contains(&due)), "{due:?}");
}

#[test]
fn a_vm_that_was_overtaken_writes_nothing() {
    let mut process = Process::with_set(&[1]);
    let called = process.next_call(301_000);
    let mut other = Fetcher::new(namespace(), 2);
    assert!(other.poll(&process.store, SETTINGS, now(called + TERM)).is_some());
    other.handle_answer(&process.store, SETTINGS, good(&body(&[3])), now(called + TERM + 1));
    process.answer(called + TERM + 2, good(&body(&[1, 2])));
    assert_eq!(*process.view.keys().as_ref(), set(&[jwk(3)]));
}

#[test]
fn a_vm_that_serves_requests_leaves_the_calls_to_one_that_does_not() {
    let store = Memory::default();
    let (mut worker, mut idle) = (Fetcher::new(namespace(), 1), Fetcher::new(namespace(), 2));
    let served = |ms| Now { served: true, ..now(ms) };
    assert!(worker.poll(&store, SETTINGS, served(0)).is_none(), "courtesy");
    assert!(worker.poll(&store, SETTINGS, served(600)).is_some());
    assert!(idle.poll(&store, SETTINGS, now(610)).is_none());
    worker.handle_answer(&store, SETTINGS, good(&body(&[1])), served(620));
    assert!(!worker.is_holder());
    idle.poll(&store, SETTINGS, now(640));
    assert!(idle.is_holder());
}

#[test]
fn a_set_that_nobody_asks_for_any_more_is_cleared_and_can_come_back() {
    let mut process = Process::with_set(&[1]);
    clear(&process.store, namespace()).unwrap();
    process.view.refresh(&process.store).unwrap();
    assert_eq!(process.state(2_000), State::Awaited);
    assert!(process.view.keys().is_empty());
    let mut other = Fetcher::new(namespace(), 2);
    assert!(other.poll(&process.store, SETTINGS, now(10_000)).is_some());
    other.handle_answer(&process.store, SETTINGS, good(&body(&[1])), now(10_010));
    process.view.refresh(&process.store).unwrap();
    assert_eq!(process.state(10_010), State::Usable);
}

#[test]
fn sets_of_different_servers_do_not_mix() {
    let of = |cluster: &str, host: &str, path: &str| Namespace::of(cluster, host, &format!("\0jwks{path}"));
    let all = [of("a", "a", "/k"), of("b", "a", "/k"), of("a", "b", "/k"), of("a", "a", "/l")];
    for (place, one) in all.iter().enumerate() {
        assert!(!all[place + 1..].contains(one));
    }
    assert_ne!(of("a", "a", ""), Namespace::of("a", "a", "jwks"), "nor with key tables");
}
