//! A gateway with everything around it, and the shared one that most tests use.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::authority::{Authority, TOKEN};
use crate::client::{Answer, Protocol, Request, http1};
use crate::harness::{Gateway, Plan, awaited};
use crate::upstream::Upstream;

/// An authority, two upstreams, and a gateway between clients and those.
pub(crate) struct Scene {
    pub(crate) gateway: Gateway,
    pub(crate) authority: Authority,
    pub(crate) upstream: Upstream,
    _sandbox: Upstream,
}

/// The plugin configuration that tests start from, with these fields on top.
pub(crate) fn configuration(fields: Value) -> Value {
    let mut all = json!({
        "environments": ["live"],
        "authority": {"cluster": "authority", "token": TOKEN},
        "routes": [
            {"path": "/healthz", "methods": ["GET"], "public": true},
            {"path": "/documents", "methods": ["GET"], "all_of": ["documents:read"]},
            {"path": "/documents/{id}", "methods": ["PUT", "DELETE"], "any_of": ["documents:write", "documents:admin"]},
            {"path": "/admin/**", "all_of": ["admin:all"]},
        ],
    });
    for (name, value) in fields.as_object().expect("fields") {
        all[name] = value.clone();
    }
    all
}

/// [`configuration`] with these fields of `authority` on top.
pub(crate) fn with_authority(fields: Value) -> Value {
    let mut all = configuration(json!({}));
    for (name, value) in fields.as_object().expect("fields") {
        all["authority"][name] = value.clone();
    }
    all
}

/// Envoy's own filter that delays and answers requests as their headers ask.
pub(crate) fn fault() -> Value {
    json!({
        "name": "envoy.filters.http.fault",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
            "delay": {"header_delay": {}, "percentage": {"numerator": 100}},
            "abort": {"header_abort": {}, "percentage": {"numerator": 100}},
        },
    })
}

// === impl Scene ===

impl Scene {
    /// One listener `main` with this plugin configuration.
    #[track_caller]
    pub(crate) fn start(workers: usize, configuration: Value) -> Self {
        Self::plan(|plan| plan.workers(workers).listener("main", configuration))
    }

    /// Whatever the plan says, next to a healthy authority.
    #[track_caller]
    pub(crate) fn plan(plan: impl FnOnce(Plan) -> Plan) -> Self {
        Self::with(Authority::start(), plan)
    }

    /// Whatever the plan says, next to this authority.
    #[track_caller]
    pub(crate) fn with(authority: Authority, plan: impl FnOnce(Plan) -> Plan) -> Self {
        let (upstream, sandbox) = (Upstream::start("production"), Upstream::start("sandbox"));
        let base = Plan::new()
            .cluster("authority", authority.address())
            .cluster("upstream", upstream.address)
            .http2_cluster("upstream_http2", upstream.address)
            .cluster("sandbox", sandbox.address);
        Self { gateway: Gateway::start(plan(base)), authority, upstream, _sandbox: sandbox }
    }

    /// Sends a request to a listener by HTTP/1.1.
    #[track_caller]
    pub(crate) fn send(&self, listener: &str, request: &Request) -> Answer {
        request.send(Protocol::Http1, self.gateway.listener(listener))
    }

    /// Sends a request to a listener, and returns what Envoy's access log says of it next to the
    /// answer.
    #[track_caller]
    pub(crate) fn send_logged(
        &self,
        protocol: Protocol,
        listener: &str,
        request: Request,
    ) -> (Answer, Value) {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let case = LAST.fetch_add(1, Ordering::Relaxed).to_string();
        let answer = request.header("x-case", &case).send(protocol, self.gateway.listener(listener));
        let line = awaited("the request is in the access log", || {
            self.gateway.access_log().into_iter().find(|line| line["case"] == case.as_str())
        });
        (answer, line)
    }

    /// Opens connections until every worker of a listener has at least two.
    #[track_caller]
    pub(crate) fn connections(&self, listener: &str) -> Vec<http1::Connection> {
        self.gateway.connections(listener)
    }
}

/// The gateway that tests share which only add keys and send requests: four workers, and a listener
/// for each way of configuring the filter that such tests need.
pub(crate) fn shared() -> Witness {
    static SHARED: LazyLock<Scene> = LazyLock::new(|| {
        let open = configuration(json!({"environments": ["live", "test"]}));
        Scene::plan(|plan| {
            plan.workers(4)
                .listener("main", configuration(json!({})))
                .listener("both", open.clone())
                .listener("test", configuration(json!({"environments": ["test"]})))
                .listener("forwarding", configuration(json!({"forward_authorization": true})))
                .listener("preflight", configuration(json!({"cors_preflight": "allow"})))
                .listener("closed", configuration(json!({"default": "deny"})))
                .listener_with_routes("by-environment", open, by_environment())
        })
    });
    Witness { scene: &SHARED, logged: SHARED.gateway.log().len() }
}

/// The shared scene for one test; shows the log of that time where the test fails.
pub(crate) struct Witness {
    scene: &'static Scene,
    logged: usize,
}

impl std::ops::Deref for Witness {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        self.scene
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- Envoy's log ---\n{}", &self.scene.gateway.log()[self.logged..]);
        } else {
            self.scene.gateway.is_unharmed();
        }
    }
}

/// Routes that send test keys to the sandbox, as contract §4 suggests.
fn by_environment() -> Value {
    let header = json!({"name": "x-flint-environment", "string_match": {"exact": "test"}});
    json!([
        {"match": {"prefix": "/", "headers": [header]}, "route": {"cluster": "sandbox"}},
        {"match": {"prefix": "/"}, "route": {"cluster": "upstream"}},
    ])
}
