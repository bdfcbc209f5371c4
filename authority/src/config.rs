//! What the program is told when it starts: where the database is.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where the keys are kept.
///
/// `sqlite:<path>` or `postgres://<user>@<host>/<database>`. `Display` and `Debug` leave a password
/// out.
#[derive(Clone, Eq, PartialEq)]
pub enum Database {
    /// A file.
    Sqlite(PathBuf),
    /// A server, as its URL.
    Postgres(String),
}

/// Why a text is not the address of a database.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be sqlite:<path of a file> or postgres://<user>@<host>/<database>")]
pub struct NotADatabase;

impl Database {
    /// Reads an address.
    ///
    /// # Errors
    /// If it is neither of the two kinds. A database in memory is refused: it would be lost with
    /// the process.
    pub fn parse(text: &str) -> Result<Self, NotADatabase> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.into()));
        }
        let path = text.strip_prefix("sqlite:").ok_or(NotADatabase)?;
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.starts_with(':') || path.contains('?') {
            return Err(NotADatabase);
        }
        Ok(Self::Sqlite(path.into()))
    }

    /// The file, where there is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
                // Parameters may hold a password too.
                let rest = rest.split('?').next().unwrap_or_default();
                let (user, place) = rest.rsplit_once('@').unwrap_or(("", rest));
                let user = user.split(':').next().unwrap_or_default();
                let at = if user.is_empty() { "" } else { "@" };
                write!(f, "{scheme}://{user}{at}{place}")
            }
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_are_read_and_nothing_else() {
        assert_eq!(Database::parse("sqlite:flint.db"), Ok(Database::Sqlite("flint.db".into())));
        assert_eq!(Database::parse("sqlite:///var/flint.db"), Ok(Database::Sqlite("/var/flint.db".into())));
        assert!(matches!(Database::parse("postgres://flint@db/flint"), Ok(Database::Postgres(_))));
        for bad in ["", "flint.db", "sqlite:", "sqlite::memory:", "sqlite:a?mode=memory", "mysql://x"] {
            assert_eq!(Database::parse(bad), Err(NotADatabase), "{bad}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("postgres://flint:s3cret@db:5432/flint?sslmode=require", "postgres://flint@db:5432/flint"),
            ("postgres://flint:p@ss@db/flint", "postgres://flint@db/flint"),
            ("postgres://db/flint?password=s3cret", "postgres://db/flint"),
        ] {
            let database = Database::parse(url).unwrap();
            assert_eq!(format!("{database} {database:?}"), format!("{shown} {shown}"));
        }
    }
}
