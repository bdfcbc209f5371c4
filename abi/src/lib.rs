//! The host calls that the Rust SDK (`proxy-wasm`) lacks.
//!
//! The filter stands on the SDK for contexts, dispatch and most host calls. Seven calls are here:
//!
//! 1. [`send_local_response`]: the SDK's passes no *response code details*, which the access log
//!    needs;
//! 2. [`headers`]: the SDK makes two allocations for every header of the map; the core reads the
//!    map in place;
//! 3. [`monotonic`]: all VMs of a process need one number for the time, and `std::time::Instant`
//!    shows none;
//! 4. [`random`]: the standard library offers no random bytes;
//! 5. [`shared`] and [`set_shared`]: the SDK panics if `capability_restriction_config` forbids
//!    them. A VM that dies on a tick leaves the requests that wait in it hanging; an error that is
//!    returned refuses them;
//! 6. [`set_property`]: the SDK makes two allocations for every property, and a request sets two.
//!
//! This is the only crate of the project with `unsafe`. Names, numbers and forms are those of
//! proxy-wasm ABI 0.2.1 and WASI preview 1.

#![cfg(target_arch = "wasm32")]

mod raw;

use std::ptr::null_mut;

/// Why the host did not do as it was asked: a status of proxy-wasm, or of WASI for [`random`] and
/// [`monotonic`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refused(pub u32);

/// The status of a compare-and-swap that lost.
pub const CAS_MISMATCH: Refused = Refused(8);
const OK: u32 = 0;
const NOT_FOUND: u32 = 1;

/// The header maps that the filter reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Map {
    /// The request's headers.
    RequestHeaders = 0,
    /// The headers that answered a callout.
    CalloutHeaders = 6,
}

/// Returns a header map as the host serialises it: a count, the lengths of all names and values,
/// then the bytes.
pub fn headers(map: Map) -> Result<Vec<u8>, Refused> {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: both pointers are to live locals; what the host puts there is taken by `owned`.
    done(unsafe { raw::proxy_get_header_map_pairs(map as u32, &mut data, &mut size) })?;
    Ok(owned(data, size))
}

/// Returns a value of the process-wide map, with its compare-and-swap number.
pub fn shared(key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, Refused> {
    let (mut data, mut size, mut cas) = (null_mut(), 0, 0);
    // SAFETY: the host reads the key during the call; what it puts into the locals is taken by
    // `owned`.
    match unsafe { raw::proxy_get_shared_data(key.as_ptr(), key.len(), &mut data, &mut size, &mut cas) } {
        OK => Ok(Some((owned(data, size), cas))),
        NOT_FOUND => Ok(None),
        status => Err(Refused(status)),
    }
}

/// Sets a value of the process-wide map: if its number is still `cas`, or in any case if `cas` is
/// 0.
pub fn set_shared(key: &[u8], value: &[u8], cas: u32) -> Result<(), Refused> {
    // SAFETY: the host copies both slices during the call.
    done(unsafe { raw::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) })
}

/// Sets a property of the request. The parts of a path are separated by a zero byte.
pub fn set_property(path: &str, value: &[u8]) -> Result<(), Refused> {
    // SAFETY: the host copies both slices during the call.
    done(unsafe { raw::proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
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

/// Returns nanoseconds of a clock that never goes back and is the same for all VMs of a process.
pub fn monotonic() -> Result<u64, Refused> {
    const CLOCK_MONOTONIC: u32 = 1;
    let mut time = 0;
    // SAFETY: the pointer is to a live local.
    done(unsafe { raw::clock_time_get(CLOCK_MONOTONIC, 1, &mut time) })?;
    Ok(time)
}

/// Returns random bytes from the operating system.
pub fn random<const N: usize>() -> Result<[u8; N], Refused> {
    let mut bytes = [0; N];
    // SAFETY: the host writes N bytes to a live local.
    done(unsafe { raw::random_get(bytes.as_mut_ptr(), N) })?;
    Ok(bytes)
}

fn done(status: u32) -> Result<(), Refused> {
    if status == OK { Ok(()) } else { Err(Refused(status)) }
}

/// Takes what the host allocated for an answer.
fn owned(data: *mut u8, size: usize) -> Vec<u8> {
    if data.is_null() || size == 0 {
        return Vec::new();
    }
    // SAFETY: the host allocates answers by the SDK's `proxy_on_memory_allocate`, which gives up a
    // boxed slice of exactly `size` bytes; the host wrote all of them and keeps no pointer.
    unsafe { Vec::from_raw_parts(data, size, size) }
}
