use super::*;
use rcgen::{CertifiedKey, generate_simple_self_signed};

/// A certificate for this name, and its key.
fn pair(name: &str) -> (String, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

fn write(directory: &Path, certificate: &str, key: &str) -> TlsFiles {
    let files = TlsFiles { certificate: directory.join("cert.pem"), key: directory.join("key.pem") };
    std::fs::write(&files.certificate, certificate).unwrap();
    std::fs::write(&files.key, key).unwrap();
    files
}

fn served(tls: &Tls) -> Arc<ServerConfig> {
    Arc::clone(&tls.current.read().unwrap())
}

#[test]
fn a_new_pair_takes_over_and_a_bad_one_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (pair("a.example"), pair("b.example"));
    let tls = Tls::load(write(directory.path(), &first.0, &first.1)).unwrap();
    let before = served(&tls);
    assert!(!tls.reload().unwrap(), "nothing has changed");
    assert!(Arc::ptr_eq(&before, &served(&tls)));

    // The certificate is there, its key is not yet.
    write(directory.path(), &second.0, &first.1);
    assert!(matches!(tls.reload(), Err(TlsError::NoPair(_))));
    assert!(!tls.reload().unwrap(), "it is complained of once");
    assert!(Arc::ptr_eq(&before, &served(&tls)));

    write(directory.path(), &second.0, &second.1);
    assert!(tls.reload().unwrap());
    let after = served(&tls);
    assert!(!Arc::ptr_eq(&before, &after));

    std::fs::remove_file(directory.path().join("key.pem")).unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::Unreadable { .. })));
    assert!(!tls.reload().is_ok_and(|is_new| is_new));
    assert!(Arc::ptr_eq(&after, &served(&tls)));
}

#[test]
fn what_cannot_be_served_is_refused_and_nothing_of_it_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let (good, other) = (pair("a.example"), pair("a.example"));
    let secret = good.1.lines().nth(1).unwrap();
    // As where somebody has pasted a key without its first line's end, or has put it into the wrong
    // file.
    let broken = format!("-----BEGIN PRIVATE KEY{secret}\n{}", good.1);
    for (certificate, key, wrong) in [
        ("", good.1.as_str(), "cert.pem"),
        (good.1.as_str(), &good.1, "cert.pem"),
        (&good.0, "", "key.pem"),
        (&good.0, &good.0, "key.pem"),
        (&good.0, &broken, "key.pem"),
        (&broken, &good.1, "cert.pem"),
        (&good.0, &good.1[..good.1.len() - 40], "key.pem"),
        (&good.0, &other.1, "cert.pem"),
    ] {
        let error = Tls::load(write(directory.path(), certificate, key)).unwrap_err();
        for told in [error.to_string(), format!("{error:?}")] {
            assert!(told.contains(wrong) && !told.contains(secret), "{told}");
        }
    }
    let files = TlsFiles { certificate: "/nonexistent/cert.pem".into(), key: "/nonexistent/key.pem".into() };
    assert!(Tls::load(files).unwrap_err().to_string().contains("/nonexistent/cert.pem"));
}
