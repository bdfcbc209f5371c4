//! The VMs of one process, and what happens to them.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;

use flint_auth::feed::page::MAX_ENTRIES;
use flint_auth::feed::poller::{Answer, Call, Failure, Now, Poller, Settings};
use flint_auth::table::shard::Shard;
use flint_auth::table::store::{Namespace, Store as _};
use flint_auth::table::{Meta, View};

use super::authority::{self, Authority, KEYS, Mark, Position};
use super::memory::{Memory, Quiet};

/// How many VMs there are.
pub(crate) const VMS: usize = 3;

/// A process. All is behind cells: while one VM stalls in the middle of a write, the others
/// continue.
pub(crate) struct Process(Rc<State>);

pub(crate) struct State {
    store: Memory,
    pub(crate) authority: RefCell<Authority>,
    vms: Vec<Vm>,
    now: Cell<u64>,
    /// The last random number.
    random: Cell<u64>,
    acknowledged: Cell<Option<Position>>,
}

struct Vm {
    poller: RefCell<Poller>,
    view: RefCell<View>,
    served: Cell<bool>,
    call: RefCell<Option<Call>>,
}

impl std::ops::Deref for Process {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

fn namespace() -> Namespace {
    Namespace::of("cluster", "host", "token")
}

fn poller(me: u64) -> Poller {
    Poller::new(namespace(), Settings { wait_seconds: 25, timeout_seconds: 5 }, me)
}

// === impl Process ===

impl Process {
    pub(crate) fn new() -> Self {
        let vm = |number| Vm {
            poller: RefCell::new(poller(number)),
            view: RefCell::new(View::new(namespace())),
            served: Cell::new(false),
            call: RefCell::default(),
        };
        Self(Rc::new(State {
            store: Memory::default(),
            authority: RefCell::default(),
            vms: (1..=VMS as u64).map(vm).collect(),
            now: Cell::new(1_000),
            random: Cell::new(VMS as u64),
            acknowledged: Cell::new(None),
        }))
    }

    /// The VM that gets a page dies after that many writes: what it writes then does not arrive,
    /// and what it knew is gone.
    pub(crate) fn die(&self, writes: usize) {
        let Some(vm) = self.caller() else { return };
        self.store.die_after(writes);
        self.answer(vm, 60);
        self.store.live();
        let me = self.random();
        let Vm { poller: dead, view, served, call } = &self.vms[vm];
        dead.replace(poller(me));
        view.replace(View::new(namespace()));
        served.set(false);
        call.take();
    }

    /// The VM that gets a page stalls after that many reads and writes, and goes on when others
    /// have done its work.
    pub(crate) fn stall(&self, calls: usize, ticks: usize, key: u32) {
        let Some(vm) = self.caller() else { return };
        self.authority.borrow_mut().put(key, 30);
        let state = Rc::clone(&self.0);
        self.store.interrupt_after(calls, move || {
            state.authority.borrow_mut().remove(key, 60);
            state.run(0..vm, ticks, 40);
            state.run(vm + 1..VMS, ticks, 40);
        });
        self.answer(vm, 60);
        self.store.interrupt_no_more();
    }

    /// Lets everything go well until a call is held because there is nothing new; 25 seconds at the
    /// most.
    pub(crate) fn settle(&self) {
        // A VM that lost its lease may still have a call; whatever answers it is not wanted.
        let outstanding = || self.caller().and_then(|vm| self.vms[vm].call.borrow().clone());
        for _ in 0..1_000 {
            let before = outstanding();
            self.run(0..VMS, 1, 1_000);
            if before.is_some() && before == outstanding() {
                break;
            }
        }
        self.vms.iter().for_each(|vm| vm.view.borrow_mut().refresh(&self.store).unwrap());
    }
}

// === impl State ===

impl State {
    fn random(&self) -> u64 {
        self.random.set(self.random.get() + 1);
        self.random.get().wrapping_mul(0x9E37_79B9_7F4A_7C15).max(1)
    }

    fn now(&self, vm: usize) -> Now {
        Now { ms: self.now.get(), served: self.vms[vm].served.get(), random: self.random().into() }
    }

    /// The VM whose call is out.
    fn caller(&self) -> Option<usize> {
        let calls = |vm: &Vm| vm.poller.borrow().is_holder() && vm.call.borrow().is_some();
        self.vms.iter().position(calls)
    }

    pub(crate) fn serve(&self, vm: usize) {
        self.vms[vm].served.set(true);
    }

    pub(crate) fn run(&self, vms: Range<usize>, ticks: usize, limit: usize) {
        for _ in 0..ticks {
            self.now.set(self.now.get() + 25);
            for vm in vms.clone() {
                self.tick_after(vm, 0);
                self.answer(vm, limit);
            }
        }
    }

    pub(crate) fn tick_after(&self, vm: usize, time: u64) {
        self.now.set(self.now.get() + time);
        self.vms[vm].view.borrow_mut().refresh(&self.store).unwrap();
        self.poll(vm);
    }

    fn poll(&self, vm: usize) {
        let now = self.now(vm);
        let Some(call) = self.vms[vm].poller.borrow_mut().poll(&self.store, now) else { return };
        // What the cursor says must be true of every VM, without another look at anything.
        if let Some(position) = authority::position(&call.path).filter(|position| position.counts()) {
            // A VM that lost its lease without noticing may say again what was said long ago.
            self.acknowledged.set(self.acknowledged.get().max(Some(position)));
            self.look_at_all();
        }
        self.vms[vm].call.replace(Some(call));
    }

    pub(crate) fn answer_any(&self, limit: usize) {
        if let Some(vm) = self.caller() {
            self.answer(vm, limit);
        }
    }

    fn answer(&self, vm: usize, limit: usize) {
        let Some(call) = self.vms[vm].call.take() else { return };
        let page = self.authority.borrow_mut().page(&call.path, limit);
        match page {
            Some(page) => self.deliver(vm, Some(200), page.as_bytes()),
            // There is nothing new: the authority continues holding the call.
            None => *self.vms[vm].call.borrow_mut() = Some(call),
        }
    }

    pub(crate) fn fail(&self, kind: u8) {
        let Some(vm) = self.caller() else { return };
        let Some(call) = self.vms[vm].call.take() else { return };
        let page = self.authority.borrow_mut().page(&call.path, 60).unwrap_or_default();
        match kind % 6 {
            0 => self.deliver(vm, Some(500), b""),
            1 => self.deliver(vm, None, b""),
            2 => self.deliver(vm, Some(200), page.as_bytes().get(..page.len() / 2).unwrap_or_default()),
            3 => self.deliver(vm, Some(200), br#"{"cursor":7,"more":false}"#),
            4 => {
                let many = "1,".repeat(MAX_ENTRIES);
                let page = format!(r#"{{"cursor":"0.9.0","more":false,"keys":[{many}1]}}"#);
                self.deliver(vm, Some(200), page.as_bytes());
            }
            _ => {
                let now = self.now(vm);
                self.vms[vm].poller.borrow_mut().handle_failure(Failure::NotSent, now);
            }
        }
    }

    fn deliver(&self, vm: usize, status: Option<u16>, body: &[u8]) {
        let answer = Answer { status, encoded: false, body };
        let now = self.now(vm);
        self.vms[vm].poller.borrow_mut().handle_answer(&self.store, answer, now);
        self.tick_after(vm, 0);
    }

    /// Every key, as a request of any VM would find it, is as it was at the acknowledged position
    /// or later.
    pub(crate) fn look_at_all(&self) {
        let Some(acknowledged) = self.acknowledged.get() else { return };
        // A VM without a table has no requests to answer, and one that stalls answers none.
        let answers = |vm: &Vm| vm.view.try_borrow_mut().is_ok_and(|view| view.meta().is_some());
        let vms: Vec<usize> = (0..VMS).filter(|vm| answers(&self.vms[*vm])).collect();
        for key in 0..KEYS {
            let since = self.authority.borrow().marks_since(acknowledged, key);
            for vm in &vms {
                let found = self.mark(*vm, key);
                assert!(
                    since.contains(&found),
                    "VM {vm} has {found:?} of key {key}; {acknowledged:?}: {since:?}"
                );
            }
        }
    }

    /// What a VM has of a key.
    pub(crate) fn mark(&self, vm: usize, key: u32) -> Option<Mark> {
        let mut view = self.vms[vm].view.borrow_mut();
        let found = view.lookup(&Quiet(&self.store), &authority::digest(key)).unwrap()?;
        let id = found.record().unwrap().id;
        Some(id.strip_prefix("m").unwrap().parse().unwrap())
    }

    /// How many keys the table says that it has.
    pub(crate) fn keys(&self) -> u64 {
        self.vms[0].view.borrow().meta().map_or(0, |meta| meta.keys)
    }

    /// How many shards hold something of another run than the one that serves.
    pub(crate) fn littered(&self) -> usize {
        let store = Quiet(&self.store);
        let run = Meta::load(&store, namespace()).unwrap().0.unwrap_or_default().run;
        let shards = (0..).map_while(|index| store.get(&namespace().shard(index)).unwrap());
        shards.filter(|(value, _)| Shard::read(value).unwrap().holds_more_than(run)).count()
    }

    /// How many VMs poll.
    pub(crate) fn pollers(&self) -> usize {
        self.vms.iter().filter(|vm| vm.poller.borrow().is_holder()).count()
    }
}
