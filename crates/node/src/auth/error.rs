//! Why somebody was not let in, or a user not changed.

use std::fmt;

use policy::Duty;
use store::StoreError;

use super::limits;

/// Why somebody was not let in, or a user not changed. Nothing has changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AuthError {
    /// No credentials were given.
    Missing,
    /// The credentials are not good (which part is wrong is not told).
    Wrong,
    /// Too many passwords are being checked at this moment.
    Busy,
    /// There were too many failures; the next attempt is looked at after this time.
    Later {
        /// Seconds until then.
        secs: i64,
    },
    /// The password is right, but this user also needs a one-time code.
    SecondFactor,
    /// A user name has other characters than allowed, or too many.
    BadName,
    /// A password breaks a rule.
    BadPassword {
        /// Which, and what to do.
        why: &'static str,
    },
    /// More collections, or other names, than a restriction can have.
    BadCollections,
    /// Something else in the request cannot be used.
    Unusable {
        /// What, and what is expected.
        why: String,
    },
    /// One person may not hold these two duties.
    Apart {
        /// One of them.
        one: Duty,
        /// The other.
        other: Duty,
    },
    /// Nobody changes what they themselves may do, nor their own account as an operator.
    OwnRights,
    /// No operator would be left.
    LastOperator {
        /// Who is the last.
        name: String,
    },
    /// The caller may not give this away.
    NotTheirs {
        /// What, and who may.
        why: String,
    },
    /// There is no such user.
    UnknownUser {
        /// The name that was given.
        name: String,
    },
    /// The user has no such token or session.
    UnknownId {
        /// The id that was given.
        id: String,
    },
    /// The store could not answer.
    Store(StoreError),
}

impl AuthError {
    pub(super) fn unusable(why: impl Into<String>) -> AuthError {
        AuthError::Unusable { why: why.into() }
    }
}

impl From<StoreError> for AuthError {
    fn from(error: StoreError) -> AuthError {
        AuthError::Store(error)
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuthError::Missing => write!(
                f,
                "Say who you are: send a user name and password, or a token."
            ),
            AuthError::Wrong => write!(
                f,
                "The user name, password, code or token is not right, or is not valid any more."
            ),
            AuthError::Busy => write!(
                f,
                "Too many passwords are being checked: try again in a moment."
            ),
            AuthError::Later { secs } => write!(
                f,
                "There were too many failed attempts: try again in {secs} s, or ask the operator to unlock the user."
            ),
            AuthError::SecondFactor => write!(
                f,
                "This user signs in with a one-time code too: sign in at /auth/session first, or use a token."
            ),
            AuthError::BadName => write!(
                f,
                "A user name has 1 to {} letters, digits and . _ @ - characters: choose another.",
                limits::NAME_CHARS_MAX
            ),
            AuthError::BadPassword { why } => write!(f, "The password cannot be used: {why}."),
            AuthError::BadCollections => write!(
                f,
                "A user is restricted to at most {} collections, each named `national` or `<accord>/<channel>`.",
                limits::COLLECTIONS_MAX
            ),
            AuthError::Unusable { why } | AuthError::NotTheirs { why } => f.write_str(why),
            AuthError::Apart { one, other } => write!(
                f,
                "One person may not be both {one} and {other}: give one of the two to somebody else."
            ),
            AuthError::OwnRights => write!(
                f,
                "Nobody changes their own duties or account rights: ask another operator."
            ),
            AuthError::LastOperator { name } => write!(
                f,
                "{name} is the last operator: make another one first, or say that you mean it (force)."
            ),
            AuthError::UnknownUser { name } => write!(f, "There is no user {name}: add it first."),
            AuthError::UnknownId { id } => {
                write!(f, "There is nothing called {id} here: list what there is.")
            }
            AuthError::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AuthError {}
