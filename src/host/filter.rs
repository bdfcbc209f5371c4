//! Which context is what: from the host's numbers to configurations.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use flint_abi::Action;

use super::request;
use super::root::Root;
use super::vm::Vm;
use crate::pending::Pending;

/// All contexts of a VM.
pub(super) struct Filter {
    vm: Rc<Vm>,
    /// Few: a list is quicker to search than a map.
    roots: RefCell<Vec<(u32, Rc<Root>)>>,
    /// The request that was created last: as a rule its headers come next.
    created: Cell<Option<(u32, Rc<Root>)>>,
    pending: RefCell<Pending<Rc<Root>>>,
}

impl Filter {
    pub(super) fn new() -> Self {
        Self {
            vm: Rc::new(Vm::new()),
            roots: RefCell::default(),
            created: Cell::new(None),
            pending: RefCell::default(),
        }
    }

    fn root(&self, context: u32) -> Option<Rc<Root>> {
        let roots = self.roots.borrow();
        roots.iter().find(|(root, _)| *root == context).map(|(_, root)| Rc::clone(root))
    }

    /// Takes a root that has ended, or is configured anew, out of the list.
    fn take_root(&self, context: u32) -> Option<Rc<Root>> {
        let mut roots = self.roots.borrow_mut();
        let place = roots.iter().position(|(root, _)| *root == context)?;
        Some(roots.swap_remove(place).1)
    }

    /// Lets go of the roots that have ended, so that what they called for is called for again.
    fn let_go(&self, ticking: u32) {
        let all: Vec<u32> = self.roots.borrow().iter().map(|(root, _)| *root).collect();
        if all.len() < 2 {
            return;
        }
        let ended = all.into_iter().filter(|root| !flint_abi::exists(*root)).collect::<Vec<_>>();
        // It ticks, so it exists; the calls that follow have to be its own again.
        let _ = flint_abi::set_effective_context(ticking);
        for root in ended {
            self.take_root(root);
            self.vm.gateways().iter().for_each(|gateway| gateway.borrow_mut().root_ended(&self.vm, root));
            self.vm.issuers().iter().for_each(|issuer| issuer.borrow_mut().root_ended(root));
        }
    }

    /// Takes the configuration that a request was created under.
    fn take_created(&self, context: u32) -> Option<Rc<Root>> {
        match self.created.take() {
            Some((created, root)) if created == context => Some(root),
            other => {
                self.created.set(other);
                self.pending.borrow_mut().take(context)
            }
        }
    }
}

impl flint_abi::Filter for Filter {
    fn on_create(&self, context: u32, root: u32) {
        // A root that has no good configuration yet has no requests either.
        let Some(root) = self.root(root) else { return };
        if let Some((created, root)) = self.created.replace(Some((context, root))) {
            self.pending.borrow_mut().put(created, root, flint_abi::exists);
        }
    }

    fn on_configure(&self, root: u32, size: usize) -> bool {
        match Root::configure(&self.vm, root, size) {
            Some(configured) => {
                self.take_root(root);
                self.roots.borrow_mut().push((root, Rc::new(configured)));
                true
            }
            None => false,
        }
    }

    fn on_tick(&self, root: u32) {
        self.let_go(root);
        if let Some(root) = self.root(root) {
            root.tick();
        }
    }

    fn on_request_headers(&self, context: u32) -> Action {
        match self.take_created(context) {
            Some(root) => request::on_request(&root, context),
            None => request::refuse_without_configuration(),
        }
    }

    fn on_answer(&self, root: u32, call: u32, headers: usize, body: usize) {
        if let Some(root) = self.root(root) {
            root.take_answer(call, headers, body);
        }
    }
}
