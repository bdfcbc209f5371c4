//! The filter inside Envoy: callbacks in, host calls out. All that knows proxy-wasm is here; nothing is decided here.
//!
//! One VM serves one worker thread (and one the main thread). In it there is one [`vm::Vm`], a [`root::Root`] for
//! each plugin configuration, a [`gateway::Gateway`] for each authority and token, and an [`http::Http`] for each
//! request.

mod clock;
#[cfg(feature = "faults")]
mod faults;
mod gateway;
mod http;
mod metrics;
mod root;
mod shared;
mod vm;

use proxy_wasm::traits::RootContext;
use proxy_wasm::types::LogLevel;

proxy_wasm::main! {{
    // Sets the hook that writes a panic to Envoy's log; what is logged at all is Envoy's affair.
    proxy_wasm::set_log_level(LogLevel::Trace);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(root::Root::default()) });
}}
