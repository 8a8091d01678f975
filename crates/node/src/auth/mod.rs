//! Who is asking: national users, their passwords and API tokens, and what each may do.
//!
//! Users and tokens are store settings (`user/<name>`, `token/<SHA-256 of the token>`), so they are
//! durable, backed up and rebuilt with everything else. Passwords are kept as Argon2id hashes,
//! tokens (256 random bits, shown once) as SHA-256.
//!
//! INVARIANT: every change of a user or token is effective for the very next request. Argon2 is
//! too dear to run per request, so a proof once given is remembered in memory for a few minutes
//! under a keyed digest of the header that gave it; any change forgets them all, and a proof whose
//! check began before a change is not remembered.
//!
//! A flood of guesses costs a bounded amount of memory and CPU ([`AuthError::Busy`] beyond it) and
//! does not disturb clients whose proof is remembered. What a caller may do with a collection is
//! decided by the one that asks, from [`Caller`].

mod caller;
pub mod certificate;
mod duties;
mod limits;
pub mod oidc;
pub mod passkey;
mod password;
mod provider;
pub(crate) mod secret;
#[cfg(test)]
mod tests;
mod users;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::HeaderValue;
use policy::Duty;
use store::{Seq, Store, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::Clock;

pub use caller::{Caller, Denied, Proof, SOCKET_NAME, Scope};
use limits::{HASHES_AT_ONCE, HASHES_WAITING_MAX, HEADER_BYTES_MAX, PROOF_SECS_MAX, PROOFS_MAX};
pub use users::{UserChange, UserInfo};

/// Why somebody was not let in, or a user not changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AuthError {
    /// No credentials were given.
    Missing,
    /// The credentials are not good (which part is wrong is not told).
    Wrong,
    /// Too many passwords are being checked at this moment.
    Busy,
    /// A user name has other characters than allowed, or too many.
    BadName,
    /// A password is too short, too long or has control characters.
    BadPassword,
    /// More collections, or other names, than a restriction can have.
    BadCollections,
    /// One person may not hold these two duties.
    Apart {
        /// One of them.
        one: Duty,
        /// The other.
        other: Duty,
    },
    /// There is no such user.
    UnknownUser {
        /// The name that was given.
        name: String,
    },
    /// The store could not answer.
    Store(StoreError),
}

/// Checks credentials and keeps the users.
pub struct Auth {
    store: Store,
    clock: Clock,
    proofs: Mutex<Proofs>,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// What was proved lately.
struct Proofs {
    key: secret::Key,
    /// Counts the changes of users; a proof belongs to the state in which its check began.
    epoch: u64,
    known: HashMap<[u8; 32], Proved>,
}

struct Proved {
    caller: Arc<Caller>,
    from: Seq,
    until: Seq,
}

/// Credentials as the header states them.
enum Claim {
    Password { name: String, password: Vec<u8> },
    Token { digest: String },
}

impl Auth {
    /// Users and tokens as `store` holds them.
    pub fn new(store: Store, clock: Clock) -> Auth {
        let proofs = Proofs {
            key: secret::random(),
            epoch: 0,
            known: HashMap::new(),
        };
        Auth {
            store,
            clock,
            proofs: Mutex::new(proofs),
            turns: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Who sent this `Authorization` header (RFC 7617 Basic, or RFC 6750 Bearer).
    ///
    /// # Errors
    /// [`AuthError::Missing`] and [`AuthError::Wrong`] are the client's (401);
    /// [`AuthError::Busy`] passes by itself (429).
    pub async fn authenticate(
        &self,
        header: Option<&HeaderValue>,
    ) -> Result<Arc<Caller>, AuthError> {
        let header = header.ok_or(AuthError::Missing)?;
        if header.len() > HEADER_BYTES_MAX {
            return Err(AuthError::Wrong);
        }
        let now = self.clock.micros();
        let (digest, epoch) = {
            let proofs = self.proofs();
            let digest = secret::mac(&proofs.key, &[header.as_bytes()]);
            if let Some(proof) = proofs.known.get(&digest)
                && (proof.from..proof.until).contains(&now)
            {
                return Ok(proof.caller.clone());
            }
            (digest, proofs.epoch)
        };
        let claim = Claim::parse(header).ok_or(AuthError::Wrong)?;
        let turn = match claim {
            Claim::Password { .. } => Some(self.turn().await?),
            Claim::Token { .. } => None,
        };
        let store = self.store.clone();
        let check = tokio::task::spawn_blocking(move || {
            // The turn ends with the work, not with the request: a client that hangs up early
            // must not start the next hash before this one is done.
            let _turn = turn;
            claim.check(&store, now)
        });
        let (caller, expires) = check.await.map_err(|_| AuthError::Busy)??;
        self.remember(digest, epoch, &caller, now, expires);
        Ok(caller)
    }

    /// Waits for the right to compute one password hash.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, AuthError> {
        struct Waiting<'a>(&'a AtomicUsize);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= HASHES_WAITING_MAX {
            return Err(AuthError::Busy);
        }
        self.turns
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| AuthError::Busy)
    }

    fn remember(
        &self,
        digest: [u8; 32],
        epoch: u64,
        caller: &Arc<Caller>,
        now: Seq,
        expires: Option<Seq>,
    ) {
        let until = now
            .saturating_add(PROOF_SECS_MAX * 1_000_000)
            .min(expires.unwrap_or(Seq::MAX));
        let mut proofs = self.proofs();
        if proofs.epoch != epoch {
            return;
        }
        if proofs.known.len() >= PROOFS_MAX {
            proofs
                .known
                .retain(|_, proof| (proof.from..proof.until).contains(&now));
        }
        if proofs.known.len() >= PROOFS_MAX {
            proofs.known.clear();
        }
        proofs.known.insert(
            digest,
            Proved {
                caller: caller.clone(),
                from: now,
                until,
            },
        );
    }

    /// Forgets every proof, because a user or token changed.
    fn forget(&self) {
        let mut proofs = self.proofs();
        proofs.epoch += 1;
        proofs.known.clear();
    }

    fn proofs(&self) -> MutexGuard<'_, Proofs> {
        // The map is consistent after every statement, so a panic elsewhere cannot have spoilt it.
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    fn parse(header: &HeaderValue) -> Option<Claim> {
        let (scheme, value) = header.to_str().ok()?.split_once(' ')?;
        let value = value.trim_matches(' ');
        if scheme.eq_ignore_ascii_case("basic") {
            use base64::Engine;
            let pair = base64::engine::general_purpose::STANDARD
                .decode(value)
                .ok()?;
            let colon = pair.iter().position(|byte| *byte == b':')?;
            let name = std::str::from_utf8(&pair[..colon]).ok()?;
            return users::good_name(name).then(|| Claim::Password {
                name: name.into(),
                password: pair[colon + 1..].to_vec(),
            });
        }
        // "Token" is what some TAXII client libraries say for "Bearer".
        if scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token") {
            return Some(Claim::Token {
                digest: secret::digest(value.as_bytes()),
            });
        }
        None
    }

    /// The caller, and when the proof ends by itself.
    fn check(self, store: &Store, now: Seq) -> Result<(Arc<Caller>, Option<Seq>), AuthError> {
        match self {
            Claim::Password { name, password } => {
                let user = users::load(store, &name)?;
                let hash = user.as_ref().and_then(|user| user.password.as_deref());
                if !password::check(&password, hash) {
                    return Err(AuthError::Wrong);
                }
                let user = user.ok_or(AuthError::Wrong)?;
                Ok((Arc::new(user.caller(name, Proof::Password)), None))
            }
            Claim::Token { digest } => {
                let token = users::load_token(store, &digest)?.ok_or(AuthError::Wrong)?;
                if token.expires.is_some_and(|expires| expires <= now) {
                    return Err(AuthError::Wrong);
                }
                let user = users::load(store, &token.user)?.ok_or(AuthError::Wrong)?;
                Ok((
                    Arc::new(user.caller(token.user, Proof::Token)),
                    token.expires,
                ))
            }
        }
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
                "The user name, password or token is not right, or is not valid any more."
            ),
            AuthError::Busy => write!(
                f,
                "Too many passwords are being checked: try again in a moment."
            ),
            AuthError::BadName => write!(
                f,
                "A user name has 1 to {} letters, digits and . _ @ - characters: choose another.",
                limits::NAME_CHARS_MAX
            ),
            AuthError::BadPassword => write!(
                f,
                "A password has {} to {} bytes and no control characters: choose another.",
                limits::PASSWORD_BYTES_MIN,
                limits::PASSWORD_BYTES_MAX
            ),
            AuthError::BadCollections => {
                write!(
                    f,
                    "A user is restricted to at most {} collections, each named `national` or `<accord>/<channel>`.",
                    limits::COLLECTIONS_MAX
                )
            }
            AuthError::Apart { one, other } => write!(
                f,
                "One person may not be both {one} and {other}: give one of the two to somebody else."
            ),
            AuthError::UnknownUser { name } => write!(f, "There is no user {name}: add it first."),
            AuthError::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AuthError {}
