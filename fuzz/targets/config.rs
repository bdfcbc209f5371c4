//! Any bytes are a configuration or a list of mistakes; a configuration decides about any request
//! without a panic.
#![no_main]

use flint_auth::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Config::parse(bytes) {
        Ok(config) => {
            for path in [None, Some(bytes), Some(b"*"), Some(b"/healthz"), Some(b"/a//b")] {
                let _ = config.routes.find(b"GET", path);
            }
        }
        Err(errors) => {
            assert!(errors.iter().count() > 0 && !errors.to_string().is_empty());
            assert!(errors.iter().all(|error| error.path.starts_with('$')));
        }
    }
});
