//! Hand-written proxy-wasm modules to measure against, without SDK, allocator or standard library.
//!
//! Built as it is it does nothing: what any wasm filter costs. With `--cfg calls` it makes the host
//! calls of the filter's allow path and computes nothing: what a filter with these calls cannot go
//! below. With `--cfg time` it asks for the time too, as the filter does for a key that has a first
//! or a last second.
//!
//! Configuration: `ENTRIES,SIZE`, how many shared values there are and how long each is. As in the
//! filter's table, one of them is read for a request; which one jumps about.

#![no_std]
#![expect(static_mut_refs, reason = "one thread, and no reference outlives its call")]

const NAME: usize = 20;
const HEAP: usize = 1 << 20;

/// What the host writes goes here; everything is forgotten with the next request.
static mut MEMORY: [u64; HEAP / 8] = [0; HEAP / 8];
static mut TOP: usize = 0;
static mut ENTRIES: u32 = 1;
#[cfg(calls)]
static mut RANDOM: u32 = 0x9E37_79B9;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_buffer_bytes(
        kind: u32,
        start: usize,
        length: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_shared_data(key: *const u8, length: usize, value: *const u8, size: usize, cas: u32) -> u32;
}

#[cfg(calls)]
#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        length: usize,
        value: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, key: *const u8, length: usize) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        key: *const u8,
        length: usize,
        value: *const u8,
        size: usize,
    ) -> u32;
    fn proxy_set_property(key: *const u8, length: usize, value: *const u8, size: usize) -> u32;
    #[cfg(time)]
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(_: u32, _: u32) {}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    unsafe {
        let at = TOP;
        TOP = (at + size + 7) & !7;
        if TOP > HEAP {
            return core::ptr::null_mut();
        }
        MEMORY.as_mut_ptr().cast::<u8>().add(at)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_on_configure(_: u32, length: usize) -> u32 {
    unsafe {
        TOP = 0;
        let (mut data, mut size) = (core::ptr::null_mut(), 0);
        proxy_get_buffer_bytes(7, 0, length, &mut data, &mut size);
        let mut numbers = [0_u32; 2];
        let mut which = 0;
        for at in 0..size {
            match *data.add(at) {
                b',' => which = 1,
                digit => numbers[which] = numbers[which] * 10 + u32::from(digit - b'0'),
            }
        }
        ENTRIES = numbers[0];
        let value = MEMORY.as_ptr().cast::<u8>();
        for n in 0..ENTRIES {
            proxy_set_shared_data(name(n).as_ptr(), NAME, value, numbers[1] as usize, 0);
        }
    }
    1
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_on_request_headers(_: u32, _: u32, _: u32) -> u32 {
    #[cfg(calls)]
    unsafe {
        TOP = 0;
        allow();
    }
    0
}

/// The host calls for a request that is let through.
#[cfg(calls)]
unsafe fn allow() {
    unsafe {
        let (mut data, mut size, mut cas) = (core::ptr::null_mut(), 0, 0);
        proxy_get_header_map_pairs(0, &mut data, &mut size);
        RANDOM ^= RANDOM << 13;
        RANDOM ^= RANDOM >> 17;
        RANDOM ^= RANDOM << 5;
        let key = name(RANDOM % ENTRIES);
        proxy_get_shared_data(key.as_ptr(), NAME, &mut data, &mut size, &mut cas);
        #[cfg(time)]
        proxy_get_current_time_nanoseconds(&mut 0);
        proxy_remove_header_map_value(0, b"authorization".as_ptr(), 13);
        let headers: [(&[u8], &[u8]); 4] = [
            (b"x-flint-credential", b"api_key"),
            (b"x-flint-key-id", b"key_01bench0000000000000000"),
            (b"x-flint-environment", b"live"),
            (b"x-flint-owner", b"org_0_123456"),
        ];
        for (name, value) in headers {
            proxy_add_header_map_value(0, name.as_ptr(), name.len(), value.as_ptr(), value.len());
        }
        let id = headers[1].1;
        proxy_set_property(b"flint_key_id".as_ptr(), 12, id.as_ptr(), id.len());
        proxy_set_property(b"flint_outcome".as_ptr(), 13, b"allowed".as_ptr(), 7);
    }
}

/// The name of the n-th shared value.
fn name(n: u32) -> [u8; NAME] {
    let mut name = *b"shard/00000000000000";
    let (mut rest, mut at) = (n, NAME);
    while rest > 0 {
        at -= 1;
        name[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    name
}
