//! Who is asking: national users, how they prove it, and what each may do.
//!
//! Everything about users is store settings (`user/<name>`, `token/<digest>`, `session/<digest>`,
//! `totp/<name>`, `enrol/<name>`), so it is durable, backed up and rebuilt with everything else.
//! Passwords are kept as Argon2id hashes; tokens, sessions, enrolment and recovery codes (100 random
//! bits or more, shown once) as SHA-256; one-time-code secrets sealed under a key that is not in the
//! store. What a caller may do is decided by the handler that asks, from [`Caller`].
//!
//! INVARIANT: every change of a user or token is effective for the very next request. Argon2 is
//! too dear to run per request, so a proof once given is remembered in memory for a few minutes
//! under a keyed digest of the header that gave it; any change forgets them all, and a proof whose
//! check began before a change is not remembered.
//!
//! INVARIANT (I10): every change is in the audit log before it is in the store.
//!
//! A flood of guesses costs a bounded amount of memory and CPU ([`AuthError::Busy`] beyond it),
//! has to wait ever longer ([`AuthError::Later`]) and does not disturb clients whose proof is
//! remembered, nor people where they have signed in before.

mod caller;
pub mod certificate;
mod duties;
mod enrol;
mod error;
mod limits;
mod lockout;
pub mod oidc;
pub mod passkey;
mod password;
mod pending;
mod provider;
pub(crate) mod routes;
mod seal;
pub(crate) mod secret;
mod sessions;
mod sign_in;
#[cfg(test)]
mod tests;
mod tokens;
mod totp;
mod users;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::HeaderValue;
use store::{Seq, Store, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::admin::types::AuditRecord;
use crate::clock::Clock;

pub use caller::{Caller, Denied, Proof, SOCKET_NAME, Scope};
pub use enrol::Redeem;
pub use error::AuthError;
use limits::{
    HASHES_AT_ONCE, HASHES_WAITING_MAX, HEADER_BYTES_MAX, PROOF_SECS_MAX, PROOFS_MAX,
    TICKET_SECS_MAX,
};
pub(crate) use limits::{PASSWORD_BYTES_MIN, TOKEN_DAYS_MAX};
use lockout::Guards;
pub use lockout::Source;
use pending::Pending;
use seal::Seal;
pub use sessions::Started;
pub use sign_in::SignIn;
use sign_in::Ticket;
pub use users::UserChange;

/// Writes a record to the audit log, durably.
pub type Book = Arc<dyn Fn(AuditRecord) -> Result<(), StoreError> + Send + Sync>;

/// Checks credentials and keeps the users.
pub struct Auth {
    store: Store,
    clock: Clock,
    book: Book,
    seal: Seal,
    /// Held while users, tokens or sessions change.
    changes: Mutex<()>,
    proofs: Mutex<Proofs>,
    guards: Mutex<Guards>,
    tickets: Pending<Ticket>,
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
    Bearer(String),
}

impl Auth {
    /// Users and tokens as `store` holds them. `seal` is the key of secrets at rest; what changes is
    /// written to `book` first.
    pub fn new(store: Store, clock: Clock, seal: &[u8; 32], book: Book) -> Auth {
        let proofs = Proofs {
            key: secret::random(),
            epoch: 0,
            known: HashMap::new(),
        };
        Auth {
            store,
            clock,
            book,
            seal: Seal::new(seal),
            changes: Mutex::new(()),
            proofs: Mutex::new(proofs),
            guards: Mutex::default(),
            tickets: Pending::new(TICKET_SECS_MAX),
            turns: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Who sent this `Authorization` header (RFC 7617 Basic, or RFC 6750 Bearer with an API token or
    /// a session's value), from there.
    ///
    /// # Errors
    /// [`AuthError::Missing`], [`AuthError::Wrong`] and [`AuthError::SecondFactor`] are the client's
    /// (401); [`AuthError::Busy`] and [`AuthError::Later`] pass by themselves (429).
    pub async fn authenticate(
        self: &Arc<Self>,
        header: Option<&HeaderValue>,
        source: &Source,
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
        let (caller, expires) = match Claim::parse(header).ok_or(AuthError::Wrong)? {
            Claim::Password { name, password } => {
                let user = self.prove_password(&name, &password, source).await?;
                if user.second_factor {
                    return Err(AuthError::SecondFactor);
                }
                (Arc::new(user.caller(&name, Proof::Password, now)), None)
            }
            Claim::Bearer(value) => {
                let auth = Arc::clone(self);
                let session = value.starts_with(sessions::SESSION_PREFIX);
                let check = tokio::task::spawn_blocking(move || match session {
                    true => Ok((auth.session(&value)?, None)),
                    false => auth.check_token(&value, now),
                });
                let proved = check.await.map_err(|_| AuthError::Busy)??;
                // A session's end depends on every request, so each is looked up.
                if session {
                    return Ok(proved.0);
                }
                proved
            }
        };
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

    /// Writes down what is about to happen. Blocks until it is durable.
    fn account(&self, what: &str, who: &str, why: String) -> Result<(), AuthError> {
        let record = AuditRecord {
            at: self.now(),
            what: what.into(),
            who: who.into(),
            why,
            ..AuditRecord::default()
        };
        Ok((self.book)(record)?)
    }

    // What these guard is consistent after every statement, so a panic elsewhere has not spoilt it.

    fn alone(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn proofs(&self) -> MutexGuard<'_, Proofs> {
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn guards(&self) -> MutexGuard<'_, Guards> {
        self.guards.lock().unwrap_or_else(PoisonError::into_inner)
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
            return Some(Claim::Bearer(value.to_owned()));
        }
        None
    }
}
