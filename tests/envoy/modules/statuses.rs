//! A module that makes the calls which the filter leaves to the SDK, without the SDK, and logs the
//! status of each.
//!
//! It makes them at the stages at which the filter does: `configure`, `tick`, `request`, `paused`
//! (on a tick, for a request that waits), `resumed` (on the same tick, after that), `ended` (on a
//! tick, for a request that is gone) and `answer` (to a callout). A line is
//! `statuses: STAGE CALL STATUS`. A request for `/wait` is paused.

use std::cell::{Cell, RefCell};
use std::ptr::null_mut;

const REQUEST_HEADERS: u32 = 0;
const CALLOUT_BODY: u32 = 4;
const PLUGIN_CONFIGURATION: u32 = 7;
const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;
/// What a header may be made to hold by somebody who wishes harm.
const ODD: [&[u8]; 4] = [b"", b"plain", b"\xff\xfe \t", &[b'x'; 4096]];

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, text: *const u8, size: usize) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_buffer_bytes(
        kind: u32,
        start: usize,
        most: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, size: usize) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, by: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_http_call(
        cluster: *const u8,
        cluster_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout: u32,
        id: *mut u32,
    ) -> u32;
}

thread_local! {
    static WAITING: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    static ENDED: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    static CALLED: Cell<bool> = const { Cell::new(false) };
}

fn tell(stage: &str, call: &str, status: u32) {
    let line = format!("statuses: {stage} {call} {status}");
    unsafe { proxy_log(4, line.as_ptr(), line.len()) };
}

/// The calls that any stage may make.
fn common(stage: &str) {
    let text = "statuses: \u{0} odd";
    tell(stage, "log", unsafe { proxy_log(1, text.as_ptr(), text.len()) });
    tell(stage, "set_tick_period", unsafe { proxy_set_tick_period_milliseconds(25) });
    for (kind, name) in [(0, "statuses_counter"), (1, "statuses_gauge")] {
        let mut id = 0;
        tell(stage, "define_metric", unsafe {
            proxy_define_metric(kind, name.as_ptr(), name.len(), &mut id)
        });
        if kind == 0 {
            tell(stage, "increment_metric", unsafe { proxy_increment_metric(id, i64::MAX) });
        } else {
            tell(stage, "record_metric", unsafe { proxy_record_metric(id, u64::MAX) });
        }
    }
}

fn buffer(stage: &str, kind: u32, most: usize) {
    let (mut data, mut size) = (null_mut(), 0);
    tell(stage, "get_buffer", unsafe { proxy_get_buffer_bytes(kind, 0, most, &mut data, &mut size) });
}

/// The calls of a request that is decided.
fn decide(stage: &str) {
    for value in ODD {
        let name = "x-flint-owner";
        let add = unsafe {
            proxy_add_header_map_value(
                REQUEST_HEADERS,
                name.as_ptr(),
                name.len(),
                value.as_ptr(),
                value.len(),
            )
        };
        tell(stage, "add_map_value", add);
    }
    for name in [&b"x-flint-owner"[..], b"x-flint-is-not-there", b"X-Flint-\xc3\xa9", b"x flint:"] {
        let remove = unsafe { proxy_remove_header_map_value(REQUEST_HEADERS, name.as_ptr(), name.len()) };
        tell(stage, "remove_map_value", remove);
    }
    let (path, mut data, mut size) = ("source\0address", null_mut(), 0);
    let property = unsafe { proxy_get_property(path.as_ptr(), path.len(), &mut data, &mut size) };
    tell(stage, "get_property", property);
}

fn call_out(stage: &str, cluster: &str) {
    let pairs = [
        (":method", "GET"),
        (":path", "/statuses"),
        (":authority", "authority"),
        ("x-flint-gateway", "a\u{e9}"),
    ];
    let mut headers = (pairs.len() as u32).to_le_bytes().to_vec();
    for (name, value) in pairs {
        headers.extend((name.len() as u32).to_le_bytes());
        headers.extend((value.len() as u32).to_le_bytes());
    }
    for (name, value) in pairs {
        headers.extend(name.bytes().chain([0]).chain(value.bytes()).chain([0]));
    }
    let (trailers, mut id) = ([0; 4], 0);
    let status = unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            null_mut(),
            0,
            trailers.as_ptr(),
            4,
            1000,
            &mut id,
        )
    };
    tell(stage, "dispatch_http_call", status);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    Box::leak(vec![0; size].into_boxed_slice()).as_mut_ptr()
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(_context: u32, _root: u32) {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(_root: u32, size: usize) -> u32 {
    buffer("configure", PLUGIN_CONFIGURATION, size);
    common("configure");
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, _count: u32, _end: u32) -> u32 {
    common("request");
    decide("request");
    let (path, mut data, mut size) = ("request\0path", null_mut(), 0);
    unsafe { proxy_get_property(path.as_ptr(), path.len(), &mut data, &mut size) };
    let path = if size == 0 { &[] } else { unsafe { std::slice::from_raw_parts(data, size) } };
    if path != b"/wait" {
        return CONTINUE;
    }
    WAITING.with_borrow_mut(|waiting| waiting.push(context));
    PAUSE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    if WAITING.with_borrow_mut(|waiting| waiting.extract_if(.., |other| *other == context).count()) > 0 {
        ENDED.with_borrow_mut(|ended| ended.push(context));
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root: u32) {
    common("tick");
    for context in ENDED.take() {
        tell("ended", "set_effective_context", unsafe { proxy_set_effective_context(context) });
        common("ended");
    }
    unsafe { proxy_set_effective_context(root) };
    if !CALLED.replace(true) {
        call_out("tick", "authority");
        call_out("tick", "is-not-there");
    }
    // The first that waits continues; a second one is left, so that its client can go away.
    let first = WAITING.with_borrow_mut(|waiting| (waiting.len() > 1).then(|| waiting.remove(0)));
    if let Some(context) = first {
        tell("paused", "set_effective_context", unsafe { proxy_set_effective_context(context) });
        common("paused");
        decide("paused");
        tell("paused", "resume_http_request", unsafe { proxy_continue_stream(0) });
        common("resumed");
        unsafe { proxy_set_effective_context(root) };
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(
    _root: u32,
    _call: u32,
    _headers: u32,
    size: usize,
    _trailers: u32,
) {
    common("answer");
    buffer("answer", CALLOUT_BODY, size);
}
