use flint_contract::key::Digest;
use serde_json::{Value, json};

use super::*;
use crate::feed::holder::LEAST_GAP;
use crate::feed::lease::TERM;
use crate::table::shard::Shard;
use crate::table::store::{Condition, Slot};
use crate::table::tests::{Memory, namespace};
use crate::table::{Meta, View};

/// One VM, its clock and the shared data.
struct Vm<'s> {
    store: &'s Memory,
    poller: Poller,
    ms: u64,
    served: bool,
}

impl<'s> Vm<'s> {
    fn new(store: &'s Memory, me: u64) -> Self {
        let settings = Settings { wait_seconds: 25, timeout_seconds: 5 };
        Self { store, poller: Poller::new(namespace(), settings, me), ms: 1_000, served: false }
    }

    /// One that has the lease, with its first call.
    fn polling(store: &'s Memory) -> (Self, Call) {
        let mut vm = Self::new(store, 1);
        let call = vm.next_call(50);
        (vm, call)
    }

    fn now(&self) -> Now {
        Now { ms: self.ms, served: self.served, random: self.ms.into() }
    }

    fn tick(&mut self, by: u64) -> Option<Call> {
        self.ms += by;
        self.poller.poll(self.store, self.now())
    }

    /// Ticks until there is a call, for at most `limit` milliseconds.
    fn next_call(&mut self, limit: u64) -> Call {
        (0..=limit).find_map(|_| self.tick(1)).expect("a call within the limit")
    }

    fn answer(&mut self, status: Option<u16>, encoded: bool, body: &[u8]) {
        let now = self.now();
        self.poller.handle_answer(self.store, Answer { status, encoded, body }, now);
    }

    fn page(&mut self, page: &Value) {
        self.answer(Some(200), false, page.to_string().as_bytes());
    }

    fn cursor(&self) -> Option<String> {
        Meta::load(self.store, namespace()).unwrap().0.map(|meta| meta.cursor)
    }
}

fn key(number: u8) -> Value {
    json!({"sha256": Digest::of(&[number]).to_hex(), "id": format!("key_{number}"), "environment": "live",
        "permissions": []})
}

fn page(cursor: &str, more: bool, keys: &[u8]) -> Value {
    json!({"cursor": cursor, "more": more, "keys": keys.iter().map(|number| key(*number)).collect::<Vec<_>>()})
}

/// The keys that a reader finds, of 0 to 9; `None` where there is no table.
fn keys(store: &Memory) -> Option<Vec<u8>> {
    let mut view = View::new(namespace());
    view.refresh(store).unwrap();
    view.meta()?;
    Some((0..10).filter(|number| view.lookup(store, &Digest::of(&[*number])).unwrap().is_some()).collect())
}

/// How many runs the first shard has something of.
fn parts(store: &Memory) -> usize {
    let (value, _) = store.get(&namespace().shard(0)).unwrap().unwrap();
    Shard::read(&value).unwrap().parts().count()
}

fn asks(call: &Call, wait: u32, cursor: Option<&str>) {
    let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
    assert_eq!(call.path, format!("/v1/key-table?wait={wait}&limit=500{cursor}"));
}

#[test]
fn a_first_run_takes_effect_at_its_end_and_then_calls_are_held() {
    let store = Memory::default();
    let (mut vm, call) = Vm::polling(&store);
    asks(&call, 0, None);
    assert_eq!(call.timeout, 5_000);
    assert_eq!(vm.tick(25), None, "one call at a time");
    vm.page(&page("c 1/é", true, &[1, 2]));
    assert_eq!(keys(&store), None);
    asks(&vm.tick(0).unwrap(), 0, Some("c%201%2F%C3%A9"));
    vm.page(&page("c2", false, &[3]));
    assert_eq!(keys(&store).unwrap(), [1, 2, 3]);
    let call = vm.tick(0).unwrap();
    asks(&call, 25, Some("c2"));
    assert_eq!(call.timeout, 30_000);
    let events = vm.poller.take_events();
    assert!(
        events.contains(&Event::TookLease) && events.contains(&Event::Replaced { keys: 3 }),
        "{events:?}"
    );
}

#[test]
fn pages_of_an_ordinary_run_take_effect_one_by_one() {
    let store = Memory::default();
    let (mut vm, _) = Vm::polling(&store);
    vm.page(&page("c1", false, &[1, 2]));
    vm.tick(0).unwrap();
    let mut next = page("c2", true, &[3]);
    next["removed"] = json!([Digest::of(&[1]).to_hex()]);
    vm.page(&next);
    assert_eq!(keys(&store).unwrap(), [2, 3]);
    asks(&vm.tick(0).unwrap(), 25, Some("c2"));
    vm.page(&page("c3", false, &[4]));
    assert_eq!((keys(&store).unwrap(), vm.cursor().as_deref()), (vec![2, 3, 4], Some("c3")));
}

#[test]
fn an_unreadable_lease_does_not_end_the_polling() {
    let store = Memory::default();
    let (mut vm, _) = Vm::polling(&store);
    vm.page(&page("c1", false, &[1, 2]));
    vm.tick(0).unwrap();
    store.set(&namespace().slot(Slot::Lease), b"unreadable", Condition::Always).unwrap();
    // What was asked for under the old lease is given up, and what is asked for under the new one
    // takes effect.
    let call = vm.next_call(50);
    asks(&call, 25, Some("c1"));
    vm.page(&page("c2", false, &[3]));
    assert_eq!((keys(&store).unwrap(), vm.cursor().as_deref()), (vec![1, 2, 3], Some("c2")));
    asks(&vm.next_call(LEAST_GAP), 25, Some("c2"));
    let events = vm.poller.take_events();
    assert!(!events.iter().any(|event| matches!(event, Event::Failed(..))), "{events:?}");
}

#[test]
fn after_a_reset_the_old_table_serves_until_the_new_one_is_whole() {
    let store = Memory::default();
    let (mut vm, _) = Vm::polling(&store);
    vm.page(&page("c1", false, &[1, 2]));
    vm.tick(0).unwrap();
    let mut first = page("n1", true, &[2, 5]);
    first["reset"] = json!(true);
    vm.page(&first);
    assert_eq!((keys(&store).unwrap(), vm.cursor().as_deref()), (vec![1, 2], Some("c1")));
    asks(&vm.tick(0).unwrap(), 0, Some("n1"));
    // The authority restarts in the middle: again it does not know the cursor.
    vm.page(&first);
    vm.next_call(LEAST_GAP);
    vm.page(&page("n2", false, &[6]));
    assert_eq!((keys(&store).unwrap(), vm.cursor().as_deref()), (vec![2, 5, 6], Some("n2")));
    assert!(vm.poller.take_events().contains(&Event::Reset(2)));
}

#[test]
fn a_bad_answer_changes_nothing_and_is_asked_for_again() {
    let store = Memory::default();
    let (mut vm, _) = Vm::polling(&store);
    vm.page(&page("c1", false, &[1]));
    vm.tick(0).unwrap();
    let good = page("c2", false, &[9]).to_string();
    let cut = &good.as_bytes()[..good.len() - 1];
    for (status, encoded, body, failure) in [
        (None, false, &b""[..], Failure::NoAnswer),
        (Some(500), false, good.as_bytes(), Failure::Status(500)),
        (Some(304), false, b"", Failure::Status(304)),
        (Some(200), true, good.as_bytes(), Failure::Encoding),
        (Some(200), false, cut, Failure::Json),
        (Some(200), false, b"{\"cursor\":1,\"more\":false}", Failure::Shape),
        (Some(200), false, b"{\"cursor\":\"c1\",\"more\":true}", Failure::NoProgress),
    ] {
        vm.answer(status, encoded, body);
        assert_eq!((keys(&store).unwrap(), vm.cursor().as_deref()), (vec![1], Some("c1")), "{failure:?}");
        let events = vm.poller.take_events();
        assert!(
            events.iter().any(|event| matches!(event, Event::Failed(it, _) if *it == failure)),
            "{events:?}"
        );
        let sent = vm.ms;
        asks(&vm.next_call(10_000), 0, Some("c1"));
        assert!(vm.ms >= sent + 100);
    }
    vm.page(&page("c2", false, &[9]));
    assert_eq!(keys(&store).unwrap(), [1, 9]);
    assert!(vm.poller.take_events().contains(&Event::Recovered(7)));
    asks(&vm.tick(0).unwrap(), 25, Some("c2"));
}

#[test]
fn a_call_that_is_never_answered_is_given_up() {
    let store = Memory::default();
    let (mut vm, _) = Vm::polling(&store);
    for _ in 0..59 {
        assert_eq!(vm.tick(100), None);
    }
    assert_eq!(vm.tick(100), None);
    assert!(matches!(vm.poller.take_events().last(), Some(Event::Failed(Failure::TimedOut, 1))));
    asks(&vm.next_call(200), 0, None);
}

#[test]
fn an_authority_that_answers_at_once_with_nothing_is_not_asked_without_pause() {
    let store = Memory::default();
    let (mut vm, _) = Vm::polling(&store);
    vm.page(&page("c1", false, &[1]));
    let mut calls = 0;
    for _ in 0..1_000 {
        if vm.tick(1).is_some() {
            calls += 1;
            vm.page(&page("c1", false, &[1]));
        }
    }
    assert!((3..=5).contains(&calls), "{calls}");
}

#[test]
fn an_authority_that_forgets_every_cursor_is_asked_ever_more_rarely() {
    let store = Memory::default();
    let (mut vm, _) = Vm::polling(&store);
    let mut calls = 0;
    for _ in 0..60_000 {
        if vm.poller.holder.as_ref().is_some_and(|holder| holder.call.is_some()) || vm.tick(1).is_some() {
            let mut forgetful = page("c1", false, &[1]);
            forgetful["reset"] = json!(true);
            vm.page(&forgetful);
            calls += 1;
        }
    }
    assert!((8..=16).contains(&calls), "{calls}");
    assert_eq!(keys(&store).unwrap(), [1]);
    vm.next_call(10_000);
    vm.page(&page("c2", false, &[2]));
    vm.tick(0).expect("all is well again");
}

#[test]
fn an_authority_that_answers_at_once_with_new_cursors_and_nothing_else_is_not_asked_without_pause() {
    let store = Memory::default();
    let (mut vm, _) = Vm::polling(&store);
    vm.page(&page("c0", false, &[1]));
    let calls = (1..=1_000).filter(|number| {
        let called = vm.tick(1).is_some();
        if called {
            vm.page(&page(&format!("c{number}"), false, &[]));
        }
        called
    });
    assert!((3..=5).contains(&calls.count()));
}

#[test]
fn an_authority_that_promises_more_and_more_and_sends_nothing_is_not_asked_without_pause() {
    let store = Memory::default();
    let (mut vm, _) = Vm::polling(&store);
    vm.page(&page("c0", true, &[1]));
    let calls = (1..=1_000).filter(|number| {
        let called = vm.tick(1).is_some();
        if called {
            vm.page(&page(&format!("c{number}"), true, &[]));
        }
        called
    });
    assert!((3..=5).contains(&calls.count()));
}

#[test]
fn a_successor_goes_on_where_the_poller_ended() {
    let store = Memory::default();
    let (mut first, _) = Vm::polling(&store);
    let mut second = Vm::new(&store, 2);
    first.page(&page("c1", false, &[1]));
    assert!(first.tick(0).is_some() && second.tick(0).is_none());
    second.ms = first.ms + TERM;
    let call = second.next_call(10);
    asks(&call, 25, Some("c1"));
    second.page(&page("c2", false, &[2]));
    // The first poller wakes up with an answer to a call of long ago.
    first.ms = second.ms;
    first.page(&page("x", false, &[7]));
    assert_eq!((keys(&store).unwrap(), second.cursor().as_deref()), (vec![1, 2], Some("c2")));
    assert!(!first.poller.is_holder() && first.poller.take_events().contains(&Event::LostLease));
}

#[test]
fn a_poller_that_serves_requests_leaves_the_lease_to_one_that_does_not() {
    let store = Memory::default();
    let (mut worker, _) = Vm::polling(&store);
    worker.served = true;
    worker.page(&page("c1", false, &[1]));
    assert!(worker.poller.is_holder(), "there is nobody else yet");
    let mut main = Vm::new(&store, 2);
    main.ms = worker.ms;
    assert_eq!(main.tick(1), None);
    worker.tick(1).unwrap();
    worker.page(&page("c2", false, &[2]));
    assert!(!worker.poller.is_holder());
    asks(&main.next_call(10), 25, Some("c2"));
}

#[test]
fn a_table_in_the_making_is_left_to_a_vm_that_serves_no_requests() {
    let store = Memory::default();
    let (mut worker, _) = Vm::polling(&store);
    let mut main = Vm::new(&store, 2);
    assert_eq!(main.tick(1), None);
    worker.served = true;
    worker.page(&page("c1", true, &[1, 2]));
    assert!(!worker.poller.is_holder());
    asks(&main.next_call(10), 0, Some("c1"));
    main.page(&page("c2", false, &[3]));
    assert_eq!(keys(&store).unwrap(), [1, 2, 3]);
}

#[test]
fn a_first_load_outlives_pollers_that_die_or_oversleep() {
    let store = Memory::default();
    let (mut vm, _) = Vm::polling(&store);
    for (number, cursor) in ["c1", "c2", "c3", "c4"].into_iter().enumerate() {
        let number = u8::try_from(number).unwrap();
        vm.page(&page(cursor, true, &[number]));
        let call = if number.is_multiple_of(2) {
            vm.tick(2 * TERM).expect("a call")
        } else {
            vm = Vm { ms: vm.ms + 2 * TERM, ..Vm::new(&store, u64::from(number) + 2) };
            vm.next_call(10)
        };
        asks(&call, 0, Some(cursor));
    }
    vm.page(&page("c5", false, &[4]));
    assert_eq!(keys(&store).unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(Meta::load(&store, namespace()).unwrap().0.unwrap().keys, 5);
}

#[test]
fn a_load_that_ended_in_the_middle_of_a_page_continues_and_counts_its_keys() {
    let numbers: Vec<u8> = (0..10).collect();
    for writes in 0..20 {
        let store = Memory::default();
        let (mut vm, _) = Vm::polling(&store);
        vm.page(&page("c1", true, &[1, 2]));
        vm.tick(0).unwrap();
        store.die_after(writes);
        vm.page(&page("c2", true, &numbers));
        store.live();
        let mut next = Vm { ms: vm.ms + TERM, ..Vm::new(&store, 2) };
        let call = next.next_call(10);
        let finished = call.path.ends_with("cursor=c2");
        asks(&call, 0, Some(if finished { "c2" } else { "c1" }));
        if !finished {
            next.page(&page("c2", true, &numbers));
            next.tick(0).unwrap();
        }
        next.page(&page("c3", false, &[3]));
        assert_eq!(keys(&store).unwrap(), numbers, "after {writes} writes");
        assert_eq!(Meta::load(&store, namespace()).unwrap().0.unwrap().keys, 10, "after {writes} writes");
    }
}

#[test]
fn a_note_of_a_load_that_comes_too_late_is_not_written() {
    let store = Memory::default();
    let (mut worker, _) = Vm::polling(&store);
    let mut main = Vm::new(&store, 2);
    worker.page(&page("c1", true, &[1, 2]));
    let holder = worker.poller.holder.as_ref().unwrap();
    main.ms = worker.ms + TERM;
    asks(&main.next_call(10), 0, Some("c1"));
    assert_eq!(holder.hand_over(&store, namespace()), Err(Fault::Lost));
    main.page(&page("c2", true, &[3]));
    assert_eq!(holder.hand_over(&store, namespace()), Err(Fault::Lost));
    let mut third = Vm::new(&store, 3);
    third.ms = main.ms + TERM;
    asks(&third.next_call(10), 0, Some("c2"));
    third.page(&page("c3", false, &[4]));
    assert_eq!(keys(&store).unwrap(), [1, 2, 3, 4]);
}

#[test]
fn what_a_dead_vm_had_begun_is_taken_out_before_the_next_call() {
    let store = Memory::default();
    let (mut vm, _) = Vm::polling(&store);
    vm.page(&page("c1", false, &[1, 2]));
    vm.tick(0).unwrap();
    assert_eq!(parts(&store), 1);
    let mut first = page("n1", true, &[3]);
    first["reset"] = json!(true);
    // The lease, its sign, and what begins a table: it is too early for a note of how far that has
    // come.
    store.die_after(4);
    vm.page(&first);
    store.live();
    assert_eq!(parts(&store), 2);
    let mut next = Vm::new(&store, 2);
    next.ms = vm.ms + TERM;
    asks(&next.next_call(10), 25, Some("c1"));
    assert_eq!((parts(&store), keys(&store)), (1, Some(vec![1, 2])));
    next.page(&first);
    next.tick(0).unwrap();
    next.page(&page("n2", false, &[4]));
    assert_eq!((parts(&store), keys(&store)), (2, Some(vec![3, 4])), "the old table is still there");
    next.tick(0).unwrap();
    assert_eq!((parts(&store), keys(&store)), (1, Some(vec![3, 4])));
}

#[test]
fn shared_data_that_fails_in_the_middle_of_a_page_loses_nothing() {
    for writes in 0..60 {
        let store = Memory::default();
        let (mut vm, _) = Vm::polling(&store);
        vm.page(&page("c1", false, &[1]));
        vm.tick(0).unwrap();
        store.die_after(writes);
        let numbers: Vec<u8> = (0..10).collect();
        vm.page(&page("c2", false, &numbers));
        store.live();
        let failed = vm.cursor().as_deref() != Some("c2");
        if failed {
            let call = (0..400).find_map(|_| vm.tick(25)).expect("it tries again");
            asks(
                &call,
                if vm.poller.holder.as_ref().unwrap().backoff.failures() > 0 { 0 } else { 25 },
                Some("c1"),
            );
            vm.page(&page("c2", false, &numbers));
        }
        assert_eq!(keys(&store).unwrap(), numbers, "after {writes} writes");
        assert_eq!(Meta::load(&store, namespace()).unwrap().0.unwrap().keys, 10, "after {writes} writes");
        if !failed {
            return;
        }
    }
    panic!("a page takes more writes than were tried");
}

#[test]
fn a_table_that_makes_no_sense_is_replaced_by_a_whole_new_one() {
    let store = Memory::default();
    let (mut vm, _) = Vm::polling(&store);
    vm.page(&page("c1", false, &[1]));
    store.set(&namespace().shard(0), b"nonsense", Condition::Always).unwrap();
    let mut next = Vm::new(&store, 2);
    next.ms = vm.ms + 2 * TERM;
    asks(&next.next_call(10), 0, None);
    next.page(&page("c2", false, &[1, 2]));
    assert_eq!(keys(&store).unwrap(), [1, 2]);
}

#[test]
fn a_table_that_stops_making_sense_is_replaced_as_well() {
    let store = Memory::default();
    let (mut vm, _) = Vm::polling(&store);
    vm.page(&page("c1", false, &[1]));
    vm.tick(0).unwrap();
    store.set(&namespace().shard(0), b"nonsense", Condition::Always).unwrap();
    vm.page(&page("c2", false, &[2]));
    asks(&vm.next_call(200), 0, None);
    vm.page(&page("d1", true, &[1]));
    vm.tick(0).unwrap();
    vm.page(&page("d2", false, &[2]));
    assert_eq!(keys(&store).unwrap(), [1, 2]);
}

#[test]
fn a_table_whose_seed_became_known_gets_another() {
    let store = Memory::default();
    let (mut vm, _) = Vm::polling(&store);
    vm.page(&page("c0", false, &[1]));
    vm.tick(0).unwrap();
    let meta = || Meta::load(&store, namespace()).unwrap().0.unwrap();
    let before = meta();
    let chosen = (0..).map(|number: u32| Digest::of(&number.to_le_bytes()));
    let mut chosen = chosen.filter(|digest| before.seed.place(digest).is_multiple_of(64));
    let mut page_of = |cursor: &str| {
        let mut page = page(cursor, false, &[]);
        page["keys"] = chosen.by_ref().take(200).map(|digest| {
            json!({"sha256": digest.to_hex(), "id": "chosen", "environment": "live", "permissions": []})
        }).collect();
        page
    };
    let anew = (1..10).find_map(|number| {
        vm.page(&page_of(&format!("c{number}")));
        Some(vm.next_call(200)).filter(|call| !call.path.contains("cursor"))
    });
    asks(&anew.expect("the table is asked for again"), 0, None);
    assert!((600..1_000).contains(&meta().keys), "meanwhile the old table serves");
    vm.page(&page("d1", false, &[1, 2]));
    assert_eq!(keys(&store).unwrap(), [1, 2]);
    assert_ne!(meta().seed, before.seed);
}

#[test]
fn after_a_machine_was_suspended_the_authority_is_asked_at_once() {
    let store = Memory::default();
    let (mut vm, _) = Vm::polling(&store);
    vm.page(&page("c1", false, &[1]));
    asks(&vm.tick(0).unwrap(), 25, Some("c1"));
    let mut unix = 1_790_000_000;
    vm.poller.look_at_clocks(vm.ms, unix);
    // As time goes by, corrected by a few seconds, and set back.
    for seconds in [1, 5, -3_600, 0] {
        unix += seconds;
        vm.poller.look_at_clocks(vm.ms + 25, unix);
        assert_eq!(vm.tick(25), None, "{seconds}");
    }
    vm.poller.look_at_clocks(vm.ms, unix + 28_800);
    asks(&vm.next_call(LEAST_GAP), 0, Some("c1"));
    vm.page(&page("c2", false, &[2]));
    asks(&vm.tick(0).unwrap(), 25, Some("c2"));
    assert_eq!(keys(&store).unwrap(), [1, 2]);
}
