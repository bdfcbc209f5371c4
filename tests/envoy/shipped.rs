//! The files in `envoy/` as tests need them, with free ports and the addresses of peers. Nothing
//! else is changed.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::authority::TOKEN;
use crate::harness::{Plan, root, wasm};

/// The listener of every shipped configuration.
pub(crate) const LISTENER: &str = "edge";

/// A file of `envoy/`.
pub(crate) struct Shipped {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// Where the peers of a shipped configuration are.
pub(crate) struct Peers {
    /// The authority, or what speaks TLS for it.
    pub(crate) authority: SocketAddr,
    pub(crate) upstream: SocketAddr,
    pub(crate) sandbox: SocketAddr,
}

/// Every configuration in `envoy/`.
pub(crate) fn all() -> Vec<Shipped> {
    let entries = root().join("envoy").read_dir().expect("there are configurations");
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|kind| kind == "yaml")).collect();
    files.sort();
    assert!(!files.is_empty(), "envoy/ has configurations");
    let read = |path: PathBuf| Shipped { text: std::fs::read_to_string(&path).expect("it is text"), path };
    files.into_iter().map(read).collect()
}

// === impl Shipped ===

impl Shipped {
    pub(crate) fn name(&self) -> String {
        self.path.file_stem().expect("files have names").to_string_lossy().into_owned()
    }

    /// Replaces a text that must be there.
    pub(crate) fn replace(mut self, old: &str, new: &str) -> Self {
        assert!(self.text.contains(old), "{}: there is no {old:?}", self.name());
        self.text = self.text.replace(old, new);
        self
    }

    /// A plan to run the file as it is, but for addresses.
    pub(crate) fn plan(self, peers: &Peers) -> Plan {
        let port = |address: SocketAddr| format!("port_value: {}}}", address.port());
        let mut text = self.text;
        for (old, new) in [
            ("port_value: 10000}", "port_value: 0}".to_owned()),
            ("port_value: 9901}", "port_value: 0}".to_owned()),
            ("port_value: 8080}", port(peers.authority)),
            ("port_value: 8443}", port(peers.authority)),
            ("port_value: 8081}", port(peers.upstream)),
            ("port_value: 8082}", port(peers.sandbox)),
            ("filename: dist/flint-auth.wasm", format!("filename: {}", wasm().display())),
            // Statistics by listener: all have port 0.
            ("  - name: edge\n", "  - name: edge\n    stat_prefix: edge\n".to_owned()),
        ] {
            text = text.replace(old, &new);
        }
        Plan::shipped(text).process_variable("FLINT_GATEWAY_TOKEN", TOKEN)
    }
}
