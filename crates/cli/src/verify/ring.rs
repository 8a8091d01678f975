//! The keys that a check believes: those of accords that the operator names, and single keys.
//!
//! Nothing that is being checked may bring its own keys. Without a key for a log its inner
//! consistency can still be computed, but not whose log it is, and the check says so.

use std::path::{Path, PathBuf};

use log::LogKeys;
use log::note::{KeyKind, VerifierKey};
use node::Config;
use policy::{Member, SignedAccord};

use crate::exit::Failure;

/// Everything that is believed.
#[derive(Default)]
pub(crate) struct Ring {
    accords: Vec<SignedAccord>,
    keys: Vec<VerifierKey>,
    own: Option<Own>,
}

/// The member whose data folder is being checked, by the public halves of its keys.
struct Own {
    code: String,
    domain: String,
    log: VerifierKey,
    log_pq: Option<VerifierKey>,
}

/// What is known about one log.
pub(crate) struct Known {
    /// The keys that must have signed its checkpoints.
    pub(crate) keys: LogKeys,
    /// The keys that may have cosigned them.
    pub(crate) witnesses: Vec<VerifierKey>,
    /// The code of the member whose log it is, where an accord says so.
    pub(crate) member: Option<String>,
    /// Whether it is the log of the node whose folder is being checked.
    pub(crate) own: bool,
}

impl Ring {
    /// Reads accords from files and keys from their text.
    pub(crate) fn load(accords: &[PathBuf], keys: &[String]) -> Result<Ring, Failure> {
        let mut ring = Ring::default();
        for path in accords {
            let note = std::fs::read(path).map_err(|error| Failure::file("read", path, &error))?;
            ring.add_accord(&note)
                .map_err(|failure| Failure::usage(format!("{}: {failure}", path.display())))?;
        }
        for key in keys {
            let key = VerifierKey::parse(key).map_err(|error| {
                Failure::usage(format!("--key {key:?} is not a verifier key: {error}"))
            })?;
            ring.keys.push(key);
        }
        Ok(ring)
    }

    /// Believes one more accord.
    pub(crate) fn add_accord(&mut self, note: &[u8]) -> Result<(), Failure> {
        let accord = SignedAccord::parse(note).map_err(Failure::usage)?;
        self.accords.push(accord);
        // The newest version of an accord is asked first.
        self.accords
            .sort_by_key(|accord| std::cmp::Reverse(accord.accord().version));
        Ok(())
    }

    /// Believes what lies in a node's data folder: the accords that it installed and the public
    /// halves of its own log keys. This is for an operator's look at the own node; a third party
    /// names accords of its own.
    pub(crate) fn add_folder(&mut self, data: &Path) -> Result<(), Failure> {
        let config = Config::load(data).map_err(Failure::usage)?;
        let key = |name: &str| {
            let text = std::fs::read_to_string(config.keys.join(name)).ok()?;
            VerifierKey::parse(text.trim()).ok()
        };
        if let Some(log) = key("log.vkey") {
            self.own = Some(Own {
                code: config.code.clone(),
                domain: config.domain.clone(),
                log,
                log_pq: key("log-pq.vkey"),
            });
        }
        let Ok(notes) = std::fs::read_dir(data.join("accords")) else {
            return Ok(());
        };
        for path in notes.filter_map(Result::ok).map(|note| note.path()) {
            if path
                .extension()
                .is_some_and(|extension| extension == "note")
            {
                let note =
                    std::fs::read(&path).map_err(|error| Failure::file("read", &path, &error))?;
                self.add_accord(&note).map_err(|failure| {
                    Failure::refused(format!("{}: {failure}", path.display()))
                })?;
            }
        }
        Ok(())
    }

    /// Whether nothing is believed yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.accords.is_empty() && self.keys.is_empty()
    }

    /// The accords.
    pub(crate) fn accords(&self) -> &[SignedAccord] {
        &self.accords
    }

    /// What is known about the log that calls itself `origin`.
    pub(crate) fn log(&self, origin: &str) -> Option<Known> {
        self.by_accord(origin)
            .or_else(|| self.by_own(origin))
            .or_else(|| self.by_key(origin))
    }

    fn by_accord(&self, origin: &str) -> Option<Known> {
        for signed in &self.accords {
            let accord = signed.accord();
            for member in &accord.members {
                if node::audit::audit_origin(&member.domain) == origin {
                    return Some(Known {
                        keys: node::audit::audit_keys(member)?,
                        witnesses: self.others(member),
                        member: Some(member.code.clone()),
                        own: self.own.as_ref().is_some_and(|own| own.code == member.code),
                    });
                }
                for channel in accord
                    .channels
                    .iter()
                    .filter(|channel| channel.members.contains(&member.code))
                {
                    if accord.log_origin(member, &channel.name) != origin {
                        continue;
                    }
                    let keys = signed.log_keys(&member.code, &channel.name)?;
                    let others = accord.members.iter().filter(|other| {
                        other.code != member.code && channel.members.contains(&other.code)
                    });
                    return Some(Known {
                        keys,
                        witnesses: others.map(|other| other.witness.clone()).collect(),
                        member: Some(member.code.clone()),
                        own: self.own.as_ref().is_some_and(|own| own.code == member.code),
                    });
                }
            }
        }
        None
    }

    /// The witness keys of every other member of any accord here: all of them may have witnessed a
    /// member's audit log.
    fn others(&self, member: &Member) -> Vec<VerifierKey> {
        let mut keys: Vec<VerifierKey> = Vec::new();
        for other in self
            .accords
            .iter()
            .flat_map(|signed| &signed.accord().members)
        {
            if other.code != member.code && !keys.contains(&other.witness) {
                keys.push(other.witness.clone());
            }
        }
        keys
    }

    /// The log that a node keeps about itself is signed by its own log keys.
    fn by_own(&self, origin: &str) -> Option<Known> {
        let own = self.own.as_ref()?;
        if !origin.starts_with(&format!("{}/", own.domain)) {
            return None;
        }
        Some(Known {
            keys: LogKeys {
                origin: origin.to_owned(),
                ed25519: own.log.renamed(origin).ok()?,
                pq: own.log_pq.as_ref().and_then(|key| key.renamed(origin).ok()),
            },
            witnesses: Vec::new(),
            member: Some(own.code.clone()),
            own: true,
        })
    }

    /// A single key counts when it has the log's own name, or is the `log` key of its domain.
    fn by_key(&self, origin: &str) -> Option<Known> {
        let domain = origin.split('/').next().unwrap_or_default();
        let find = |kind: KeyKind, role: &str| {
            self.keys
                .iter()
                .filter(|key| key.kind() == kind)
                .find(|key| key.name() == origin || key.name() == format!("{domain}/{role}"))
                .and_then(|key| key.renamed(origin).ok())
        };
        Some(Known {
            keys: LogKeys {
                origin: origin.to_owned(),
                ed25519: find(KeyKind::Ed25519, "log")?,
                pq: find(KeyKind::MlDsa44, "log-pq"),
            },
            witnesses: self
                .keys
                .iter()
                .filter(|key| key.kind().is_cosignature())
                .cloned()
                .collect(),
            member: None,
            own: false,
        })
    }
}
