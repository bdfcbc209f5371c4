//! Properties: no bytes make it panic, and only what was signed is accepted.

use proptest::prelude::*;
use serde_json::json;

use super::support::*;
use crate::token::keys::KeySet;
use crate::token::{Fault, Unverified};

proptest! {
    #[test]
    fn no_bytes_make_a_token_panic(token in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(Unverified::read(&token, &[issuer()], NOW).map(drop), Err(Fault::Invalid));
    }

    #[test]
    fn no_texts_make_a_token_panic(header in ".{0,60}", claims in ".{0,200}") {
        let _ = judge(&sign_texts(&header, &claims, 1));
    }

    #[test]
    fn no_bytes_make_a_set_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = KeySet::parse(&body);
        let _ = KeySet::read(&body);
    }

    #[test]
    fn a_token_with_one_character_changed_is_refused(place in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.=-]") {
        let token = token();
        let place = place.index(token.len());
        prop_assume!(token[place..=place] != to);
        let mut changed = token;
        changed.replace_range(place..=place, &to);
        prop_assert!(judge(&changed).is_err());
    }

    #[test]
    fn a_token_is_good_from_its_beginning_to_its_end(
        exp in 0_i64..3_000, nbf in 0_i64..3_000, iat in 0_i64..3_000, now in 0_i64..3_000, skew in 0_u32..300,
    ) {
        let mut claims = claims();
        (claims["exp"], claims["nbf"], claims["iat"]) = (json!(exp), json!(nbf), json!(iat));
        let issuer = crate::token::Issuer { clock_skew_seconds: skew, ..issuer() };
        let read = Unverified::read(sign(&header(), &claims).as_bytes(), &[issuer], now).map(drop);
        let skew = i64::from(skew);
        let expected = if nbf > now + skew || iat > now + skew {
            Err(Fault::Invalid)
        } else if now >= exp + skew {
            Err(Fault::Expired)
        } else {
            Ok(())
        };
        prop_assert_eq!(read, expected);
    }
}
