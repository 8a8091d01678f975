//! Who asks, how that was proved, and what follows from it.
//!
//! Every handler that acts for somebody has a [`Caller`] and asks it with [`Caller::require`]
//! before anything else. A caller's duties are already cut down to what the proof carries: a token
//! has at most its own scopes, and a password that somebody else knows, or that is too old, takes
//! no decision.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use model::Tlp;
use policy::Duty;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AuthError, duties};

/// The name under which the unix socket acts.
pub const SOCKET_NAME: &str = "operator";

/// How somebody proved who they are.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// By being able to open the operator's unix socket, which proves no person.
    Socket,
    /// By a password alone.
    Password,
    /// By a password and a one-time code.
    PasswordAndTotp,
    /// By an API token.
    Token,
    /// By a passkey (WebAuthn).
    Passkey,
    /// By a sign-in at the nation's identity provider.
    Oidc,
    /// By a TLS client certificate.
    Certificate,
}

/// What a proof may be used for. Every proof of a person may be used for all, a token for what it
/// was made for; each scope but `read` takes a duty that lets its user do such things.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Read collections.
    Read,
    /// Add objects.
    Add,
    /// Release and withdraw, and propose it.
    Release,
    /// Approve and reject.
    Approve,
    /// Ask and answer requests for information.
    Requests,
    /// Run the node and its users.
    Admin,
    /// Read the audit log.
    Audit,
}

impl Scope {
    /// Every scope, in order.
    pub const ALL: [Scope; 7] = [
        Scope::Read,
        Scope::Add,
        Scope::Release,
        Scope::Approve,
        Scope::Requests,
        Scope::Admin,
        Scope::Audit,
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Add => "add",
            Scope::Release => "release",
            Scope::Approve => "approve",
            Scope::Requests => "requests",
            Scope::Admin => "admin",
            Scope::Audit => "audit",
        }
    }

    /// The duties in which such things are done; for `read` it takes none. Analysts release where
    /// policy lets them (exercises), propose, and ask partners.
    pub fn duties(self) -> &'static [Duty] {
        match self {
            Scope::Read => &[],
            Scope::Add => &[Duty::Analyst],
            Scope::Release => &[Duty::Releaser, Duty::Analyst],
            Scope::Approve => &[Duty::Approver],
            Scope::Requests => &[Duty::DeskOfficer, Duty::Analyst],
            Scope::Admin => &[Duty::Operator],
            Scope::Audit => &[Duty::Auditor],
        }
    }

    /// Whether somebody with these duties may use it.
    pub fn is_open_to(self, duties: &BTreeSet<Duty>) -> bool {
        let wanted = self.duties();
        wanted.is_empty() || wanted.iter().any(|duty| duties.contains(duty))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(word: &str) -> Result<Scope, String> {
        let mut all = Scope::ALL.into_iter();
        all.find(|scope| scope.word() == word).ok_or_else(|| {
            let words = Scope::ALL.map(Scope::word).join(", ");
            format!("a scope is one of {words}")
        })
    }
}

/// Somebody who has proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user's name; [`SOCKET_NAME`] for the socket.
    pub name: String,
    /// What the caller may do by this proof.
    pub duties: BTreeSet<Duty>,
    /// The highest level that the caller may read.
    pub clearance: Tlp,
    /// The collections that the caller sees (`national`, `<accord>/<channel>`); empty: all.
    pub collections: Vec<String>,
    /// What the proof may be used for. Duties say what a person may do; this says for how much of
    /// it the proof is good, so that a sensor's token or a password that somebody else knows adds
    /// objects and never decides.
    pub scopes: BTreeSet<Scope>,
    /// How it was proved.
    pub proof: Proof,
    /// Why some of the user's duties are missing here, where that can be put right.
    pub held_back: Option<&'static str>,
}

/// The caller may not do this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Which duties would do, and what the caller can do about it.
    pub why: String,
}

impl Caller {
    /// Whoever can open the operator's socket. Never an approver: it proves no person.
    pub fn socket() -> Caller {
        Caller {
            name: SOCKET_NAME.into(),
            duties: [
                Duty::Operator,
                Duty::Releaser,
                Duty::Analyst,
                Duty::Auditor,
                Duty::DeskOfficer,
            ]
            .into(),
            clearance: Tlp::Red,
            collections: Vec::new(),
            scopes: Scope::ALL.into(),
            proof: Proof::Socket,
            held_back: None,
        }
    }

    /// Whether the caller may know of this collection (`national` or `<accord>/<channel>`).
    pub fn sees(&self, collection: &str) -> bool {
        self.collections.is_empty() || self.collections.iter().any(|name| name == collection)
    }

    /// Whether the caller may add objects.
    pub fn writes(&self) -> bool {
        self.has(Duty::Analyst) && self.scopes.contains(&Scope::Add)
    }

    /// Whether the caller may read collections at all; a token of a sensor need not.
    pub fn reads(&self) -> bool {
        self.scopes.contains(&Scope::Read)
    }

    /// Whether the caller has this duty by this proof.
    pub fn has(&self, duty: Duty) -> bool {
        self.duties.contains(&duty)
    }

    /// Whether a person has proved to be this user; the socket proves nobody.
    pub fn proven(&self) -> bool {
        self.proof != Proof::Socket
    }

    /// Goes on unless this is a token that would end ways in of its own user: one that was stolen
    /// must not lock its owner out, nor end the tokens that its owner would replace it with.
    pub(super) fn require_person(&self, of: &str) -> Result<(), AuthError> {
        if self.proof == Proof::Token && self.name == of {
            return Err(AuthError::NotTheirs {
                why:
                    "A token ends no tokens and no sessions: sign in with your password or passkey."
                        .into(),
            });
        }
        Ok(())
    }

    /// Goes on only with this duty.
    ///
    /// # Errors
    /// When the caller does not have it.
    pub fn require(&self, duty: Duty) -> Result<(), Denied> {
        self.require_one_of(&[duty])
    }

    /// Goes on only with one of these duties.
    ///
    /// # Errors
    /// When the caller has none of them.
    pub fn require_one_of(&self, duties: &[Duty]) -> Result<(), Denied> {
        if duties.iter().any(|duty| self.has(*duty)) {
            return Ok(());
        }
        let wanted = duties::words(duties, " or ");
        let next = self
            .held_back
            .unwrap_or("sign in as somebody who has it, or ask the operator for it");
        Err(Denied {
            why: format!(
                "This takes the duty {wanted}, which {} does not have here: {next}.",
                self.name
            ),
        })
    }

    /// Goes on only when the proof may be used for this, whatever the caller's duties.
    ///
    /// # Errors
    /// When it is a token without the scope, or a password that must be changed first.
    pub fn require_scope(&self, scope: Scope) -> Result<(), Denied> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        let next = self
            .held_back
            .unwrap_or("use a token with that scope, or sign in yourself");
        Err(Denied {
            why: format!(
                "This takes the scope {scope}, which {} does not have by this proof: {next}.",
                self.name
            ),
        })
    }

    /// Goes on only when the caller may read this collection (and reads at all).
    ///
    /// # Errors
    /// When the caller's token does not read, or the collection is not among the caller's.
    pub fn require_reading(&self, collection: &str) -> Result<(), Denied> {
        if self.reads() && self.sees(collection) {
            return Ok(());
        }
        Err(Denied {
            why: format!(
                "{} may not read the collection {collection}: ask the operator for it.",
                self.name
            ),
        })
    }

    /// Who acted, as the audit log says it. `said` is the name that a request over the socket gave
    /// and nobody proved; a proven caller's own name counts and `said` does not.
    pub fn recorded(&self, said: &str) -> String {
        if self.proven() || said.is_empty() || said == SOCKET_NAME {
            self.name.clone()
        } else {
            format!("{} (says {said})", self.name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_never_approves_and_never_speaks_for_a_person() {
        let socket = Caller::socket();
        assert!(socket.require(Duty::Operator).is_ok() && socket.require(Duty::Releaser).is_ok());
        let denied = socket.require(Duty::Approver).unwrap_err();
        assert!(denied.why.contains("duty approver"), "{}", denied.why);
        assert!(!socket.proven());
        assert_eq!(socket.recorded("anna"), "operator (says anna)");
        assert_eq!(socket.recorded(""), "operator");
        let anna = Caller {
            name: "anna".into(),
            proof: Proof::Password,
            ..Caller::socket()
        };
        assert_eq!(anna.recorded("boris"), "anna", "what is proved counts");
    }

    #[test]
    fn every_scope_but_read_takes_a_duty_and_every_duty_has_a_scope() {
        let duties: BTreeSet<Duty> = Scope::ALL
            .iter()
            .flat_map(|scope| scope.duties().iter().copied())
            .collect();
        assert_eq!(duties, Duty::ALL.into());
        for scope in Scope::ALL {
            assert_eq!(scope.word().parse(), Ok(scope));
            assert_eq!(scope.is_open_to(&BTreeSet::new()), scope == Scope::Read);
        }
        assert!("everything".parse::<Scope>().is_err());
    }

    #[test]
    fn a_proof_is_good_for_its_scopes_only() {
        let sensor = Caller {
            scopes: [Scope::Add].into(),
            ..Caller::socket()
        };
        assert!(sensor.writes() && !sensor.reads());
        assert!(sensor.require_scope(Scope::Add).is_ok());
        assert!(sensor.require_scope(Scope::Release).is_err());
    }

    #[test]
    fn collections_bound_what_is_read() {
        let caller = Caller {
            collections: vec!["steppe/alerts".into()],
            ..Caller::socket()
        };
        assert!(caller.require_reading("steppe/alerts").is_ok());
        assert!(caller.require_reading("national").is_err());
        let sensor = Caller {
            scopes: [Scope::Add].into(),
            ..Caller::socket()
        };
        assert!(sensor.require_reading("national").is_err());
    }
}
