//! What an Envoy is started with.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::wasm;

/// A plan for one Envoy: its listeners, each with a plugin configuration, and where its clusters
/// are.
pub(crate) struct Plan {
    pub(crate) workers: usize,
    pub(crate) listeners: Vec<Listener>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) may_trap: bool,
    clusters: Vec<Value>,
    wasm: PathBuf,
    before: Vec<Value>,
    plugin: Value,
    vm: Value,
    log_level: &'static str,
    fixed: bool,
    shipped: Option<String>,
    directory: TempDir,
}

/// A listener with our filter: behind what the plan puts before it, and before the router.
pub(crate) struct Listener {
    pub(crate) name: String,
    configuration: Value,
    routes: Value,
}

// === impl Plan ===

impl Plan {
    /// One worker, no listeners, no clusters.
    pub(crate) fn new() -> Self {
        Self {
            workers: 1,
            listeners: Vec::new(),
            environment: Vec::new(),
            may_trap: false,
            clusters: Vec::new(),
            wasm: wasm(),
            before: Vec::new(),
            plugin: json!({}),
            vm: json!({}),
            log_level: "info",
            fixed: false,
            shipped: None,
            directory: TempDir::new().expect("a directory can be made"),
        }
    }

    /// A configuration file as it is, its ports substituted by the caller.
    pub(crate) fn shipped(text: String) -> Self {
        Self::new().with_file(text)
    }

    /// Runs this configuration file in place of a generated one.
    pub(crate) fn with_file(mut self, text: String) -> Self {
        self.shipped = Some(text);
        self
    }

    pub(crate) fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Adds a listener with this plugin configuration, whose routes all lead to `upstream`.
    pub(crate) fn listener(self, name: &str, configuration: Value) -> Self {
        self.listener_with_routes(name, configuration, default_routes())
    }

    /// Adds a listener with routes of its own.
    pub(crate) fn listener_with_routes(mut self, name: &str, configuration: Value, routes: Value) -> Self {
        self.listeners.push(Listener { name: name.to_owned(), configuration, routes });
        self
    }

    /// Adds a cluster of one HTTP/1.1 endpoint.
    pub(crate) fn cluster(mut self, name: &str, address: SocketAddr) -> Self {
        self.clusters.push(cluster(name, address));
        self
    }

    /// Adds a cluster of no endpoints.
    pub(crate) fn empty_cluster(mut self, name: &str) -> Self {
        self.clusters.push(json!({"name": name, "load_assignment": {"cluster_name": name}}));
        self
    }

    /// Adds a cluster of one HTTP/2 endpoint.
    pub(crate) fn http2_cluster(mut self, name: &str, address: SocketAddr) -> Self {
        let mut cluster = cluster(name, address);
        cluster["typed_extension_protocol_options"] = json!({
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            },
        });
        self.clusters.push(cluster);
        self
    }

    /// Loads another build of the filter, one that may trap.
    pub(crate) fn faulty_wasm(mut self, path: PathBuf) -> Self {
        self.wasm = path;
        self.may_trap = true;
        self
    }

    /// Puts another filter before ours.
    pub(crate) fn filter_before(mut self, filter: Value) -> Self {
        self.before.push(filter);
        self
    }

    /// Sets a field of the plugin's configuration next to the filter's own, such as
    /// `failure_policy`.
    pub(crate) fn plugin(mut self, field: &str, value: Value) -> Self {
        self.plugin[field] = value;
        self
    }

    /// Puts the listeners into the bootstrap, where a bad one keeps Envoy from starting.
    pub(crate) fn fixed_listeners(mut self) -> Self {
        self.fixed = true;
        self
    }

    /// Gives the filter an environment variable.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.vm["environment_variables"]["key_values"][name] = json!(value);
        self
    }

    /// Gives Envoy an environment variable.
    pub(crate) fn process_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lets the filter log at this level; Envoy's own level stays.
    pub(crate) fn log_level(mut self, level: &'static str) -> Self {
        self.log_level = level;
        self
    }

    /// A file of this gateway.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn reconfigure(&mut self, listener: &str, configuration: Value) {
        let found = self.listeners.iter_mut().find(|found| found.name == listener);
        found.expect("the listener is of the plan").configuration = configuration;
    }

    /// Writes the listeners where Envoy watches for them: a move into place, which is what it
    /// watches for.
    pub(super) fn write_listeners(&self) {
        let resources = self.resources();
        let (new, file) = (self.path("listeners.new"), self.path("listeners.json"));
        std::fs::write(&new, json!({"resources": resources}).to_string()).expect("the directory is ours");
        std::fs::rename(new, file).expect("the directory is ours");
    }

    /// Writes the configuration, and says how Envoy is called with it.
    pub(super) fn arguments(&self) -> Vec<String> {
        let file = if let Some(text) = &self.shipped {
            let file = self.path("envoy.yaml");
            std::fs::write(&file, text).expect("the directory is ours");
            file
        } else {
            self.write_listeners();
            let file = self.path("envoy.json");
            std::fs::write(&file, self.bootstrap().to_string()).expect("the directory is ours");
            file
        };
        let text = format!(
            "-c {} --concurrency {} --use-dynamic-base-id --file-flush-interval-msec 20 --drain-time-s 1 \
             --log-level info --component-log-level main:warning,wasm:{}",
            file.display(),
            self.workers,
            self.log_level,
        );
        text.split(' ').map(str::to_owned).collect()
    }

    fn bootstrap(&self) -> Value {
        let mut bootstrap = json!({
            "admin": {"address": address("127.0.0.1", 0)},
            "node": {"id": "gateway", "cluster": "tests"},
            "static_resources": {"clusters": self.clusters},
        });
        if self.fixed {
            bootstrap["static_resources"]["listeners"] = self.resources().into();
        } else {
            let watched = json!({"path_config_source": {"path": self.path("listeners.json")}});
            bootstrap["dynamic_resources"]["lds_config"] = watched;
        }
        bootstrap
    }

    fn resources(&self) -> Vec<Value> {
        self.listeners.iter().map(|listener| self.resource(listener)).collect()
    }

    fn resource(&self, listener: &Listener) -> Value {
        let mut resource = json!({
            "name": listener.name,
            "stat_prefix": listener.name,
            "address": address("127.0.0.1", 0),
            "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": self.connection_manager(listener),
            }]}],
        });
        if !self.fixed {
            resource["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
        }
        resource
    }

    fn connection_manager(&self, listener: &Listener) -> Value {
        json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": listener.name,
            "use_remote_address": true,
            "http2_protocol_options": {"allow_connect": true},
            "upgrade_configs": [{"upgrade_type": "websocket"}, {"upgrade_type": "CONNECT"}],
            "access_log": [access_log(&self.path("access.log"))],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": listener.routes}]},
            "http_filters": self.filters(&listener.configuration),
        })
    }

    fn filters(&self, configuration: &Value) -> Vec<Value> {
        let router = json!({
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
        });
        self.before.iter().cloned().chain([self.filter(configuration), router]).collect()
    }

    fn filter(&self, configuration: &Value) -> Value {
        let mut vm = json!({
            "vm_id": "flint",
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": self.wasm}},
        });
        merge(&mut vm, &self.vm);
        let mut plugin = json!({
            "name": "flint",
            "configuration": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": configuration.to_string(),
            },
            "vm_config": vm,
        });
        merge(&mut plugin, &self.plugin);
        json!({
            "name": "flint",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": plugin,
            },
        })
    }
}

/// gRPC to the upstream's HTTP/2 side, CONNECT and all else to the other.
pub(crate) fn default_routes() -> Value {
    json!([
        {
            "match": {"prefix": "/", "grpc": {}},
            "route": {"cluster": "upstream_http2"},
        },
        {"match": {"connect_matcher": {}}, "route": {"cluster": "upstream"}},
        {"match": {"prefix": "/"}, "route": {"cluster": "upstream"}},
        // `OPTIONS *` has no slash.
        {"match": {"safe_regex": {"regex": ".*"}}, "route": {"cluster": "upstream"}},
    ])
}

fn merge(into: &mut Value, from: &Value) {
    for (name, value) in from.as_object().into_iter().flatten() {
        into[name] = value.clone();
    }
}

fn cluster(name: &str, endpoint: SocketAddr) -> Value {
    let endpoint = json!({"endpoint": {"address": address(&endpoint.ip().to_string(), endpoint.port())}});
    json!({
        "name": name,
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    })
}

fn address(ip: &str, port: u16) -> Value {
    json!({"socket_address": {"address": ip, "port_value": port}})
}

fn access_log(path: &std::path::Path) -> Value {
    json!({
        "name": "file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": path,
            "log_format": {"json_format": {
                "case": "%REQ(X-CASE)%",
                "method": "%REQ(:METHOD)%",
                "path": "%REQ(:PATH)%",
                "status": "%RESPONSE_CODE%",
                "details": "%RESPONSE_CODE_DETAILS%",
                "flags": "%RESPONSE_FLAGS%",
                "outcome": "%FILTER_STATE(wasm.flint_outcome:PLAIN)%",
                "key_id": "%FILTER_STATE(wasm.flint_key_id:PLAIN)%",
                "client_id": "%FILTER_STATE(wasm.flint_client_id:PLAIN)%",
            }},
        },
    })
}
