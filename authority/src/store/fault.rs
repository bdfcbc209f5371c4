//! Whose fault a failure is. Of a database that is away or busy people are told to try again; of a
//! fault of the program, or of a row that it cannot read, they are not.

use super::StoreError;

/// What SQLite says that only a fault of the program can be behind: SQLITE_ERROR, _CORRUPT,
/// _TOOBIG, _CONSTRAINT, _MISMATCH, _MISUSE, _RANGE, _NOTADB.
const OURS_OF_SQLITE: [i64; 8] = [1, 11, 18, 19, 20, 21, 25, 26];
/// The same of PostgreSQL, by the class of SQLSTATE: cardinality, data, integrity, names and
/// syntax, internal.
const OURS_OF_POSTGRES: [&str; 5] = ["21", "22", "23", "42", "XX"];

impl StoreError {
    /// The database did not answer in time.
    pub(crate) const fn timed_out() -> Self {
        Self::Database(sqlx::Error::PoolTimedOut)
    }

    /// Whether the database is away or busy, so that the same may well be done in a moment.
    #[must_use]
    pub fn is_away(&self) -> bool {
        use sqlx::Error::{
            BeginFailed, Database, Io, PoolClosed, PoolTimedOut, Protocol, Tls, WorkerCrashed,
        };
        match self {
            Self::Database(Database(said)) => !said.code().is_some_and(|code| is_ours(&code)),
            Self::Database(error) => matches!(
                error,
                BeginFailed | Io(_) | PoolClosed | PoolTimedOut | Protocol(_) | Tls(_) | WorkerCrashed
            ),
            _ => false,
        }
    }
}

/// Whether a code of either database says that the statement was wrong, or what it would have done.
fn is_ours(code: &str) -> bool {
    if code.len() == 5 {
        return OURS_OF_POSTGRES.iter().any(|class| code.starts_with(class));
    }
    // An extended code has the plain one in its last eight bits.
    code.parse::<i64>().is_ok_and(|code| OURS_OF_SQLITE.contains(&(code & 0xff)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_ours_is_told_from_a_database_that_is_away() {
        for (code, expected) in [
            ("1", true),
            ("2067", true),
            ("22003", true),
            ("42P01", true),
            ("XX000", true),
            ("5", false),
            ("10", false),
            ("13", false),
            ("08006", false),
            ("40001", false),
            ("53300", false),
            ("57P01", false),
        ] {
            assert_eq!(is_ours(code), expected, "{code}");
        }
        assert!(StoreError::from(sqlx::Error::PoolTimedOut).is_away());
        assert!(!StoreError::from(sqlx::Error::Decode("not a number".into())).is_away());
        assert!(!StoreError::Corrupt("a row").is_away());
    }
}
