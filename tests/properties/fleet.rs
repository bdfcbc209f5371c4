//! A process of several VMs that share one table, an authority that changes, and everything that
//! can go wrong between them: answers that are lost or bad, VMs that die or stall in the middle of
//! a write, leases that run out, databases that are restored.
//!
//! 1. The cursor of a call is never ahead of what any VM sees, whatever VM makes the call and
//!    however old the other VMs' view is (contract §6).
//! 2. What has been acknowledged is never undone: a revoked key does not come back.
//! 3. When all is well again, every VM sees what the authority has, and one of them polls.
//! 4. Of tables that were replaced, or begun and abandoned, nothing is left then.

mod authority;
mod memory;
mod process;

use proptest::prelude::*;

use authority::KEYS;
use process::{Process, VMS};

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    /// All goes well for so many ticks; pages have at most that many changes.
    Run(usize, usize),
    /// So many milliseconds pass, and one VM ticks.
    Tick(usize, u64),
    /// The call that is out is answered with at most that many changes.
    Page(usize),
    /// The call that is out fails in this way.
    Fail(u8),
    /// Keys are made or changed, from this one on, so many.
    Put(u32, u32),
    /// Keys are removed, from this one on, so many.
    Remove(u32, u32),
    /// Entries go bad, from this one on, so many.
    Spoil(u32, u32),
    /// The database is restored from a backup that has half of the keys.
    Restore,
    /// The VM that gets a page dies after that many writes, and a new one takes its place.
    Die(usize),
    /// The VM that gets a page stalls after that many reads and writes, for so many ticks of the
    /// others, while keys are changed from this one on; then it continues as if nothing had
    /// happened.
    Stall(usize, usize, u32),
    /// A VM gets its first request.
    Serve(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (vm, key, many) = (0..VMS, 0..KEYS, 1..80_u32);
    prop_oneof![
        4 => (1..10_usize, 1..60_usize).prop_map(|(ticks, limit)| Step::Run(ticks, limit)),
        1 => (80..200_usize, 1..60_usize).prop_map(|(ticks, limit)| Step::Run(ticks, limit)),
        3 => (vm.clone(), 1..60_u64).prop_map(|(vm, time)| Step::Tick(vm, time)),
        1 => (vm.clone(), 500..4_000_u64).prop_map(|(vm, time)| Step::Tick(vm, time)),
        3 => (1..60_usize).prop_map(Step::Page),
        1 => any::<u8>().prop_map(Step::Fail),
        4 => (key.clone(), many.clone()).prop_map(|(key, many)| Step::Put(key, many)),
        2 => (key.clone(), many.clone()).prop_map(|(key, many)| Step::Remove(key, many)),
        1 => (key.clone(), many).prop_map(|(key, many)| Step::Spoil(key, many)),
        1 => Just(Step::Restore),
        2 => (0..20_usize).prop_map(Step::Die),
        2 => (0..30_usize, 1..200_usize, key).prop_map(|(calls, ticks, key)| Step::Stall(calls, ticks, key)),
        1 => vm.prop_map(Step::Serve),
    ]
}

fn take(process: &Process, step: &Step) {
    match *step {
        Step::Run(ticks, limit) => process.run(0..VMS, ticks, limit),
        Step::Tick(vm, time) => process.tick_after(vm, time),
        Step::Page(limit) => process.answer_any(limit),
        Step::Fail(kind) => process.fail(kind),
        Step::Put(first, many) => process.authority.borrow_mut().put(first, many),
        Step::Remove(first, many) => process.authority.borrow_mut().remove(first, many),
        Step::Spoil(first, many) => process.authority.borrow_mut().spoil(first, many),
        Step::Restore => process.authority.borrow_mut().restore(),
        Step::Die(writes) => process.die(writes),
        Step::Stall(calls, ticks, key) => process.stall(calls, ticks, key),
        Step::Serve(vm) => process.serve(vm),
    }
}

/// Takes the steps, and asserts what must hold at each and at the end.
fn check(steps: &[Step]) {
    let process = Process::new();
    for step in steps {
        take(&process, step);
        process.look_at_all();
    }
    process.settle();
    let authority = process.authority.borrow();
    for key in 0..KEYS {
        for vm in 0..VMS {
            assert_eq!(process.mark(vm, key), authority.now(key), "VM {vm}, key {key}");
        }
    }
    let held = (0..KEYS).filter(|key| authority.now(*key).is_some()).count();
    assert_eq!(process.keys(), held as u64, "the table knows how many keys it has");
    assert_eq!(process.pollers(), 1);
    // What a VM writes that wakes up after all others have gone on stays until the next table:
    // nobody looks for it.
    if !steps.iter().any(|step| matches!(step, Step::Stall(..))) {
        assert_eq!(process.littered(), 0, "shards hold what nobody can find");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_acknowledgement_is_early_or_undone(steps in prop::collection::vec(step(), 1..60)) {
        check(&steps);
    }
}

/// The lease runs out while the first VM writes the first table, and another begins one in the same
/// place.
#[test]
fn a_vm_that_overslept_puts_no_table_in_place() {
    for calls in 0..20 {
        for ticks in 39..44 {
            check(&[Step::Tick(0, 1), Step::Stall(calls, ticks, 0), Step::Tick(0, 1975)]);
        }
    }
}

/// All threads of the process are stopped again and again for longer than a lease lasts: by a
/// debugger, a full cgroup, a machine that is moved.
#[test]
fn a_first_load_ends_however_often_the_process_is_stopped() {
    let process = Process::new();
    process.authority.borrow_mut().put(0, KEYS);
    for _ in 0..KEYS {
        process.run(0..VMS, 2, 3);
        process.tick_after(0, 2_500);
    }
    process.settle();
    let authority = process.authority.borrow();
    assert!((0..KEYS).all(|key| process.mark(1, key) == authority.now(key)));
    assert_eq!((process.keys(), authority.runs()), (u64::from(KEYS), 1));
}
