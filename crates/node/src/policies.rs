//! The national policy in force: which set of rules decides, and how another takes its place.
//!
//! The set that ships with the program decides until the nation activates its own. A set comes into
//! force only by a person with the duty, signed by the member's policy key, as the successor of the
//! one in force, and only if its own cases pass. What it would change is worked out first and goes
//! into the audit record, which is written before anything changes (I10). The set is one setting,
//! so it is in force wholly or not at all.
//!
//! INVARIANT (I2): nothing that a partner sends comes in here.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{MarkingMeaning, PartialLabel};
use policy::authority::{Action, Authority, Principal, Version, test};
use policy::{LeakRules, Manifest, PolicySet, Profiles, SignedPolicy};
use serde::{Deserialize, Serialize};
use store::{Reading, Store, StoreError};

use crate::admin::types::{Activation, AuditRecord, PolicyFiles, PolicyInfo, RuleInfo};
use crate::auth::Caller;
use crate::error::NodeError;
use crate::node::Node;
use crate::release::carry::to_json;
use crate::release::person;

const CURRENT: &str = "policy/current";
const HISTORY: &str = "policy/history/";

/// A policy set that decides.
#[derive(Debug)]
pub struct InForce {
    set: PolicySet,
    reading: Arc<Reading>,
    authority: Authority,
    manifest: Option<Manifest>,
    activation: Option<Activation>,
}

/// The setting: what is needed to check everything again when the node starts.
#[derive(Serialize, Deserialize)]
struct Kept {
    note: String,
    files: BTreeMap<String, String>,
    activation: Activation,
}

impl InForce {
    /// The set in force as the store has it.
    ///
    /// # Errors
    /// When the store fails, or holds a set that is not signed by the policy key.
    pub(crate) fn load(
        store: &Store,
        key: Option<&log::note::VerifierKey>,
    ) -> Result<InForce, NodeError> {
        let Some(value) = store.get(CURRENT)? else {
            return InForce::shipped();
        };
        let damaged = |problem: String| {
            NodeError::Store(StoreError::Corrupt {
                place: format!("the setting {CURRENT}"),
                problem,
            })
        };
        let kept: Kept =
            serde_json::from_slice(&value).map_err(|error| damaged(error.to_string()))?;
        let key = key.ok_or_else(|| {
            damaged("policy.vkey is missing from the keys folder; restore it".to_owned())
        })?;
        let signed = SignedPolicy::open(kept.note.as_bytes(), bytes(kept.files), key)
            .map_err(|error| damaged(error.to_string()))?;
        InForce::of(
            signed.set().clone(),
            Some(signed.manifest().clone()),
            Some(kept.activation),
        )
    }

    /// The set that ships with the program.
    fn shipped() -> Result<InForce, NodeError> {
        let set = PolicySet::shipped().map_err(|error| NodeError::request(error.to_string()))?;
        InForce::of(set, None, None)
    }

    /// A set that is to decide.
    fn of(
        set: PolicySet,
        manifest: Option<Manifest>,
        activation: Option<Activation>,
    ) -> Result<InForce, NodeError> {
        let table = Arc::clone(set.equivalence());
        let reading = Reading::new(move |marking| match table.meaning(marking) {
            Some(stated) if stated == PartialLabel::default() => MarkingMeaning::Statement,
            Some(stated) => MarkingMeaning::Label(stated),
            None => MarkingMeaning::Unknown,
        });
        Ok(InForce {
            reading,
            authority: set.authority(manifest.as_ref().map_or(0, |manifest| manifest.number)),
            set,
            manifest,
            activation,
        })
    }

    /// A set from its files, to try it out: unsigned, with the number that it would have.
    ///
    /// # Errors
    /// The first fault, with file, line and column.
    pub(crate) fn tried(files: BTreeMap<String, String>) -> Result<InForce, NodeError> {
        let set =
            PolicySet::read(bytes(files)).map_err(|error| NodeError::request(error.to_string()))?;
        InForce::of(set, None, None)
    }

    /// What decides.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Which set it is.
    pub fn version(&self) -> Version {
        self.authority.version()
    }

    /// Its redaction profiles.
    pub fn profiles(&self) -> &Profiles {
        self.set.profiles()
    }

    /// Its leak rules.
    pub fn leak_rules(&self) -> &LeakRules {
        self.set.leak_rules()
    }

    /// How it reads marking definitions: with its equivalence table.
    pub(crate) fn reading(&self) -> &Arc<Reading> {
        &self.reading
    }

    /// The set itself.
    pub fn set(&self) -> &PolicySet {
        &self.set
    }

    /// What was signed; absent for the shipped set.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    fn info(&self, key: Option<&log::note::VerifierKey>) -> PolicyInfo {
        let version = self.version();
        PolicyInfo {
            number: version.number,
            hash: model::Hash(version.hash).to_string(),
            activated: self.activation.clone(),
            rules: self
                .authority
                .rules()
                .map(|rule| RuleInfo {
                    id: rule.id.clone(),
                    words: rule.words.clone(),
                    place: rule.place.clone(),
                })
                .collect(),
            files: self
                .set
                .files()
                .iter()
                .map(|(path, bytes)| (path.clone(), model::Hash::of(bytes).to_string()))
                .collect(),
            key: key.map(ToString::to_string),
        }
    }
}

fn bytes(files: BTreeMap<String, String>) -> BTreeMap<String, Vec<u8>> {
    let bytes = |(path, text): (String, String)| (path, text.into_bytes());
    files.into_iter().map(bytes).collect()
}

impl Node {
    /// What is in force.
    pub fn policy_info(&self) -> PolicyInfo {
        self.policy().info(self.keys().policy_public())
    }

    /// The files of the set in force and its signed manifest.
    ///
    /// # Errors
    /// What the store said.
    pub async fn policy_files(&self) -> Result<PolicyFiles, NodeError> {
        let policy = self.policy();
        let kept = self.read(|store| store.get(CURRENT)).await?;
        let kept: Option<Kept> = kept.and_then(|value| serde_json::from_slice(&value).ok());
        let files = policy.set().files().iter();
        Ok(PolicyFiles {
            manifest: kept.map(|kept| kept.note).unwrap_or_default(),
            files: files
                .map(|(path, bytes)| (path.clone(), String::from_utf8_lossy(bytes).into_owned()))
                .collect(),
            who: String::new(),
        })
    }

    /// Every activation, oldest first.
    ///
    /// # Errors
    /// What the store said.
    pub async fn policy_history(&self) -> Result<Vec<Activation>, NodeError> {
        let kept = self.read(|store| store.scan(HISTORY)).await?;
        let mut history = Vec::with_capacity(kept.len());
        for (key, value) in kept {
            history.push(serde_json::from_slice(&value).map_err(|error| {
                NodeError::Store(StoreError::Corrupt {
                    place: format!("the setting {key}"),
                    problem: error.to_string(),
                })
            })?);
        }
        Ok(history)
    }

    /// Puts a signed policy set in force.
    ///
    /// # Errors
    /// When it is not signed by the policy key, does not follow the set in force, does not pass
    /// its own cases, or the policy in force does not let this person; each is accounted for.
    pub async fn activate_policy(
        &self,
        caller: &Caller,
        given: PolicyFiles,
    ) -> Result<PolicyInfo, NodeError> {
        let who = caller.recorded(given.who.trim());
        match self.check_policy(caller, &given) {
            Ok(next) => self.put_in_force(next, given, who).await,
            Err(error) => {
                self.audit(vec![AuditRecord {
                    what: "refuse".into(),
                    who,
                    count: 1,
                    why: format!("activation of a policy set: {error}"),
                    policy: format!("national {}", self.policy().version()),
                    ..self.record()
                }])
                .await?;
                Err(error)
            }
        }
    }

    /// Everything that a set must pass before it may decide.
    fn check_policy(&self, caller: &Caller, given: &PolicyFiles) -> Result<InForce, NodeError> {
        let current = self.policy();
        let person = person(caller);
        let allowed = current.authority().allows(
            Action::ActivatePolicy,
            &Principal::Person(&person),
            None,
            &self.circumstances(1, false),
        );
        if let Err(reasons) = allowed {
            let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
            return Err(NodeError::Denied {
                why: reasons.join("; "),
            });
        }
        let key = self.keys().policy_public().ok_or_else(|| NodeError::Request {
            why: "this node has no policy key; put the public half, policy.vkey, into its keys folder and restart it".into(),
            pointer: None,
        })?;
        let wrong = |error: policy::SetError| NodeError::accord(error.to_string());
        let signed = SignedPolicy::open(given.manifest.as_bytes(), bytes(given.files.clone()), key)
            .map_err(wrong)?;
        signed
            .manifest()
            .follows(current.manifest())
            .map_err(wrong)?;
        let next = InForce::of(signed.set().clone(), Some(signed.manifest().clone()), None)?;
        for (path, text) in next.set.cases() {
            let report = test(&next.authority, path, text)
                .map_err(|error| NodeError::request(error.to_string()))?;
            if let Some(failed) = report.failures.first() {
                return Err(NodeError::request(format!(
                    "the set does not pass its own cases: {}: {}: {}",
                    failed.place, failed.case, failed.words
                )));
            }
        }
        Ok(next)
    }

    async fn put_in_force(
        &self,
        mut next: InForce,
        given: PolicyFiles,
        who: String,
    ) -> Result<PolicyInfo, NodeError> {
        let before = self.policy();
        let next_set = Arc::new(InForce::of(next.set.clone(), next.manifest.clone(), None)?);
        let summary = self.what_if_summary(next_set).await?;
        {
            let _alone = self.changing().await;
            if self.policy().version() != before.version() {
                return Err(NodeError::accord(
                    "another policy set came into force meanwhile; draw this one up again after it",
                ));
            }
            let activation = Activation {
                number: next.version().number,
                hash: model::Hash(next.version().hash).to_string(),
                at: self.now().to_string(),
                who: who.clone(),
                summary: summary.clone(),
            };
            self.audit(vec![AuditRecord {
                what: "policy".into(),
                who,
                count: 1,
                why: format!(
                    "{} takes the place of {}: {summary}",
                    next.version(),
                    before.version()
                ),
                policy: format!("national {}", next.version()),
                ..self.record()
            }])
            .await?;
            let kept = Kept {
                note: given.manifest,
                files: given.files,
                activation: activation.clone(),
            };
            let history = format!("{HISTORY}{:020}", activation.number);
            self.put_all(vec![
                (CURRENT.to_owned(), Some(to_json(&kept)?)),
                (history, Some(to_json(&activation)?)),
            ])
            .await?;
            next.activation = Some(activation);
            self.set_policy(Arc::new(next));
        }
        // What was proposed under the set before is void now.
        self.tend_proposals().await?;
        Ok(self.policy_info())
    }
}
