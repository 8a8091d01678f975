//! Whom this nation excludes from an accord by its own decision, until it decides otherwise.
//!
//! An exclusion is this node's alone: here the member is in no channel of the accord, so it is
//! served nothing, told so in words when it calls, and nothing more is taken from its logs. The
//! accord and the others are not touched; to part with it for all, they amend the accord.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use store::{Command, Store};

use super::Accords;
use crate::admin::types::AuditRecord;
use crate::error::NodeError;
use crate::node::Node;

/// Settings with exclusions: `excluded/<accord>/<member>`.
const SETTING: &str = "excluded/";

/// LIMIT: bytes of the reason; it has to fit in an audit record and in an answer.
const REASON_BYTES_MAX: usize = 600;

/// One exclusion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusion {
    /// Since when, by this node's clock.
    pub since: String,
    /// Who decided.
    pub who: String,
    /// Why; the member is told.
    pub reason: String,
}

/// Reads what was decided.
pub(super) fn load(
    store: &Store,
    into: &mut BTreeMap<String, BTreeMap<String, Exclusion>>,
) -> Result<(), NodeError> {
    for (key, value) in store.scan(SETTING)? {
        let damaged = || NodeError::accord(format!("the setting {key} is damaged"));
        let rest = key.strip_prefix(SETTING).ok_or_else(damaged)?;
        let (accord, member) = rest.split_once('/').ok_or_else(damaged)?;
        let exclusion = serde_json::from_slice(&value).map_err(|_| damaged())?;
        let members = into.entry(accord.to_owned()).or_default();
        members.insert(member.to_owned(), exclusion);
    }
    Ok(())
}

impl Accords {
    /// The exclusion of a member from an accord by this nation, if there is one.
    pub fn exclusion(&self, accord: &str, member: &str) -> Option<&Exclusion> {
        self.excluded.get(accord)?.get(member)
    }

    fn exclude(&mut self, accord: &str, member: &str, exclusion: Option<Exclusion>) {
        let members = self.excluded.entry(accord.to_owned()).or_default();
        match exclusion {
            Some(exclusion) => members.insert(member.to_owned(), exclusion),
            None => members.remove(member),
        };
        self.settle();
    }
}

impl Node {
    /// Excludes a member from an accord at this node (`exclude`), or takes that back.
    ///
    /// # Errors
    /// When there is no such accord, member or exclusion, no reason, or the store fails.
    pub(crate) async fn exclude(
        &self,
        accord: &str,
        member: &str,
        exclude: bool,
        reason: &str,
        who: &str,
    ) -> Result<(), NodeError> {
        let reason = reason.trim();
        if reason.is_empty() || reason.len() > REASON_BYTES_MAX || reason.contains(char::is_control)
        {
            return Err(NodeError::Request {
                why: format!("give a reason of one line and at most {REASON_BYTES_MAX} bytes"),
                pointer: Some("/reason".into()),
            });
        }
        let _alone = self.changing().await;
        let mut accords = Accords::clone(&self.accords());
        let own = &self.config().code;
        let known = accords.exclusion(accord, member).is_some();
        let named = accords
            .all()
            .filter(|signed| signed.accord().name == accord)
            .any(|signed| signed.accord().member(member).is_some());
        if member == own {
            return Err(NodeError::accord(format!(
                "{own} is this member itself; `kurultai accord leave {accord}` is for that"
            )));
        }
        if (exclude && !named) || (!exclude && !known) {
            return Err(NodeError::Unknown {
                what: if exclude {
                    format!("member {member:?} of an installed accord {accord:?}")
                } else {
                    format!("exclusion of {member:?} from {accord:?}")
                },
            });
        }
        let exclusion = exclude.then(|| Exclusion {
            since: self.now().to_string(),
            who: who.to_owned(),
            reason: reason.to_owned(),
        });
        let value = exclusion.as_ref().map(serde_json::to_vec).transpose();
        let value = value.map_err(|error| NodeError::accord(error.to_string()))?;
        let what = if exclude { "excluded" } else { "readmitted" };
        let record = AuditRecord {
            what: "exclusion".into(),
            who: who.to_owned(),
            count: 1,
            why: format!("{member} is {what} here: {reason}"),
            policy: accord.to_owned(),
            ..self.record()
        };
        let key = format!("{SETTING}{accord}/{member}");
        self.account_for(vec![record], Some(Command::Put { key, value }))
            .await?;
        accords.exclude(accord, member, exclusion);
        self.show_accords(accords);
        Ok(())
    }
}
