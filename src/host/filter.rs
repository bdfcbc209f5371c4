//! Contexts: what Envoy creates and deletes, as the SDK hands it on.
//!
//! A *root* context is one plugin configuration in one VM; its children are requests. The SDK drops
//! a context when Envoy deletes it, so `Drop` is where the end of a request or of a configuration
//! is noticed.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

use super::request;
use super::root::Root;
use super::vm::Vm;

thread_local! {
    static VM: Rc<Vm> = Rc::new(Vm::new());
}

/// A plugin configuration.
struct Plugin {
    vm: Rc<Vm>,
    context: u32,
    /// The last good configuration.
    root: Option<Rc<Root>>,
}

/// A request.
struct Exchange {
    context: u32,
    /// The configuration that it was created under.
    root: Option<Rc<Root>>,
    /// Whether it was paused, and so may be waiting.
    is_paused: bool,
}

/// Makes the root context of this number.
pub(super) fn new_root(context: u32) -> Box<dyn RootContext> {
    Box::new(Plugin { vm: VM.with(Rc::clone), context, root: None })
}

// === impl Plugin ===

impl Context for Plugin {
    fn on_http_call_response(&mut self, call: u32, headers: usize, body: usize, _trailers: usize) {
        if let Some(root) = &self.root {
            root.take_answer(call, headers, body);
        }
    }
}

impl RootContext for Plugin {
    fn on_configure(&mut self, size: usize) -> bool {
        let configured = Root::configure(&self.vm, self.context, size);
        let is_good = configured.is_some();
        if let Some(root) = configured {
            self.root = Some(Rc::new(root));
        }
        is_good
    }

    fn on_tick(&mut self) {
        if let Some(root) = &self.root {
            root.tick();
        }
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Exchange { context, root: self.root.clone(), is_paused: false }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Drop for Plugin {
    /// Its calls end with it, so that what they asked for is asked for again.
    fn drop(&mut self) {
        self.vm.root_ended(self.context);
    }
}

// === impl Exchange ===

impl Context for Exchange {}

impl HttpContext for Exchange {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let action = match &self.root {
            Some(root) => request::on_request(root, self.context),
            None => request::refuse_without_configuration(),
        };
        self.is_paused = action == Action::Pause;
        action
    }
}

impl Drop for Exchange {
    /// To answer or to continue a request that has ended would reach filters that are gone.
    fn drop(&mut self) {
        if self.is_paused
            && let Some(root) = &self.root
        {
            root.forget(self.context);
        }
    }
}
