//! What goes wrong, in the words of the standards (RFC 6749 §4.1.2.1 and §5.2, RFC 8707 §2, RFC
//! 9101 §6.3).
//!
//! A description is a fixed text of the characters that RFC 6749 allows
//! (`%x20-21 / %x23-5B / %x5D-7E`): it says which rule was broken and repeats nothing that was
//! sent.

/// An error and what it says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fault {
    /// For programs, such as `invalid_request`.
    pub code: &'static str,
    /// For people.
    pub description: &'static str,
}

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident: $description:literal;)+) => {
        impl Fault {$(
            $(#[$doc])*
            #[must_use]
            pub const fn $name() -> Self {
                Self { code: stringify!($name), description: $description }
            }
        )+}
    };
}

faults! {
    /// The client may not use this grant or response type.
    unauthorized_client: "The client may not use this grant type";
    /// Another response type than `code`.
    unsupported_response_type: "The response type must be code";
    /// Another grant type than those that are served.
    unsupported_grant_type: "The grant type must be authorization_code, refresh_token or client_credentials";
    /// A scope that is malformed, or more than may be asked for.
    invalid_scope: "The scope is malformed, or more than may be asked for";
    /// A resource that is not served, more than one, or another than granted.
    invalid_target: "The resource is not served here, is more than one, or is not the one that was granted";
    /// A request object.
    request_not_supported: "Request objects are not supported";
    /// A request object by reference.
    request_uri_not_supported: "Request objects by reference are not supported";
    /// The user refuses, or has nothing to give.
    access_denied: "The request was refused";
    /// The client is unknown, or has not proved to be what it says.
    invalid_client: "Client authentication failed";
    /// A code or a refresh token that is not good, or is not good for this.
    invalid_grant: "The code or token is invalid, expired, used, or not for this request";
    /// The database does not answer.
    temporarily_unavailable: "The server cannot answer at the moment; try again";
    /// Something is wrong here.
    server_error: "The server cannot answer at the moment; try again";
}

impl Fault {
    /// The request breaks a rule of its form.
    #[must_use]
    pub const fn invalid_request(description: &'static str) -> Self {
        Self { code: "invalid_request", description }
    }

    /// A parameter was given more than once.
    #[must_use]
    pub const fn repeated() -> Self {
        Self::invalid_request("A parameter was given more than once, or is not UTF-8")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_5_2_descriptions_are_made_of_the_characters_that_it_allows() {
        for fault in [
            Fault::unauthorized_client(),
            Fault::unsupported_response_type(),
            Fault::unsupported_grant_type(),
            Fault::invalid_scope(),
            Fault::invalid_target(),
            Fault::request_not_supported(),
            Fault::request_uri_not_supported(),
            Fault::access_denied(),
            Fault::invalid_client(),
            Fault::invalid_grant(),
            Fault::temporarily_unavailable(),
            Fault::server_error(),
            Fault::repeated(),
        ] {
            let allowed = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            assert!(fault.description.bytes().all(allowed) && fault.code.bytes().all(allowed), "{fault:?}");
        }
    }
}
