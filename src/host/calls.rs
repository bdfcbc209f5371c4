//! Host calls as the filter makes them: the SDK's, with names and values as bytes and the host's
//! status as an error.
//!
//! The SDK panics on a status that it does not expect, which ends the VM: its requests are refused.
//! Where the filter calls, Envoy answers none of those, except for a call that
//! `capability_restriction_config` forbids. Shared data is called without the SDK
//! ([`super::shared`]), so that forbidding it refuses requests and ends no VM. Every test on Envoy
//! ends by looking for a trap.

use std::time::Duration;

use flint_abi::Refused;
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, LogLevel, MapType, MetricType, Status};

const REQUEST: MapType = MapType::HttpRequestHeaders;

/// Adds a line to the request's headers.
pub(super) fn add_request_header(name: &str, value: &[u8]) -> Result<(), Refused> {
    hostcalls::add_map_value_bytes(REQUEST, name, value).map_err(refused)
}

/// Removes every line of a request header.
pub(super) fn remove_request_header(name: &[u8]) -> Result<(), Refused> {
    // A name that is no text cannot come from Envoy; what cannot be removed is refused.
    let name = std::str::from_utf8(name).map_err(|_| refused(Status::ParseFailure))?;
    hostcalls::remove_map_value(REQUEST, name).map_err(refused)
}

/// Returns the body that answered a callout; it is empty if there is none.
pub(super) fn callout_body(size: usize) -> Result<Vec<u8>, Refused> {
    let body = hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, size).map_err(refused)?;
    Ok(body.unwrap_or_default())
}

/// Returns the configuration of the plugin.
pub(super) fn plugin_configuration(size: usize) -> Result<Vec<u8>, Refused> {
    let bytes = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size).map_err(refused)?;
    Ok(bytes.unwrap_or_default())
}

/// Returns a property of the request.
pub(super) fn property(path: &[&str]) -> Result<Option<Vec<u8>>, Refused> {
    hostcalls::get_property(path.to_vec()).map_err(refused)
}

/// Sets the filter state `wasm.<name>`.
pub(super) fn set_property(name: &str, value: &[u8]) -> Result<(), Refused> {
    flint_abi::set_property(name, value)
}

/// Calls an upstream; the answer comes to the context that is active now. A `timeout` below a
/// millisecond would be none.
pub(super) fn call(
    cluster: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    timeout: Duration,
) -> Result<u32, Refused> {
    let (body, timeout) = (Some(body).filter(|body| !body.is_empty()), timeout.max(Duration::from_millis(1)));
    hostcalls::dispatch_http_call(cluster, headers.to_vec(), body, Vec::new(), timeout).map_err(refused)
}

/// Continues a request that was paused.
pub(super) fn resume_request() -> Result<(), Refused> {
    hostcalls::resume_http_request().map_err(refused)
}

/// Makes the calls that follow act for another context, until the callback ends or this is called
/// again.
pub(super) fn set_effective_context(context: u32) -> Result<(), Refused> {
    hostcalls::set_effective_context(context).map_err(refused)
}

/// Sets how often the root context ticks.
pub(super) fn set_tick_period(period: Duration) -> Result<(), Refused> {
    hostcalls::set_tick_period(period).map_err(refused)
}

/// Writes a line to Envoy's log. Whether it appears is up to Envoy.
pub(super) fn log(level: LogLevel, message: &str) {
    // There is nowhere to report that logging failed.
    let _ = hostcalls::log(level, message);
}

/// Defines a metric, or finds the one of this name that another VM defined.
pub(super) fn define_metric(kind: MetricType, name: &str) -> Result<u32, Refused> {
    hostcalls::define_metric(kind, name).map_err(refused)
}

/// Adds to a counter; nothing for 0, which the host refuses.
pub(super) fn increment_metric(id: u32, by: u64) -> Result<(), Refused> {
    match i64::try_from(by).unwrap_or(i64::MAX) {
        0 => Ok(()),
        by => hostcalls::increment_metric(id, by).map_err(refused),
    }
}

/// Sets a gauge.
pub(super) fn record_metric(id: u32, value: u64) -> Result<(), Refused> {
    hostcalls::record_metric(id, value).map_err(refused)
}

fn refused(status: Status) -> Refused {
    Refused(status as u32)
}
