//! Witnessing: what this node remembers of others' logs, and the cosignatures it gives (C2SP
//! tlog-witness).
//!
//! | resource | answer |
//! |---|---|
//! | `POST /add-checkpoint` | cosignature lines, once the checkpoint is remembered durably |
//! | `GET /witnessed/<origin>` | the newest checkpoint remembered, to the log's own member |
//!
//! At present the logs are the audit logs of members with whom an accord is in force: [`keys_of`]
//! is the one place that says so. A checkpoint is taken from its member's own TLS key only.
//!
//! INVARIANT: what is remembered of a log never shrinks and never changes but to what provably
//! continues it; it is durable before a cosignature of it leaves.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::Request;
use log::witness::{Refusal, judge};
use log::{AddCheckpoint, Checkpoint, Evidence, LogKeys, Note, cosign};
use model::Timestamp;
use store::Command;

use super::{audit_keys, audit_origin};
use crate::admin::types::AuditRecord;
use crate::error::NodeError;
use crate::limits::{ADD_CHECKPOINT_BYTES_MAX, WITNESS_BURST_MAX, WITNESS_REFILL_SECS};
use crate::members::{self, Caller};
use crate::node::Node;
use crate::problem::Fault;

/// Settings with the newest checkpoint of each log that this node witnesses:
/// `witness/<code>/<origin>`. The code is in the key because two accords could give one domain to
/// two members, and only the code's root key is checked across accords.
const SETTING: &str = "witness/";

/// Settings with evidence that an audit log was rewritten: `audit-evidence/<origin>/<code>`, by
/// whoever remembers the other history.
const EVIDENCE: &str = "audit-evidence/";

/// How much each member may still have remembered just now, checkpoints or notices: each costs a
/// durable write of some kilobytes. Refused ones cost none.
#[derive(Debug, Default)]
pub(crate) struct Allowance(BTreeMap<String, (u64, Timestamp)>);

impl Allowance {
    /// Whether this member may cause one more just now, which is then counted.
    pub(crate) fn take(&mut self, code: &str, now: Timestamp) -> bool {
        let (left, since) = self
            .0
            .entry(code.to_owned())
            .or_insert((WITNESS_BURST_MAX, now));
        let passed = now.unix_micros().saturating_sub(since.unix_micros());
        let earned = u64::try_from(passed / 1_000_000).unwrap_or(0) / WITNESS_REFILL_SECS;
        if earned > 0 || now < *since {
            *left = left.saturating_add(earned).min(WITNESS_BURST_MAX);
            *since = now;
        }
        let may = *left > 0;
        *left = left.saturating_sub(1);
        may
    }
}

/// The keys, one set an accord, of the log called `origin` if it is one that the caller may have
/// witnessed here.
fn keys_of(node: &Node, caller: &Caller, origin: &str) -> Vec<LogKeys> {
    let own = &node.config().code;
    let mut found: Vec<LogKeys> = Vec::new();
    for signed in node.accords().all() {
        let Some(member) = caller.within(signed) else {
            continue;
        };
        let ratified = signed.ratified();
        if !ratified.contains(own)
            || !ratified.contains(&member.code)
            || audit_origin(&member.domain) != origin
        {
            continue;
        }
        let keys = audit_keys(member).filter(|keys| !found.contains(keys));
        found.extend(keys);
    }
    found
}

/// `POST /add-checkpoint`.
pub(crate) async fn add_checkpoint(
    node: &Arc<Node>,
    caller: &Caller,
    request: Request<Body>,
) -> Result<Response, Fault> {
    let body = members::body(request, ADD_CHECKPOINT_BYTES_MAX).await?;
    let asked = match AddCheckpoint::parse(&body) {
        Ok(asked) => asked,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    let origin = match asked.origin() {
        Ok(origin) => origin,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    let known = keys_of(node, caller, &origin);
    if known.is_empty() {
        return Err(Fault::not_found());
    }
    // Nobody else may judge or remember until this is durable.
    let mut allowance = node.ledger().remembering.lock().await;
    let setting = format!("{SETTING}{}/{origin}", caller.code);
    let held_note = held(node, setting.clone()).await?;
    let held = held_note.as_deref().map(stated).transpose()?;
    let mut judged = None;
    for keys in &known {
        judged = Some((keys, judge(&asked, held.as_ref(), keys)));
        if !matches!(judged, Some((_, Err(Refusal::Signature(_))))) {
            break;
        }
    }
    let Some((keys, judged)) = judged else {
        return Err(Fault::not_found());
    };
    let (checkpoint, mut note) = match judged {
        Ok(accepted) => accepted,
        Err(refusal) => {
            if let (Refusal::OtherRoot { .. } | Refusal::Proof(_), Some(before)) =
                (&refusal, &held_note)
            {
                contradicted(node, caller, keys, before, &asked.note, &refusal).await?;
            }
            return Ok(refused(&refusal));
        }
    };
    let mut lines = String::new();
    for key in node.keys().cosigners().iter() {
        let line = cosign::cosign(note.text(), key, node.clock().secs()).map_err(internal)?;
        lines += &format!("{line}\n");
        note.add(line).map_err(internal)?;
    }
    // What is remembered already is durable already; only its age is news.
    if held.as_ref() != Some(&checkpoint) {
        if !allowance.take(&caller.code, node.now()) {
            return Err(Fault::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many",
                "Too many checkpoints in a short time",
                format!("Send the newest one in {WITNESS_REFILL_SECS} seconds."),
            ));
        }
        node.execute(Command::Put {
            key: setting,
            value: Some(note.to_string().into_bytes()),
        })
        .await?;
    }
    Ok(members::reply(
        "text/plain; charset=utf-8",
        members::FRESH,
        lines.into_bytes(),
    ))
}

/// `GET /witnessed/<origin>`: what a member's log is to us, for that member alone. Its size says
/// how much it has to account for, which is nobody else's business.
pub(crate) async fn witnessed(
    node: &Arc<Node>,
    caller: &Caller,
    origin: &str,
) -> Result<Response, Fault> {
    if keys_of(node, caller, origin).is_empty() {
        return Err(Fault::not_found());
    }
    let note = held(node, format!("{SETTING}{}/{origin}", caller.code)).await?;
    let note = note.ok_or_else(Fault::not_found)?;
    Ok(members::reply(
        "text/plain; charset=utf-8",
        members::FRESH,
        note.into_bytes(),
    ))
}

async fn held(node: &Node, setting: String) -> Result<Option<String>, NodeError> {
    let value = node.read(move |store| store.get(&setting)).await?;
    value
        .map(|bytes| String::from_utf8(bytes).map_err(|error| damaged(&error)))
        .transpose()
}

/// The checkpoint that a remembered note states. It was verified before it was remembered; the
/// keys in the accord may have changed since.
pub(super) fn stated(note: &str) -> Result<Checkpoint, NodeError> {
    let note = Note::parse(note.as_bytes()).map_err(|error| damaged(&error))?;
    Checkpoint::parse_text(note.text()).map_err(|error| damaged(&error))
}

fn damaged(error: &dyn std::fmt::Display) -> NodeError {
    NodeError::Store(store::StoreError::Corrupt {
        place: "a remembered checkpoint".into(),
        problem: error.to_string(),
    })
}

fn internal(error: impl std::fmt::Display) -> NodeError {
    NodeError::Stopped {
        what: format!("the witness ({error})"),
    }
}

/// A refusal as the specification writes it.
fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let (kind, text) = match refusal.held() {
        Some(size) => ("text/x.tlog.size", format!("{size}\n")),
        None => ("text/plain; charset=utf-8", format!("{refusal}\n")),
    };
    let mut response = (status, text).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A member signed what does not continue what it signed before: kept, once, and raised.
async fn contradicted(
    node: &Arc<Node>,
    caller: &Caller,
    keys: &LogKeys,
    before: &str,
    now: &str,
    refusal: &Refusal,
) -> Result<(), NodeError> {
    let proof = Evidence::same_size(keys, before.as_bytes(), now.as_bytes());
    let evidence = match proof {
        Ok(proof) => proof.to_text(),
        Err(_) => format!("{refusal}\n\nwitnessed before:\n{before}\noffered now:\n{now}"),
    };
    let record = AuditRecord {
        what: "witness-refused".into(),
        who: caller.code.clone(),
        channel: keys.origin.clone(),
        why: refusal.to_string(),
        ..node.record()
    };
    keep_evidence(node, &keys.origin, &caller.code, evidence, record).await
}

/// Keeps evidence and accounts for it, unless there is some about this log and member already.
pub(super) async fn keep_evidence(
    node: &Arc<Node>,
    origin: &str,
    code: &str,
    evidence: String,
    record: AuditRecord,
) -> Result<(), NodeError> {
    let key = format!("{EVIDENCE}{origin}/{code}");
    let asked = key.clone();
    if node.read(move |store| store.get(&asked)).await?.is_some() {
        return Ok(());
    }
    tracing::error!(origin, code, why = record.why, "an audit log was rewritten");
    let value = format!("{}\n{evidence}", node.now());
    let put = Command::Put {
        key,
        value: Some(value.into_bytes()),
    };
    node.account_for(vec![record], Some(put)).await.map(drop)
}

/// One kept piece of evidence about an audit log.
pub(crate) struct Found {
    /// When it was kept.
    pub(crate) at: String,
    /// The log.
    pub(crate) origin: String,
    /// The member that remembers the other history, or whose log it is.
    pub(crate) code: String,
    /// The evidence itself.
    pub(crate) text: String,
}

impl Node {
    /// What is kept about audit logs that were rewritten, this node's own or a partner's.
    pub(crate) async fn audit_evidence(&self) -> Result<Vec<Found>, NodeError> {
        let kept = self.read(|store| store.scan(EVIDENCE)).await?;
        let found = kept.into_iter().filter_map(|(key, value)| {
            let (origin, code) = key.strip_prefix(EVIDENCE)?.rsplit_once('/')?;
            let text = String::from_utf8_lossy(&value).into_owned();
            let (at, text) = text.split_once('\n')?;
            Some(Found {
                at: at.to_owned(),
                origin: origin.to_owned(),
                code: code.to_owned(),
                text: text.to_owned(),
            })
        });
        Ok(found.collect())
    }
}
