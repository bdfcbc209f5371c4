//! Public keys as JSON (RFC 7517, RFC 7518 §6, RFC 8037), and signatures that they made.
//!
//! A key says of which algorithms it is by what it is, and narrows that by its own `alg`; a
//! signature's header chooses among those and no others (RFC 8725 §3.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    self, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde_json::Value;

/// The algorithms whose signatures are looked at.
pub const ALGORITHMS: [&str; 7] = ["ES256", "ES384", "EdDSA", "RS256", "RS384", "RS512", "PS256"];
/// The members of a private or a symmetric key.
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

/// A key that checks signatures.
#[derive(Clone, Debug)]
pub struct PublicKey {
    kid: Option<String>,
    alg: Option<String>,
    material: Material,
}

#[derive(Clone, Debug)]
enum Material {
    /// `04`, x and y.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

/// Whether this is a key that nobody should have sent.
#[must_use]
pub fn is_private(key: &Value) -> bool {
    PRIVATE.iter().any(|member| key.get(member).is_some())
}

impl PublicKey {
    /// Reads a key. `None`: it is none that checks signatures, or of a kind or size that is not
    /// looked at.
    #[must_use]
    pub fn parse(key: &Value) -> Option<Self> {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        if is_private(key) || text("use").is_some_and(|usage| usage != "sig") {
            return None;
        }
        let member = |name: &str| text(name).and_then(|value| URL_SAFE_NO_PAD.decode(value).ok());
        let of_length = |name: &str, length: usize| member(name).filter(|bytes| bytes.len() == length);
        let point = |length| Some([vec![4], of_length("x", length)?, of_length("y", length)?].concat());
        let material = match (text("kty")?, text("crv")) {
            ("EC", Some("P-256")) => Material::P256(point(32)?),
            ("EC", Some("P-384")) => Material::P384(point(48)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(of_length("x", 32)?),
            ("RSA", _) => rsa(&member("n")?, &member("e")?)?,
            _ => return None,
        };
        let (kid, alg) = (text("kid").map(Into::into), text("alg").map(str::to_owned));
        let key = Self { kid, alg, material };
        key.alg.as_deref().is_none_or(|alg| key.material.fits(alg)).then_some(key)
    }

    /// Whether a signature with this header may be this key's.
    #[must_use]
    pub fn is_meant(&self, kid: Option<&str>, alg: &str) -> bool {
        kid.is_none_or(|kid| self.kid.as_deref().is_none_or(|own| own == kid))
            && self.alg.as_deref().is_none_or(|own| own == alg)
            && self.material.fits(alg)
    }

    /// Whether this key made that signature.
    #[must_use]
    pub fn verifies(&self, alg: &str, signed: &[u8], signature: &[u8]) -> bool {
        let by = |algorithm: &'static dyn signature::VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key).verify(signed, signature).is_ok()
        };
        match &self.material {
            material if !material.fits(alg) => false,
            Material::P256(point) => by(&ECDSA_P256_SHA256_FIXED, point),
            Material::P384(point) => by(&ECDSA_P384_SHA384_FIXED, point),
            Material::Ed25519(key) => by(&ED25519, key),
            Material::Rsa { n, e } => {
                let parameters = match alg {
                    "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
                    "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
                    "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
                    _ => &signature::RSA_PSS_2048_8192_SHA256,
                };
                RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature).is_ok()
            }
        }
    }
}

impl Material {
    fn fits(&self, alg: &str) -> bool {
        match self {
            Self::P256(_) => alg == "ES256",
            Self::P384(_) => alg == "ES384",
            Self::Ed25519(_) => alg == "EdDSA",
            Self::Rsa { .. } => matches!(alg, "RS256" | "RS384" | "RS512" | "PS256"),
        }
    }
}

/// An RSA key of 2,048 to 4,096 bits whose exponent is odd, at least 3, and at most 32 bits.
fn rsa(n: &[u8], e: &[u8]) -> Option<Material> {
    let n = &n[n.iter().take_while(|byte| **byte == 0).count()..];
    let e = &e[e.iter().take_while(|byte| **byte == 0).count()..];
    let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let is_odd = e.last().is_some_and(|byte| byte % 2 == 1);
    let is_good = (2_048..=4_096).contains(&bits) && is_odd && e.len() <= 4 && *e != [1];
    is_good.then(|| Material::Rsa { n: n.into(), e: e.into() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 8037 appendix A.4.
    #[test]
    fn rfc8037_appendix_a_4_the_example_verifies() {
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        let key = PublicKey::parse(&key).unwrap();
        let signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature =
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(key.verifies("EdDSA", signed, &signature));
        assert!(
            !key.verifies("EdDSA", &signed[1..], &signature) && !key.verifies("ES256", signed, &signature)
        );
    }

    /// RFC 7515 appendix A.3.
    #[test]
    fn rfc7515_appendix_a_3_the_example_verifies() {
        let key = json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                         "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "kid": "1"});
        let key = PublicKey::parse(&key).unwrap();
        let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19y\
                     b290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        let jws = super::super::jws::Jws::parse(token).unwrap();
        assert!(key.verifies("ES256", jws.signed.as_bytes(), &jws.signature));
        assert!(key.is_meant(Some("1"), "ES256") && key.is_meant(None, "ES256"));
        assert!(
            !key.is_meant(Some("2"), "ES256") && !key.is_meant(None, "RS256") && !key.is_meant(None, "none")
        );
    }

    #[test]
    fn rfc8725_3_1_keys_of_other_kinds_are_none() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        for bad in [
            json!({}),
            json!({"kty": "oct", "k": x}),
            json!({"kty": "OKP", "crv": "X25519", "x": x}),
            json!({"kty": "OKP", "crv": "Ed25519", "x": &x[1..]}),
            json!({"kty": "OKP", "crv": "Ed25519", "x": x, "use": "enc"}),
            json!({"kty": "OKP", "crv": "Ed25519", "x": x, "alg": "ES256"}),
            json!({"kty": "OKP", "crv": "Ed25519", "x": x, "d": x}),
            json!({"kty": "EC", "crv": "P-256", "x": x}),
            json!({"kty": "RSA", "n": x, "e": "AQAB"}),
            json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode([255; 256]), "e": "AQ"}),
            json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode([255; 256]), "e": "AAI"}),
            json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode([255; 513]), "e": "AQAB"}),
        ] {
            assert!(PublicKey::parse(&bad).is_none(), "{bad}");
        }
        let good =
            json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode([255; 256]), "e": "AQAB", "alg": "RS256"});
        let good = PublicKey::parse(&good).unwrap();
        assert!(good.is_meant(None, "RS256") && !good.is_meant(None, "PS256"));
    }
}
