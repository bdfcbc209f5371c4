//! TLS before the scripted authority: an Envoy with its own certificate that passes the bytes on.

use std::net::SocketAddr;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::authority::Authority;
use crate::client::{Protocol, Request};
use crate::expect;
use crate::harness::{Gateway, Plan, eventually};
use crate::keys::Key;
use crate::shipped::{self, LISTENER, Peers};
use crate::upstream::Upstream;

/// A running TLS server in front of a plain one.
pub(crate) struct Terminator {
    gateway: Gateway,
    ca: PathBuf,
}

// === impl Terminator ===

impl Terminator {
    /// Terminates TLS with a certificate for this name, signed by a new CA.
    pub(crate) fn start(name: &str, behind: SocketAddr) -> Self {
        let (key, ca_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // A name of its own: a certificate whose issuer is called like itself counts as
        // self-signed.
        params.distinguished_name.push(DnType::CommonName, "The tests' CA");
        let ca = params.self_signed(&ca_key).expect("a CA can be made");
        let issuer = Issuer::new(params, ca_key);
        let leaf = CertificateParams::new([name.to_owned()]).expect("it is a name");
        let leaf = leaf.signed_by(&key, &issuer).expect("a certificate can be made");
        let plan = Plan::new();
        let write = |file: &str, text: String| {
            let path = plan.path(file);
            std::fs::write(&path, text).expect("the directory is ours");
            path
        };
        let ca = write("ca.pem", ca.pem());
        let certificate = write("certificate.pem", leaf.pem());
        let private_key = write("key.pem", key.serialize_pem());
        let text = format!(
            r#"
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}}}
static_resources:
  listeners:
  - name: tls
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: tls
          cluster: behind
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [http/1.1]
            tls_certificates:
            - certificate_chain: {{filename: "{}"}}
              private_key: {{filename: "{}"}}
  clusters:
  - name: behind
    load_assignment:
      cluster_name: behind
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {}}}}}}}
"#,
            certificate.display(),
            private_key.display(),
            behind.port(),
        );
        Self { gateway: Gateway::start(plan.with_file(text)), ca }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.gateway.listener("tls")
    }

    /// The file with the CA's certificate.
    pub(crate) fn ca(&self) -> &std::path::Path {
        &self.ca
    }
}

#[test]
fn an_authority_with_a_certificate_for_another_name_is_not_believed() {
    let (authority, upstream) = (Authority::start(), Upstream::start("production"));
    let key = Key::live("good").may(&["*"]);
    authority.announce([&key]);
    let impostor = Terminator::start("authority.example", authority.address());
    let peers =
        Peers { authority: impostor.address(), upstream: upstream.address, sandbox: upstream.address };
    let file = shipped::all().into_iter().find(|file| file.name() == "tls").expect("tls.yaml");
    let file = file.replace("certs/authority-ca.pem", &impostor.ca().display().to_string());
    let gateway = Gateway::start(file.plan(&peers));
    let request = Request::get("/documents").bearer(&key.secret);
    expect::denied(&request.send(Protocol::Http1, gateway.listener(LISTENER)), "unavailable");
    eventually("the failure is counted", || {
        gateway.statistics().holding("flint_poll_failures_").any(|(_, value)| value > 0)
    });
    assert_eq!(authority.calls().len(), 0, "the token is told to nobody");
}
