//! proxy-wasm for one filter: the callbacks that it takes and the host calls that it makes, and no others.
//!
//! The Rust SDK (`proxy-wasm`) would do the same for any filter. It is not used here, for four reasons:
//!
//! 1. it cannot give a local response its *response code details*, which the access log needs;
//! 2. it panics on every status that it does not expect, and a panic is a dead VM;
//! 3. it exports all callbacks and keeps a boxed context for each stream: 2 to 4 microseconds on every request, of
//!    some twenty;
//! 4. what it imports for callbacks that are never used would have to be allowed in `capability_restriction_config`.
//!
//! This is the only crate of the project with `unsafe`: declarations of the host's functions, and wrappers that are
//! sound whatever the host answers. Names, numbers and forms are those of proxy-wasm ABI 0.2.1, which Envoy has
//! spoken since 1.17.

#![cfg(target_arch = "wasm32")]

mod exports;
mod raw;

use std::ptr::null_mut;
use std::time::Duration;

pub use exports::initialize;

/// What Envoy calls in one VM. A *root* context is one plugin configuration; its children are requests.
pub trait Filter {
    /// A context begins: that of a request under `root`, or with 0 a root itself.
    fn on_create(&self, context: u32, root: u32);
    /// A root has a configuration of `size` bytes. Answers whether it is good.
    fn on_configure(&self, root: u32, size: usize) -> bool;
    /// The period of [`set_tick_period`] is over.
    fn on_tick(&self, root: u32);
    /// A request's headers are there.
    fn on_request_headers(&self, context: u32) -> Action;
    /// A [`call`] of this root has ended, with so many headers and bytes of body. No headers: there was no answer,
    /// and none may be asked for.
    fn on_answer(&self, root: u32, call: u32, headers: usize, body: usize);
}

/// What Envoy is to do with a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Go on.
    Continue = 0,
    /// Keep it, until it is answered or [`resume_request`] is called.
    Pause = 1,
}

/// Makes a filter the module's: takes a function without arguments that makes it.
#[macro_export]
macro_rules! export {
    ($new:expr) => {
        #[unsafe(no_mangle)]
        extern "C" fn _initialize() {
            $crate::initialize(|| Box::new($new()));
        }
    };
}

/// Why the host did not do as it was asked: a status of proxy-wasm, or of WASI for [`random`] and [`monotonic`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refused(pub u32);

/// The status of a compare-and-swap that lost.
pub const CAS_MISMATCH: Refused = Refused(8);
const OK: u32 = 0;
const NOT_FOUND: u32 = 1;

/// The header maps that the filter reads or writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Map {
    /// The request's headers.
    RequestHeaders = 0,
    /// The headers that answered a callout.
    CalloutHeaders = 6,
}

/// The levels of Envoy's log that the filter uses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// For the curious.
    Debug = 1,
    /// Worth knowing.
    Info = 2,
    /// Something is wrong and is being dealt with.
    Warn = 3,
    /// Something is wrong and needs somebody.
    Error = 4,
    /// The VM is about to end.
    Critical = 5,
}

/// The kinds of metrics that the filter defines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MetricKind {
    /// Only goes up.
    Counter = 0,
    /// Goes where it is set.
    Gauge = 1,
}

/// A header map as the host serialises it: a count, the lengths of all names and values, then the bytes.
pub fn headers(map: Map) -> Result<Vec<u8>, Refused> {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: both pointers are to live locals; what the host puts there is taken by `owned`.
    done(unsafe { raw::proxy_get_header_map_pairs(map as u32, &mut data, &mut size) })?;
    Ok(owned(data, size))
}

/// Adds a line to the request's headers.
pub fn add_request_header(name: &[u8], value: &[u8]) -> Result<(), Refused> {
    let map = Map::RequestHeaders as u32;
    // SAFETY: the host reads the two slices during the call and keeps nothing.
    done(unsafe {
        raw::proxy_add_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

/// Removes every line of a request header.
pub fn remove_request_header(name: &[u8]) -> Result<(), Refused> {
    // SAFETY: the host reads the slice during the call and keeps nothing.
    done(unsafe { raw::proxy_remove_header_map_value(Map::RequestHeaders as u32, name.as_ptr(), name.len()) })
}

/// The body that answered a callout, or nothing where there is none.
pub fn callout_body(size: usize) -> Result<Vec<u8>, Refused> {
    const HTTP_CALL_RESPONSE_BODY: u32 = 4;
    let (mut data, mut length) = (null_mut(), 0);
    // SAFETY: both pointers are to live locals; what the host puts there is taken by `owned`.
    let answer = found(unsafe {
        raw::proxy_get_buffer_bytes(HTTP_CALL_RESPONSE_BODY, 0, size, &mut data, &mut length)
    })?;
    Ok(if answer { owned(data, length) } else { Vec::new() })
}

/// The configuration of the plugin, as bytes.
pub fn plugin_configuration(size: usize) -> Result<Vec<u8>, Refused> {
    const PLUGIN_CONFIGURATION: u32 = 7;
    let (mut data, mut length) = (null_mut(), 0);
    // SAFETY: both pointers are to live locals; what the host puts there is taken by `owned`.
    let answer =
        found(unsafe { raw::proxy_get_buffer_bytes(PLUGIN_CONFIGURATION, 0, size, &mut data, &mut length) })?;
    Ok(if answer { owned(data, length) } else { Vec::new() })
}

/// A value of the process-wide map, with its compare-and-swap number.
pub fn shared(key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, Refused> {
    let (mut data, mut size, mut cas) = (null_mut(), 0, 0);
    // SAFETY: the host reads the key during the call; what it puts into the locals is taken by `owned`.
    found(unsafe { raw::proxy_get_shared_data(key.as_ptr(), key.len(), &mut data, &mut size, &mut cas) })
        .map(|found| found.then(|| (owned(data, size), cas)))
}

/// Sets a value of the process-wide map: if its number is still `cas`, or in any case where `cas` is 0.
pub fn set_shared(key: &[u8], value: &[u8], cas: u32) -> Result<(), Refused> {
    // SAFETY: the host copies both slices during the call.
    done(unsafe { raw::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) })
}

/// A property of the request, by its path with a zero byte between the segments.
pub fn property(path: &[u8]) -> Result<Option<Vec<u8>>, Refused> {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: the host reads the path during the call; what it puts into the locals is taken by `owned`.
    found(unsafe { raw::proxy_get_property(path.as_ptr(), path.len(), &mut data, &mut size) })
        .map(|found| found.then(|| owned(data, size)))
}

/// Sets the filter state `wasm.<name>`.
pub fn set_property(name: &[u8], value: &[u8]) -> Result<(), Refused> {
    // SAFETY: the host copies both slices during the call.
    done(unsafe { raw::proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// Answers the request. `headers` is a serialised map; `details` is for the access log.
pub fn send_local_response(status: u16, details: &str, headers: &[u8], body: &[u8]) -> Result<(), Refused> {
    // Envoy derives the gRPC status from the HTTP status.
    const NO_GRPC_STATUS: i32 = -1;
    // SAFETY: the host copies the slices during the call.
    done(unsafe {
        raw::proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            NO_GRPC_STATUS,
        )
    })
}

/// Calls an upstream. `headers` is a serialised map with `:method`, `:path` and `:authority`; the answer comes to
/// [`Filter::on_answer`] under the number that this returns. A `timeout` below a millisecond would be none at all.
pub fn call(cluster: &str, headers: &[u8], body: &[u8], timeout: Duration) -> Result<u32, Refused> {
    const NO_TRAILERS: [u8; 4] = [0; 4];
    let milliseconds = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX).max(1);
    let mut call = 0;
    // SAFETY: the host copies the slices during the call; the last pointer is to a live local.
    done(unsafe {
        raw::proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            NO_TRAILERS.as_ptr(),
            NO_TRAILERS.len(),
            milliseconds,
            &mut call,
        )
    })?;
    Ok(call)
}

/// Lets a request go on that was paused.
pub fn resume_request() -> Result<(), Refused> {
    const REQUEST: u32 = 0;
    // SAFETY: no pointers.
    done(unsafe { raw::proxy_continue_stream(REQUEST) })
}

/// Makes the calls that follow act for another context, until the callback ends or this is called again.
pub fn set_effective_context(context: u32) -> Result<(), Refused> {
    // SAFETY: no pointers.
    done(unsafe { raw::proxy_set_effective_context(context) })
}

/// Whether a context, root or request, is there. A request that has ended is there until the turn of the event loop is
/// over. Makes the calls that follow act for it, like [`set_effective_context`]: a callback that goes on to make others
/// has to call that for its own.
#[must_use]
pub fn exists(context: u32) -> bool {
    set_effective_context(context).is_ok()
}

/// How often the root context ticks, in milliseconds.
pub fn set_tick_period(milliseconds: u32) -> Result<(), Refused> {
    // SAFETY: no pointers.
    done(unsafe { raw::proxy_set_tick_period_milliseconds(milliseconds) })
}

/// The wall clock: nanoseconds since the Unix epoch.
pub fn wall_clock() -> Result<u64, Refused> {
    let mut time = 0;
    // SAFETY: the pointer is to a live local.
    done(unsafe { raw::proxy_get_current_time_nanoseconds(&mut time) })?;
    Ok(time)
}

/// A clock that never goes back, in nanoseconds; the same for all VMs of a process.
pub fn monotonic() -> Result<u64, Refused> {
    const CLOCK_MONOTONIC: u32 = 1;
    let mut time = 0;
    // SAFETY: the pointer is to a live local.
    done(unsafe { raw::clock_time_get(CLOCK_MONOTONIC, 1, &mut time) })?;
    Ok(time)
}

/// Random bytes from the operating system.
pub fn random<const N: usize>() -> Result<[u8; N], Refused> {
    let mut bytes = [0; N];
    // SAFETY: the host writes N bytes to a live local.
    done(unsafe { raw::random_get(bytes.as_mut_ptr(), N) })?;
    Ok(bytes)
}

/// Writes a line to Envoy's log. Whether it appears is Envoy's affair.
pub fn log(level: Level, message: &str) {
    // SAFETY: the host reads the slice during the call. There is nowhere to report that logging failed.
    let _ = unsafe { raw::proxy_log(level as u32, message.as_ptr(), message.len()) };
}

/// Defines a metric, or finds the one of this name that another VM defined.
pub fn define_metric(kind: MetricKind, name: &str) -> Result<u32, Refused> {
    let mut id = 0;
    // SAFETY: the host reads the name during the call; the pointer is to a live local.
    done(unsafe { raw::proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &mut id) })?;
    Ok(id)
}

/// Adds to a counter; nothing for 0, which the host refuses.
pub fn increment_metric(id: u32, by: u64) -> Result<(), Refused> {
    match i64::try_from(by).unwrap_or(i64::MAX) {
        0 => Ok(()),
        // SAFETY: no pointers.
        by => done(unsafe { raw::proxy_increment_metric(id, by) }),
    }
}

/// Sets a gauge.
pub fn record_metric(id: u32, value: u64) -> Result<(), Refused> {
    // SAFETY: no pointers.
    done(unsafe { raw::proxy_record_metric(id, value) })
}

fn done(status: u32) -> Result<(), Refused> {
    if status == OK { Ok(()) } else { Err(Refused(status)) }
}

fn found(status: u32) -> Result<bool, Refused> {
    match status {
        OK => Ok(true),
        NOT_FOUND => Ok(false),
        status => Err(Refused(status)),
    }
}

/// Takes what the host allocated for an answer.
fn owned(data: *mut u8, size: usize) -> Vec<u8> {
    if data.is_null() || size == 0 {
        return Vec::new();
    }
    // SAFETY: the host allocates answers by `proxy_on_memory_allocate`, which is `Vec::with_capacity(size)`; the host
    // wrote all `size` bytes and keeps no pointer.
    unsafe { Vec::from_raw_parts(data, size, size) }
}
