//! What the command line calls the fields that a mistake names: rules speak of `expires_at`, people
//! typed `--expires`.

/// The option that sets a field, or the field itself if there is none.
pub(super) fn option(field: &str) -> String {
    let (name, index) = field.split_once('[').unwrap_or((field, ""));
    let option = match name {
        "permissions" => "--permission",
        "allowed_cidrs" => "--cidr",
        "expires_at" => "--expires",
        "not_before" => "--not-before",
        "rotate_by" => "--rotate",
        "overlap_seconds" => "--overlap",
        "environment" => "--environment",
        "owner" => "--owner",
        "reason" => "--reason",
        "redirect_uris" => "--redirect-uri",
        "grant_types" => "--grant",
        "token_endpoint_auth_method" => "--auth",
        "access_token_seconds" => "--access-token-seconds",
        "refresh_idle_seconds" => "--refresh-idle-seconds",
        "refresh_max_seconds" => "--refresh-max-seconds",
        "jwks" => "--jwks",
        _ => return field.to_owned(),
    };
    // Of an option that is repeated, the first needs no number.
    match index.strip_suffix(']').and_then(|index| index.parse::<usize>().ok()) {
        None | Some(0) => option.to_owned(),
        Some(index) => format!("{option} (number {})", index + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_called_as_its_option() {
        for (field, expected) in [
            ("expires_at", "--expires"),
            ("permissions", "--permission"),
            ("permissions[0]", "--permission"),
            ("allowed_cidrs[2]", "--cidr (number 3)"),
            ("name", "name"),
            ("jwks.keys[1]", "jwks.keys[1]"),
        ] {
            assert_eq!(option(field), expected);
        }
    }
}
