//! The callbacks that the module exports: those that the filter uses and no more, since Envoy calls every callback
//! that a module has, needed or not, at one to two microseconds each on every request. `proxy_on_delete` is not among
//! them: what has ended is found by asking ([`crate::exists`]).

use std::cell::OnceCell;

use crate::{Action, Filter, Level, log};

thread_local! {
    static FILTER: OnceCell<Box<dyn Filter>> = const { OnceCell::new() };
}

unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// Prepares the VM: to be called once, by [`crate::export`].
pub fn initialize(new: fn() -> Box<dyn Filter>) {
    // SAFETY: the linker makes this function, and a module without a `_start` has to call it before all else.
    unsafe { __wasm_call_ctors() };
    std::panic::set_hook(Box::new(|panic| log(Level::Critical, &panic.to_string())));
    FILTER.with(|filter| {
        // A second call would find the filter in place and leave it.
        let _ = filter.set(new());
    });
}

/// Calls the filter. Before [`initialize`] there is none, and nothing is let through.
fn with<T>(otherwise: T, call: impl FnOnce(&dyn Filter) -> T) -> T {
    FILTER.with(|filter| match filter.get() {
        Some(filter) => call(&**filter),
        None => otherwise,
    })
}

/// Tells the host which ABI this is by being there.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_abi_version_0_2_1() {}

/// Gives the host memory to write an answer into; `owned` takes it back.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    let mut bytes = std::mem::ManuallyDrop::new(Vec::<u8>::with_capacity(size));
    bytes.as_mut_ptr()
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, root: u32) {
    with((), |filter| filter.on_create(context, root));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, size: usize) -> u32 {
    u32::from(with(false, |filter| filter.on_configure(root, size)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root: u32) {
    with((), |filter| filter.on_tick(root));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, _count: usize, _end_of_stream: u32) -> u32 {
    with(Action::Pause, |filter| filter.on_request_headers(context)) as u32
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(
    root: u32,
    call: u32,
    headers: usize,
    body: usize,
    _trailers: usize,
) {
    with((), |filter| filter.on_answer(root, call, headers, body));
}
