//! TLS without a proxy: a certificate and its key from two PEM files, which are read again while
//! the program runs.
//!
//! A pair that cannot be used changes nothing: the previous one stays in use, and the log says why.
//! No message has anything of what a file holds.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use flint_contract::key::Digest;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Where the certificate and its key are.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate and those that lead to its root, in this order.
    pub certificate: PathBuf,
    /// The private key, not encrypted.
    pub key: PathBuf,
}

/// Why a certificate cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The first file is not what it should be.
    #[error("{} has no certificate in PEM form, or a broken entry", .0.display())]
    NoCertificate(PathBuf),
    /// The second file is not what it should be.
    #[error("{} has no unencrypted private key in PEM form", .0.display())]
    NoKey(PathBuf),
    /// They are not a pair, or of a kind that is not known.
    #[error("the certificate in {} does not match the key in {}, or one of them is of an unknown kind", .0.certificate.display(), .0.key.display())]
    NoPair(TlsFiles),
}

/// The certificate that is served now.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    current: RwLock<Arc<ServerConfig>>,
    /// What the files held when they were read last, good or bad.
    seen: RwLock<Option<Digest>>,
}

/// What the files hold.
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Tls {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// If they hold no certificate with its key.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let contents = Contents::read(&files)?;
        let config = contents.config(&files)?;
        let seen = RwLock::new(Some(contents.digest()));
        Ok(Self { files, current: RwLock::new(Arc::new(config)), seen })
    }

    /// What makes the next connection a secure one.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Reads the files again, if they are not those that were read last. Whether there is another
    /// certificate now.
    ///
    /// # Errors
    /// If they cannot be used; the same ones are complained of once.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let contents = Contents::read(&self.files);
        let digest = contents.as_ref().ok().map(Contents::digest);
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *seen, digest) == digest {
            return Ok(false);
        }
        let config = contents?.config(&self.files)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        Ok(true)
    }

    /// Reads the files again with every SIGHUP, and every minute, for as long as the program runs.
    pub(crate) async fn follow(self: Arc<Self>) {
        let mut ticks = interval(LOOK_AGAIN);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut hangups = Hangups::new();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = hangups.next() => {}
            }
            let tls = Arc::clone(&self);
            // The files may be on a slow disk.
            match tokio::task::spawn_blocking(move || tls.reload()).await {
                Ok(Ok(true)) => tracing::info!("serving the new certificate"),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::error!(%error, "keeping the previous certificate"),
                Err(error) => tracing::error!(%error, "reading the certificate ended early"),
            }
        }
    }
}

impl Contents {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|error| TlsError::Unreadable { path: path.to_owned(), error })
        };
        Ok(Self { certificate: read(&files.certificate)?, key: read(&files.key)? })
    }

    fn digest(&self) -> Digest {
        // The length says where one ends and the other begins.
        let length = self.certificate.len().to_be_bytes();
        Digest::of(&[&length, self.certificate.as_slice(), &self.key].concat())
    }

    fn config(&self, files: &TlsFiles) -> Result<ServerConfig, TlsError> {
        // Errors of the parser repeat the line that they stumble over.
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::NoCertificate(files.certificate.clone()))?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate(files.certificate.clone()));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| TlsError::NoKey(files.key.clone()))?;
        let no_pair = |_| TlsError::NoPair(files.clone());
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(no_pair)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(no_pair)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// The signal that tells daemons to read their files again.
struct Hangups {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    fn new() -> Self {
        Self {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok(),
        }
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests;
