//! The network of the simulated world: one member's published log as another gets to see it.
//!
//! It answers from the origin's store what the origin's node would serve, to those whom the accord
//! lets read, and it may fail or lie on the way. Whether it does so for a request depends on the
//! seed, the path and how often that path was asked for, not on the order of requests.

use std::collections::HashMap;
use std::sync::Mutex;

use bytes::Bytes;
use log::note::{Note, SignatureLine};
use log::{Checkpoint, Kind, TilePath, cosign};
use policy::SignedAccord;
use store::{Command, LogName, Store};
use sync::{FetchError, Source};

use crate::damage::damage;
use crate::rng::Rng;

/// One thing that can go wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No answer.
    Drop,
    /// The answer breaks off.
    Break,
    /// The answer comes too slowly; the transport gave up on it.
    Stall,
    /// The source says that it does not have it.
    Absent,
    /// The end is missing and nobody noticed.
    Truncate,
    /// One bit is another.
    Flip,
    /// Anything that [`damage`] does.
    Damage,
    /// The bytes of another resource of the same log.
    Swap,
}

impl Fault {
    /// Faults that every honest network has.
    pub const HONEST: [Fault; 4] = [Fault::Drop, Fault::Break, Fault::Stall, Fault::Absent];
    /// Faults that change bytes.
    pub const LYING: [Fault; 4] = [Fault::Truncate, Fault::Flip, Fault::Damage, Fault::Swap];
}

/// What goes wrong, and how often.
#[derive(Clone, Debug, Default)]
pub enum Faults {
    /// Nothing.
    #[default]
    None,
    /// Each request with this chance, by a fault of the list.
    Random {
        /// Decides which.
        seed: u64,
        /// One request in so many.
        one_in: usize,
        /// What can happen.
        faults: Vec<Fault>,
    },
    /// Every request whose path begins so.
    Path {
        /// Decides the details of the damage.
        seed: u64,
        /// The beginning of the path.
        prefix: String,
        /// What happens.
        fault: Fault,
    },
    /// Every request after the first so many: the peer goes away.
    After {
        /// Requests that are answered.
        count: usize,
    },
}

/// A source over another member's store.
pub struct Wire<'a> {
    origin: &'a Store,
    log: LogName,
    accord: &'a SignedAccord,
    reader: String,
    faults: Faults,
    /// A checkpoint to show instead of the present one.
    checkpoint: Option<String>,
    asked: Mutex<HashMap<String, usize>>,
}

impl<'a> Wire<'a> {
    /// The log as `reader` is served it, without faults.
    pub fn new(
        origin: &'a Store,
        log: LogName,
        accord: &'a SignedAccord,
        reader: &str,
    ) -> Wire<'a> {
        Wire {
            origin,
            log,
            accord,
            reader: reader.to_owned(),
            faults: Faults::None,
            checkpoint: None,
            asked: Mutex::new(HashMap::new()),
        }
    }

    /// The same with faults.
    pub fn with(mut self, faults: Faults) -> Wire<'a> {
        self.faults = faults;
        self
    }

    /// The same with another checkpoint than the present one, such as an old or a forged one.
    pub fn showing(mut self, checkpoint: String) -> Wire<'a> {
        self.checkpoint = Some(checkpoint);
        self
    }

    /// How many requests were made.
    pub fn requests(&self) -> usize {
        self.lock().values().sum()
    }

    /// The paths that were asked for, in order of name.
    pub fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.lock().keys().cloned().collect();
        paths.sort();
        paths
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, usize>> {
        self.asked
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What an honest origin answers.
    fn honest(&self, path: &str) -> Result<Vec<u8>, FetchError> {
        let may_read = self
            .accord
            .channel_in_force(&self.log.channel)
            .is_some_and(|channel| channel.members.contains(&self.reader));
        if !may_read {
            return Err(FetchError::Status { code: 403 });
        }
        let (path, skip) = match path.split_once("?skip=") {
            Some((path, skip)) => (path, skip.parse().expect("the machine asks for a number")),
            None => (path, 0),
        };
        let found = match path {
            "checkpoint" => match &self.checkpoint {
                Some(checkpoint) => Some(checkpoint.clone().into_bytes()),
                None => {
                    let note = self
                        .origin
                        .checkpoint(&self.log)
                        .expect("the origin's index reads");
                    note.map(String::into_bytes)
                }
            },
            path => {
                let path = TilePath::parse(path).expect("the machine asks for well-formed paths");
                match path.kind {
                    Kind::Objects => self.origin.objects(&self.log, path.index, path.width, skip),
                    Kind::Hashes(_) | Kind::Entries => self.origin.tile(&self.log, &path),
                }
                .expect("the origin's files read")
            }
        };
        found.ok_or(FetchError::NotFound)
    }

    /// What goes wrong with this request, if anything.
    fn fault(&self, path: &str) -> Option<(Fault, Rng)> {
        let (before, nth) = {
            let mut asked = self.lock();
            let before: usize = asked.values().sum();
            let nth = asked.entry(path.to_owned()).or_default();
            *nth += 1;
            (before, *nth)
        };
        match &self.faults {
            Faults::None => None,
            Faults::Random {
                seed,
                one_in,
                faults,
            } => {
                let mut rng = Rng::named(*seed, &format!("{}/{path}/{nth}", self.log));
                rng.one_in(*one_in).then(|| (*rng.pick(faults), rng))
            }
            Faults::Path {
                seed,
                prefix,
                fault,
            } => path
                .starts_with(prefix.as_str())
                .then(|| (*fault, Rng::named(*seed, path))),
            Faults::After { count } => (before >= *count).then(|| (Fault::Drop, Rng::seeded(0))),
        }
    }

    fn answer(&self, path: &str, limit: usize) -> Result<Bytes, FetchError> {
        let fault = self.fault(path);
        let mut bytes = self.honest(path)?;
        let why = || "simulated".to_owned();
        if let Some((fault, mut rng)) = fault {
            match fault {
                Fault::Drop => return Err(FetchError::Unreachable { why: why() }),
                Fault::Break => return Err(FetchError::Broken { why: why() }),
                Fault::Stall => {
                    return Err(FetchError::Slow {
                        bytes: rng.below(bytes.len() + 1),
                    });
                }
                Fault::Absent => return Err(FetchError::NotFound),
                Fault::Truncate => bytes.truncate(rng.below(bytes.len().max(1))),
                Fault::Flip if bytes.is_empty() => {}
                Fault::Flip => {
                    let at = rng.below(bytes.len());
                    bytes[at] ^= 1 << rng.below(8);
                }
                Fault::Damage => {
                    let other = self.honest("checkpoint")?;
                    let before = bytes.clone();
                    while bytes == before {
                        damage(&mut bytes, &other, &mut rng);
                    }
                }
                Fault::Swap => {
                    let other = if path == "checkpoint" {
                        "tile/entries/000.p/1"
                    } else {
                        "checkpoint"
                    };
                    bytes = self.honest(other).unwrap_or_default();
                }
            }
        }
        if bytes.len() > limit {
            return Err(FetchError::TooLarge { limit });
        }
        Ok(bytes.into())
    }

    /// Takes cosignatures as the origin's node does: only of its present checkpoint, only by keys
    /// of the accord, only if they verify.
    fn take(&self, lines: &str) -> Result<(), FetchError> {
        let refused = FetchError::Status { code: 403 };
        let note = self.honest("checkpoint")?;
        let note = Note::parse(&note).map_err(|_| refused.clone())?;
        let checkpoint = Checkpoint::parse_text(note.text()).map_err(|_| refused.clone())?;
        let mut good = Vec::new();
        for text in lines.lines() {
            let line = SignatureLine::parse(text).map_err(|_| refused.clone())?;
            let mut members = self.accord.accord().members.iter();
            let member = members
                .find(|member| line.is_of(&member.witness))
                .ok_or(refused.clone())?;
            cosign::verify(note.text(), &line, &member.witness).map_err(|_| refused.clone())?;
            good.push((line.name().to_owned(), line.to_string()));
        }
        let cosigned = Command::Cosigned {
            log: self.log.clone(),
            size: checkpoint.size(),
            lines: good,
        };
        self.origin
            .execute(cosigned)
            .expect("the origin's store takes cosignatures");
        Ok(())
    }
}

impl Source for Wire<'_> {
    async fn fetch(&self, path: &str, limit: usize) -> Result<Bytes, FetchError> {
        self.answer(path, limit)
    }

    async fn cosign(&self, lines: String) -> Result<(), FetchError> {
        self.take(&lines)
    }
}
