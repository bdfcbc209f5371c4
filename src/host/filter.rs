//! Which context is what: from the host's numbers to configurations.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use flint_abi::Action;

use super::http;
use super::root::Root;
use super::vm::Vm;

/// All contexts of a VM.
pub(super) struct Filter {
    vm: Rc<Vm>,
    /// Few: a list is quicker to search than a map.
    roots: RefCell<Vec<(u32, Rc<Root>)>>,
    /// The request that was created last: as a rule its headers come next.
    created: Cell<Option<(u32, Rc<Root>)>>,
    /// The others that were created and whose headers have not come, for the filters before this one in the chain.
    delayed: RefCell<HashMap<u32, Rc<Root>>>,
}

impl Filter {
    pub(super) fn new() -> Self {
        Self {
            vm: Rc::new(Vm::new()),
            roots: RefCell::default(),
            created: Cell::new(None),
            delayed: RefCell::default(),
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

    /// Takes the configuration that a request was created under.
    fn take_created(&self, context: u32) -> Option<Rc<Root>> {
        match self.created.take() {
            Some((created, root)) if created == context => Some(root),
            other => {
                self.created.set(other);
                self.delayed.borrow_mut().remove(&context)
            }
        }
    }
}

impl flint_abi::Filter for Filter {
    fn on_create(&self, context: u32, root: u32) {
        // A root that has no good configuration yet has no requests either.
        let Some(root) = self.root(root) else { return };
        if let Some((created, root)) = self.created.replace(Some((context, root))) {
            self.delayed.borrow_mut().insert(created, root);
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
        if let Some(root) = self.root(root) {
            root.tick();
        }
    }

    fn on_request_headers(&self, context: u32) -> Action {
        match self.take_created(context) {
            Some(root) => http::on_request(&root, context),
            None => http::refuse_without_configuration(),
        }
    }

    fn on_answer(&self, root: u32, call: u32, headers: usize, body: usize) {
        if let Some(root) = self.root(root) {
            root.take_answer(call, headers, body);
        }
    }

    fn on_delete(&self, context: u32) {
        if let Some((created, root)) = self.created.take()
            && created != context
        {
            self.created.set(Some((created, root)));
        }
        if !self.delayed.borrow().is_empty() {
            self.delayed.borrow_mut().remove(&context);
        }
        if self.vm.waiting.get() > 0 {
            self.roots.borrow().iter().for_each(|(_, root)| root.forget_waiting(context));
        }
        if self.take_root(context).is_some() {
            self.vm.gateways().iter().for_each(|gateway| gateway.borrow_mut().root_ended(&self.vm, context));
        }
    }
}
