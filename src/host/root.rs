//! A plugin configuration in one VM: reads the configuration, ticks, and takes the answers to calls.

use std::cell::{OnceCell, RefCell};
use std::rc::{Rc, Weak};

use flint_abi::Level;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use super::clock;
use super::gateway::Gateway;
use super::http::{self, Http};
use super::vm::{Vm, vm};
use crate::config::Config;

/// The tick while a table is awaited, and of the VM that polls: what a request that waits, or a call that is due,
/// waits at most.
const FAST: u32 = 25;
/// The tick of all others: how old a worker's idea of the time and of the table's age may be.
const SLOW: u32 = 200;

/// The root context.
#[derive(Default)]
pub(super) struct Root {
    state: Option<Rc<State>>,
    period: u32,
}

/// What the requests of a configuration share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) config: Config,
    pub(super) vm: Rc<Vm>,
    /// Set when first needed: it depends on the environment, and reading the configuration must not.
    gateway: OnceCell<Rc<RefCell<Gateway>>>,
    pub(super) waiting: RefCell<Vec<Waiting>>,
    #[cfg(feature = "faults")]
    pub(super) faults: super::faults::Faults,
}

/// A request that waits for the first table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) context: u32,
    /// When it has waited long enough, by the monotonic clock in milliseconds.
    pub(super) until: u64,
}

impl State {
    /// The gateway; `None` without an authority.
    pub(super) fn gateway(&self) -> Option<&RefCell<Gateway>> {
        let authority = self.config.authority.as_ref()?;
        Some(self.gateway.get_or_init(|| self.vm.gateway(authority)))
    }

    /// Whether requests can be decided.
    fn is_ready(&self) -> bool {
        self.gateway().is_none_or(|gateway| http::is_usable(&self.config, &mut gateway.borrow_mut()))
    }
}

impl Root {
    /// Sets the tick's period, if it is another one.
    fn tick_every(&mut self, milliseconds: u32) {
        if self.period != milliseconds {
            self.period = milliseconds;
            // Where the host refuses, the old period stays.
            let _ = flint_abi::set_tick_period(milliseconds);
        }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, call: u32, headers: usize, body: usize, _trailers: usize) {
        let Some(state) = &self.state else { return };
        let caller = Rc::downgrade(state);
        for gateway in state.vm.gateways() {
            if gateway.borrow_mut().take_answer(&state.vm, &caller, call, headers, body) {
                break;
            }
        }
        http::resume_waiting(state);
    }
}

impl RootContext for Root {
    /// A pure function of the configuration's bytes: where it fails on one worker only, Envoy runs that worker
    /// without the filter.
    fn on_configure(&mut self, size: usize) -> bool {
        let Ok(bytes) = flint_abi::plugin_configuration(size) else { return false };
        #[cfg(feature = "faults")]
        let (bytes, faults) = super::faults::Faults::take(bytes);
        match Config::parse(&bytes) {
            Ok(config) => {
                self.state = Some(Rc::new(State {
                    config,
                    vm: vm(),
                    gateway: OnceCell::new(),
                    waiting: RefCell::default(),
                    #[cfg(feature = "faults")]
                    faults,
                }));
            }
            Err(errors) => {
                flint_abi::log(Level::Error, &format!("flint: the configuration is refused: {errors}"));
                return false;
            }
        }
        self.tick_every(FAST);
        #[cfg(feature = "faults")]
        if self.state.as_ref().is_some_and(|state| state.faults.fails_to_configure(&bytes)) {
            return false;
        }
        true
    }

    fn on_tick(&mut self) {
        let Some(state) = self.state.clone() else { return };
        let own = state.gateway().map(|gateway| gateway.borrow().namespace());
        let caller: Weak<State> = Rc::downgrade(&state);
        for gateway in state.vm.gateways() {
            let mut gateway = gateway.borrow_mut();
            let mine = own == Some(gateway.namespace());
            gateway.tick(&state.vm, mine.then_some(&caller));
        }
        http::resume_waiting(&state);
        let ready = state.is_ready();
        state.vm.beat(clock::monotonic_ms(), ready);
        let polls = state.gateway().is_some_and(|gateway| gateway.borrow().is_poller());
        self.tick_every(if polls || !ready { FAST } else { SLOW });
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Http::new(context, self.state.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
