//! What members say by their root keys between two versions of an accord, and how it goes round.
//!
//! A node gives its partners all that it has heard about the accords that name them
//! (`GET /notices`), asks each of them now and then, and hands what its own member says to every
//! partner at once (`POST /notices`). The answer and the body are a JSON array of strings, each a
//! signed note. Nothing depends on who brings one: the signature is what counts, and a notice that
//! is known changes nothing.
//!
//! The first line of a note says of which sort it is; [`admit`] is the one place that tells sorts
//! apart, and [`Accords::notices_for`] the one that lists them.
//!
//! INVARIANT (I2): a notice binds only its signer, see `policy`'s `notice`. It is accounted for and
//! durable before it counts here, and then at once: what was being pulled from its signer stops.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::Request;
use policy::{Act, Notice, SignedAccord, SignedNotice};
use store::Command;
use sync::https::Peer;
use tokio::task::JoinSet;

use crate::accords::Accords;
use crate::admin::types::AuditRecord;
use crate::error::NodeError;
use crate::limits::{NOTICE_PUSH_SECS_MAX, NOTICES_BYTES_MAX, NOTICES_MAX, NOTICES_POST_BYTES_MAX};
use crate::members::{self, Caller, FRESH};
use crate::node::Node;
use crate::problem::Fault;

/// Where notices are asked for and handed in.
pub(crate) const PATH: &str = "/notices";

/// A notice that is news here: what to account for, and what to make durable.
pub(crate) struct Admitted {
    /// For people.
    pub(crate) why: String,
    /// The accord's name.
    pub(crate) policy: String,
    /// What makes it durable.
    pub(crate) commands: Vec<Command>,
}

/// Whom a notice has reached.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Codes of the partners that have taken it.
    pub(crate) reached: BTreeSet<String>,
    /// Codes of those that have not; they ask for it by themselves.
    pub(crate) missed: BTreeSet<String>,
}

/// Takes one note of whatever sort into `accords`, if it is news and its signer may give it now.
/// Nothing: it is no news.
pub(crate) fn admit(
    accords: &mut Accords,
    note: &[u8],
    may_give: impl FnOnce(&str) -> bool,
) -> Result<Option<Admitted>, NodeError> {
    let refused = |error: policy::NoticeError| NodeError::accord(error.to_string());
    let signed = SignedNotice::parse(note).map_err(refused)?;
    if !accords.is_news(&signed).map_err(refused)? {
        return Ok(None);
    }
    let (text, notice) = (signed.to_string(), signed.notice().clone());
    // Each costs a durable write and a moment's rest of every pull.
    if !may_give(&notice.member) {
        return Err(NodeError::accord(format!(
            "{} gives more notices than are taken in a minute; this one is taken later",
            notice.member
        )));
    }
    accords.heed(signed);
    Ok(Some(Admitted {
        why: words(&notice),
        policy: notice.accord.clone(),
        commands: vec![Command::Put {
            key: setting(&notice),
            value: Some(text.into_bytes()),
        }],
    }))
}

/// Under which setting a notice is kept: the next one about the same takes its place.
fn setting(notice: &Notice) -> String {
    let channel = notice.act.channel().unwrap_or_default();
    let (accord, member) = (&notice.accord, &notice.member);
    format!("{}{accord}/{member}/{channel}", crate::accords::NOTICE)
}

/// A notice in one sentence.
pub(crate) fn words(notice: &Notice) -> String {
    let (member, accord) = (&notice.member, &notice.accord);
    let what = match &notice.act {
        Act::Leave => format!("{member} leaves {accord}"),
        Act::Return => format!("{member} returns to {accord}"),
        Act::Suspend { channel } => format!("{member} suspends {accord}/{channel} for itself"),
        Act::Resume { channel } => format!("{member} resumes {accord}/{channel}"),
    };
    format!("{what} ({}): {}", notice.at, notice.reason)
}

impl Node {
    /// Takes notices that a partner brings and says how many were news. With one that is refused
    /// the others count all the same.
    ///
    /// # Errors
    /// Why the first of those that were refused was; or what the store said.
    pub(crate) async fn take_notices(
        &self,
        notes: &[String],
        from: &str,
    ) -> Result<usize, NodeError> {
        let _alone = self.changing().await;
        let mut accords = Accords::clone(&self.accords());
        let mut refused = None;
        let mut news = Vec::new();
        for note in notes {
            match admit(&mut accords, note.as_bytes(), |signer| {
                self.may_give(signer)
            }) {
                Ok(admitted) => news.extend(admitted),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        let count = news.len();
        self.count_in(accords, news, from).await?;
        refused.map_or(Ok(count), Err)
    }

    /// Takes one that the operator gives; says whether it is news.
    ///
    /// # Errors
    /// Why it does not count here; or what the store said.
    pub(crate) async fn heed_notice(&self, note: &[u8], who: &str) -> Result<bool, NodeError> {
        let _alone = self.changing().await;
        let mut accords = Accords::clone(&self.accords());
        let admitted = admit(&mut accords, note, |_| true)?;
        let news = admitted.is_some();
        self.count_in(accords, admitted.into_iter().collect(), who)
            .await?;
        Ok(news)
    }

    /// Accounts for news, makes it durable and lets it count. Only under the guard of changes.
    async fn count_in(
        &self,
        accords: Accords,
        news: Vec<Admitted>,
        from: &str,
    ) -> Result<(), NodeError> {
        if news.is_empty() {
            return Ok(());
        }
        let records = news.iter().map(|admitted| AuditRecord {
            what: "notice".into(),
            who: from.to_owned(),
            count: 1,
            why: admitted.why.clone(),
            policy: admitted.policy.clone(),
            ..self.record()
        });
        self.audit(records.collect()).await?;
        for command in news.into_iter().flat_map(|admitted| admitted.commands) {
            self.execute(command).await?;
        }
        self.show_accords(accords);
        Ok(())
    }

    fn may_give(&self, signer: &str) -> bool {
        let mut allowance = self.notices_left.lock();
        let allowance = allowance
            .as_mut()
            .unwrap_or_else(|poisoned| poisoned.get_mut());
        allowance.take(signer, self.now())
    }

    /// Says something about this member's own part in an accord, here and to every partner that
    /// can be reached. Answers with the signed note.
    ///
    /// # Errors
    /// When the accord does not bind this member, the channel is none of its, the reason is none,
    /// or the root key is not here.
    pub(crate) async fn give_notice(
        &self,
        accord: &str,
        act: Act,
        reason: &str,
        who: &str,
    ) -> Result<(SignedNotice, Told), NodeError> {
        let root = self.keys().root().ok_or_else(|| {
            NodeError::accord(
                "the root key is not on this machine; run the command where it is kept and give \
                 the signed note to this node with `kurultai accord heed FILE`",
            )
        })?;
        let accords = self.accords();
        let held = accords.get(accord).ok_or_else(|| NodeError::Unknown {
            what: format!("accord {accord:?}"),
        })?;
        let own = &self.config().code;
        if !held.ratified().contains(own) {
            return Err(NodeError::accord(format!(
                "this member has not ratified {accord}, so there is nothing to give notice of"
            )));
        }
        let now = self.now();
        // Above what was ever given, also by a node whose data folder was restored since.
        let serial = accords.notices().serial(accord, own).saturating_add(1);
        let seconds = u64::try_from(now.unix_micros() / 1_000_000).unwrap_or(0);
        let notice = Notice {
            member: own.clone(),
            accord: accord.to_owned(),
            version: held.accord().version,
            digest: held.digest(),
            act,
            serial: serial.max(seconds),
            at: now,
            reason: reason.trim().to_owned(),
        };
        let signed = SignedNotice::sign(notice, root).map_err(|error| NodeError::Request {
            why: error.to_string(),
            pointer: Some("/reason".into()),
        })?;
        let note = signed.to_string();
        // Of the text that was held a moment ago; another version in between refuses it.
        self.heed_notice(note.as_bytes(), who).await?;
        let told = self.tell(accord, &[note]).await;
        Ok((signed, told))
    }

    /// Hands notes to every partner of an accord at once, for a while.
    pub(crate) async fn tell(&self, accord: &str, notes: &[String]) -> Told {
        // An array of strings always serialises.
        let body = serde_json::to_string(notes).unwrap_or_default();
        let accords = self.accords();
        let members = accords
            .all()
            .filter(|signed| signed.accord().name == accord)
            .flat_map(|signed| &signed.accord().members)
            .filter(|member| member.code != self.config().code);
        let mut tasks = JoinSet::new();
        let mut told = Told::default();
        let mut asked = BTreeSet::new();
        for member in members {
            if !asked.insert((member.url.clone(), member.tls)) {
                continue;
            }
            let code = member.code.clone();
            let Ok(peer) = Peer::new(self.keys().tls(), &member.url, member.tls) else {
                told.missed.insert(code);
                continue;
            };
            let body = body.clone();
            tasks.spawn(async move {
                let patience = Duration::from_secs(NOTICE_PUSH_SECS_MAX);
                let sent = tokio::time::timeout(patience, peer.post(PATH, body)).await;
                (code, matches!(sent, Ok(Ok(()))))
            });
        }
        for (code, taken) in tasks.join_all().await {
            if taken {
                told.missed.remove(&code);
                told.reached.insert(code);
            } else if !told.reached.contains(&code) {
                told.missed.insert(code);
            }
        }
        told
    }

    /// Asks a partner for what it has heard.
    pub(crate) async fn ask_for_notices(&self, peer: &Peer, code: &str) {
        let answer = match peer.get(PATH, NOTICES_BYTES_MAX).await {
            Ok(answer) => answer,
            Err(error) => return tracing::debug!(peer = code, %error, "no notices were had"),
        };
        let taken = match serde_json::from_slice::<Vec<String>>(&answer) {
            Ok(notes) if notes.len() <= NOTICES_MAX => self.take_notices(&notes, code).await,
            Ok(_) => Err(NodeError::request("too many notices in one answer")),
            Err(error) => Err(NodeError::request(error.to_string())),
        };
        if let Err(error) = taken {
            tracing::debug!(peer = code, %error, "a partner's notice does not count here");
        }
    }
}

/// `GET /notices`: what is known here about the accords that name the caller.
pub(crate) fn given(node: &Node, caller: &Caller) -> Response {
    let accords = node.accords();
    let about = |signed: &SignedAccord| caller.within(signed).is_some();
    let mut bytes = 2;
    let notes: Vec<String> = accords
        .notices_for(&node.config().code, about)
        .take(NOTICES_MAX)
        // As JSON a byte is at most six.
        .take_while(|note| {
            bytes += 6 * note.len() + 3;
            bytes <= NOTICES_BYTES_MAX
        })
        .collect();
    // An array of strings always serialises.
    let body = serde_json::to_vec(&notes).unwrap_or_default();
    let headers = [
        (header::CONTENT_TYPE, "application/json".parse()),
        (header::CACHE_CONTROL, Ok(FRESH)),
    ];
    let headers = headers.map(|(name, value)| (name, value.unwrap_or(FRESH)));
    (headers, body).into_response()
}

/// `POST /notices`: takes what is signed by whom it binds.
pub(crate) async fn taken(
    node: &Arc<Node>,
    caller: &Caller,
    request: Request<Body>,
) -> Result<Response, Fault> {
    let body = members::body(request, NOTICES_POST_BYTES_MAX).await?;
    let notes: Vec<String> = serde_json::from_slice(&body)
        .map_err(|error| Fault::request(format!("Send a JSON array of signed notes: {error}.")))?;
    if notes.len() > NOTICES_MAX {
        return Err(Fault::request(format!("Send at most {NOTICES_MAX} notes.")));
    }
    node.take_notices(&notes, &caller.code).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
