//! Accords as JSON: what they say, who is bound, and what members said since.

use policy::SignedNotice;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One accord.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccordInfo {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// SHA-256 of its text, in hex.
    pub digest: String,
    /// Codes of the members that ratified it.
    pub ratified: Vec<String>,
    /// Codes of the members that have not.
    pub waiting: Vec<String>,
    /// Its channels.
    pub channels: Vec<ChannelInfo>,
}

/// One channel of an accord.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChannelInfo {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// The members that the accord names for it.
    pub members: Vec<String>,
    /// Those among whom it is in force; empty when it is not.
    pub in_force: Vec<String>,
    /// The highest TLP level allowed.
    pub ceiling: String,
    /// Whether it is for exercises.
    pub exercise: bool,
}

/// The answer to `POST /accords`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccordReport {
    /// The accord as it now stands.
    pub accord: AccordInfo,
    /// Signatures that were new here.
    pub new_signatures: usize,
    /// The signed note as this node now holds it.
    pub note: String,
}

/// `POST /accords/{name}/notices`: what this member says about its own part in the accord.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoticeRequest {
    /// `leave`, `return`, `suspend` or `resume`.
    pub notice: String,
    /// The channel to suspend or resume.
    #[serde(default)]
    pub channel: Option<String>,
    /// Why, in one line; every member of the accord reads it.
    pub reason: String,
    /// Who asks, where the connection does not prove it.
    #[serde(default)]
    pub who: String,
}

/// One notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoticeInfo {
    /// The accord.
    pub accord: String,
    /// Whose notice it is.
    pub member: String,
    /// `leave`, `return`, `suspend` or `resume`.
    pub notice: String,
    /// The channel, where it is about one.
    pub channel: Option<String>,
    /// The highest about one subject counts.
    pub serial: u64,
    /// When it was signed, by its signer's clock.
    pub at: String,
    /// Why.
    pub reason: String,
}

/// The answer to `POST /accords/{name}/notices`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoticeReport {
    /// What was signed.
    pub notice: NoticeInfo,
    /// The signed note, to be carried to members that were not reached.
    pub note: String,
    /// Members that have taken it.
    pub reached: Vec<String>,
    /// Members that have not yet; they ask for it when they come back.
    pub missed: Vec<String>,
}

/// `POST /accords/{name}/exclusions`, and `…/exclusions/end`: a decision of this nation alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExclusionRequest {
    /// Code of the member.
    pub member: String,
    /// Why; the member is told when it calls.
    pub reason: String,
    /// Who asks, where the connection does not prove it.
    #[serde(default)]
    pub who: String,
}

/// One exclusion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExclusionInfo {
    /// Since when.
    pub since: String,
    /// Who decided.
    pub who: String,
    /// Why.
    pub reason: String,
}

/// `GET /accords/{name}/status`: where an accord stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccordStatus {
    /// The version that counts here; absent while only a first one waits.
    pub held: Option<AccordInfo>,
    /// The version that waits for this member's ratification.
    pub next: Option<AccordInfo>,
    /// Its members, of either version.
    pub members: Vec<MemberStanding>,
}

/// Where one member of an accord stands, as far as is known here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemberStanding {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Whether it has ratified the version that counts here.
    pub ratified: bool,
    /// Whether it has ratified the one that waits, if there is one.
    pub ratified_next: Option<bool>,
    /// Channels in which it takes part now.
    pub takes_part: Vec<String>,
    /// What it has said since, the latest about each subject.
    pub notices: Vec<NoticeInfo>,
    /// This nation's own exclusion of it.
    pub excluded: Option<ExclusionInfo>,
}

/// The answer to `POST /notices`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeedReport {
    /// Whether it was news here.
    pub news: bool,
}

impl NoticeInfo {
    /// What there is to say about a notice.
    pub fn of(signed: &SignedNotice) -> NoticeInfo {
        let notice = signed.notice();
        NoticeInfo {
            accord: notice.accord.clone(),
            member: notice.member.clone(),
            notice: notice.act.word().to_owned(),
            channel: notice.act.channel().map(str::to_owned),
            serial: notice.serial,
            at: notice.at.to_string(),
            reason: notice.reason.clone(),
        }
    }
}

impl AccordInfo {
    /// What there is to say about an accord.
    pub fn of(signed: &policy::SignedAccord) -> AccordInfo {
        let accord = signed.accord();
        let ratified = signed.ratified();
        AccordInfo {
            name: accord.name.clone(),
            version: accord.version,
            digest: crate::keys::hex(&signed.digest()),
            waiting: accord
                .members
                .iter()
                .map(|member| member.code.clone())
                .filter(|code| !ratified.contains(code))
                .collect(),
            channels: accord
                .channels
                .iter()
                .map(|channel| ChannelInfo {
                    name: channel.name.clone(),
                    title: channel.title.clone(),
                    members: channel.members.iter().cloned().collect(),
                    in_force: signed
                        .channel_in_force(&channel.name)
                        .map(|in_force| in_force.members.into_iter().collect())
                        .unwrap_or_default(),
                    ceiling: channel.ceiling.to_string(),
                    exercise: channel.exercise,
                })
                .collect(),
            ratified: ratified.into_iter().collect(),
        }
    }
}
