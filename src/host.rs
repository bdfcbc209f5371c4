//! The filter inside Envoy: callbacks in, host calls out. Everything that knows the host is here;
//! nothing is decided here.
//!
//! One VM serves one worker thread (and one the main thread). The SDK keeps a context for each
//! plugin configuration and each request ([`filter`]). A VM has one [`vm::Vm`], a [`root::Root`]
//! for each configuration, a [`gateway::Gateway`] for each authority and token, and an
//! [`issuer::Issuer`] for each set of keys that is fetched. A request is read, decided and answered
//! in one callback ([`request`]); host calls are in [`calls`] and [`shared`].

mod filter;
mod root;
mod request;
mod gateway;
mod issuer;
mod vm;
mod metrics;
mod shared;
mod calls;
mod clock;
#[cfg(feature = "faults")]
mod faults;

use proxy_wasm::types::LogLevel;

proxy_wasm::main! {{
    std::panic::set_hook(Box::new(|panic| calls::log(LogLevel::Critical, &panic.to_string())));
    proxy_wasm::set_root_context(filter::new_root);
}}
