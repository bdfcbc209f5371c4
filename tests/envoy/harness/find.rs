//! Where Envoy and the filter are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::SystemTime;

use super::root;

/// Envoy's binary: what `ENVOY` names, else what `tools/envoy` finds or installs.
pub(super) fn envoy() -> PathBuf {
    static FOUND: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        if let Some(path) = std::env::var_os("ENVOY") {
            return Some(PathBuf::from(path));
        }
        let output = Command::new(root().join("tools/envoy")).output().ok()?;
        Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim())).filter(|path| path.is_file())
    });
    FOUND.clone().expect("there is no Envoy: set ENVOY, or see what tools/envoy says")
}

/// The filter as it is shipped: `dist/flint-auth.wasm`, or what `FLINT_WASM` names.
pub(crate) fn wasm() -> PathBuf {
    static FOUND: LazyLock<PathBuf> = LazyLock::new(|| {
        if let Some(path) = std::env::var_os("FLINT_WASM") {
            let path = PathBuf::from(path);
            assert!(path.is_file(), "FLINT_WASM names {}, which is no file", path.display());
            return path;
        }
        let path = root().join("dist/flint-auth.wasm");
        let built = path.metadata().and_then(|file| file.modified());
        let built = built.expect("dist/flint-auth.wasm is missing: run `make wasm`");
        for folder in ["src", "abi/src", "contract/src"] {
            let changed = newest(&root().join(folder));
            assert!(changed <= built, "dist/flint-auth.wasm is older than {folder}: run `make wasm`");
        }
        path
    });
    FOUND.clone()
}

/// A build of the filter that can be told to fail (cargo feature `faults`).
pub(crate) fn faulty_wasm() -> PathBuf {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
        let target = root().join("target/faults");
        // How the module is optimised is nothing to its faults; that it is built soon is something
        // to the tests.
        let built = Command::new(env!("CARGO"))
            .args(["rustc", "--quiet", "--locked", "--release", "--target", "wasm32-wasip1", "--lib"])
            .args(["--crate-type", "staticlib", "--features", "faults", "--target-dir"])
            .arg(&target)
            .envs([("CARGO_PROFILE_RELEASE_LTO", "off"), ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")])
            .current_dir(root())
            .status();
        assert!(built.is_ok_and(|status| status.success()), "the filter with faults does not build");
        let (library, module) =
            (target.join("wasm32-wasip1/release/libflint_auth.a"), target.join("faults.wasm"));
        let linked = Command::new(root().join("tools/link-filter")).args([&library, &module]).status();
        assert!(linked.is_ok_and(|status| status.success()), "the filter with faults does not link");
        module
    });
    BUILT.clone()
}

fn newest(folder: &Path) -> SystemTime {
    let entries =
        std::fs::read_dir(folder).expect("the sources are there").map(|entry| entry.unwrap().path());
    let time = |path: PathBuf| {
        if path.is_dir() { newest(&path) } else { path.metadata().unwrap().modified().unwrap() }
    };
    entries.map(time).max().unwrap_or(SystemTime::UNIX_EPOCH)
}
