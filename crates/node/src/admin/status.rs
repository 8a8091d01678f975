//! What an operator sees: the node's state, its partners and what it keeps as evidence.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, State};
use model::Timestamp;
use policy::Duty;
use store::{Collection, Count, Head, LogName};

use super::types::{
    AccordInfo, Alarm, AuditStatus, CollectionInfo, EvidenceInfo, LogInfo, MemberInfo, PeerInfo,
    PeerLog, PullSpent, Status, StoreInfo,
};
use super::{As, Shared};
use crate::config::mode_word;
use crate::keys::hex;
use crate::limits::FAILURES_ALARM;
use crate::node::Node;
use crate::problem::Fault;

pub(super) async fn member(
    State(node): Shared,
    Extension(caller): As,
) -> Result<Json<MemberInfo>, Fault> {
    caller.require_one_of(&Duty::ALL)?;
    Ok(Json(member_info(&node)))
}

pub(super) async fn peers(
    State(node): Shared,
    Extension(caller): As,
) -> Result<Json<Vec<PeerInfo>>, Fault> {
    caller.require_one_of(&Duty::ALL)?;
    let heads = node.read(|store| store.heads()).await?;
    Ok(Json(peer_infos(&node, &heads)))
}

pub(super) async fn evidence(
    State(node): Shared,
    Extension(caller): As,
) -> Result<Json<Vec<EvidenceInfo>>, Fault> {
    caller.require_one_of(&[Duty::Operator, Duty::Auditor])?;
    let kept = node.read(|store| store.evidence()).await?;
    let of_audit = node
        .audit_evidence()
        .await?
        .into_iter()
        .map(|found| EvidenceInfo {
            at: found.at,
            log: Some(found.origin),
            reason: format!("{} remembers another history of this audit log", found.code),
            text: found.text,
        });
    let info = kept.into_iter().map(|kept| EvidenceInfo {
        at: Timestamp::from_unix_micros(kept.at).to_string(),
        log: kept.log.map(|log| log.to_string()),
        reason: kept.reason,
        text: String::from_utf8_lossy(&kept.content).into_owned(),
    });
    Ok(Json(info.chain(of_audit).collect()))
}

pub(super) async fn status(
    State(node): Shared,
    Extension(caller): As,
) -> Result<Json<Status>, Fault> {
    caller.require_one_of(&Duty::ALL)?;
    let listings = node.collections();
    let wanted: Vec<Collection> = listings
        .iter()
        .map(|listing| listing.collection().clone())
        .collect();
    let (heads, counts, conflicts, health, disk) = node
        .read(move |store| {
            let counted: HashMap<Collection, Count> = store.counts()?.into_iter().collect();
            let counts: Vec<Count> = wanted
                .iter()
                .map(|collection| counted.get(collection).copied().unwrap_or_default())
                .collect();
            let conflicts = store
                .evidence()?
                .iter()
                .filter(|kept| kept.log.is_none())
                .count();
            Ok((
                store.heads()?,
                counts,
                conflicts,
                store.health(),
                store.bytes_on_disk(),
            ))
        })
        .await?;
    let accords = node.accords();
    let collections = listings.iter().zip(counts).map(|(listing, count)| {
        let (members, mode) = match listing.collection() {
            Collection::National | Collection::Forms => (Vec::new(), String::new()),
            Collection::Channel { accord, channel } => (
                accords
                    .channel(accord, channel, &node.config().code)
                    .and_then(|channel| Some(channel.in_force()?.members.into_iter().collect()))
                    .unwrap_or_default(),
                mode_word(&node.config().mode(accord, channel)).to_owned(),
            ),
        };
        CollectionInfo {
            name: listing.name().to_owned(),
            id: listing.id().to_string(),
            alias: listing.alias().to_owned(),
            title: listing.title().to_owned(),
            objects: count.objects,
            versions: count.versions,
            members,
            mode,
        }
    });
    let (listen_members, listen_national) = node.listening();
    let mut alarms = Vec::new();
    for found in node.audit_evidence().await? {
        alarms.push(Alarm {
            kind: "audit-rewritten".into(),
            text: format!(
                "the audit log {} does not continue what was witnessed of it before: records were \
                 changed or removed, or an old copy of a data folder was put back; look at the evidence",
                found.origin
            ),
            subject: format!("{} ({})", found.origin, found.code),
        });
    }
    alarms.extend(node.feed_alarms().await?);
    for (name, head) in &heads {
        if let Some(reason) = &head.refused {
            alarms.push(Alarm {
                kind: "log-refused".into(),
                subject: name.to_string(),
                text: format!(
                    "nothing more is accepted from this log: {reason}; look at the evidence and talk to {}",
                    name.origin
                ),
            });
        }
    }
    if !health.writable {
        alarms.push(Alarm {
            kind: "store-full".into(),
            subject: node.config().data.display().to_string(),
            text: format!(
                "nothing new is accepted ({}); reads are still served, and writing goes on as soon as it can",
                health.reason.as_deref().unwrap_or("the last write failed")
            ),
        });
    }
    let peers = peer_infos(&node, &heads);
    for peer in &peers {
        let state = node.peers().peer(&peer.code);
        if state
            .logs
            .values()
            .any(|log| log.failures >= FAILURES_ALARM)
        {
            let why = peer
                .logs
                .iter()
                .find_map(|log| log.last_error.clone())
                .unwrap_or_default();
            alarms.push(Alarm {
                kind: "peer-unreachable".into(),
                subject: peer.code.clone(),
                text: format!("its logs cannot be pulled: {why}"),
            });
        }
    }
    if conflicts > 0 {
        alarms.push(Alarm {
            kind: "conflict".into(),
            subject: "objects".into(),
            text: format!("{conflicts} objects came with other content than is held under their id and version; see the evidence"),
        });
    }
    let audit_log = node.audit_log();
    let audit = AuditStatus {
        size: heads
            .iter()
            .find(|(name, _)| *name == audit_log)
            .map_or(0, |(_, head)| head.size),
        witnesses: node.witness_infos().await?,
    };
    alarms.extend(node.request_alarms().await?);
    Ok(Json(Status {
        audit,
        member: member_info(&node),
        version: env!("CARGO_PKG_VERSION").into(),
        now: node.now().to_string(),
        ready: node.ready(),
        alarms,
        store: StoreInfo {
            writable: health.writable,
            reason: health.reason,
            bytes_on_disk: disk,
        },
        listen_members,
        listen_national,
        logs: heads
            .iter()
            .map(|(name, head)| log_info(name, head))
            .collect(),
        collections: collections.collect(),
        peers,
        accords: accords.all().map(|signed| AccordInfo::of(signed)).collect(),
    }))
}

fn member_info(node: &Node) -> MemberInfo {
    let me = node.me();
    MemberInfo {
        code: me.code.clone(),
        name: me.name.clone(),
        domain: me.domain.clone(),
        url: me.url.clone(),
        root: me.root.to_string(),
        log: me.log.to_string(),
        log_pq: me.log_pq.as_ref().map(ToString::to_string),
        witness: me.witness.to_string(),
        tls: hex(&me.tls),
    }
}

fn log_info(name: &LogName, head: &Head) -> LogInfo {
    LogInfo {
        accord: name.accord.clone(),
        channel: name.channel.clone(),
        origin: name.origin.clone(),
        own: head.own,
        size: head.size,
        root: head.root.to_string(),
        checkpoint_size: head.checkpoint_size,
        cosigned_by: head
            .cosignatures
            .iter()
            .map(|(name, _)| name.clone())
            .collect(),
        refused: head.refused.clone(),
    }
}

fn spent(spent: &sync::Spent) -> PullSpent {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    PullSpent {
        fetch_ms: millis(spent.fetch),
        decompress_ms: millis(spent.decompress),
        check_ms: millis(spent.check),
        store_ms: millis(spent.store),
    }
}

/// Every other member of the installed accords, with the logs that are pulled from it.
fn peer_infos(node: &Arc<Node>, heads: &[(LogName, Head)]) -> Vec<PeerInfo> {
    let own = &node.config().code;
    let accords = node.accords();
    let mut peers: Vec<PeerInfo> = Vec::new();
    for member in accords.all().flat_map(|signed| &signed.accord().members) {
        if member.code == *own || peers.iter().any(|peer| peer.code == member.code) {
            continue;
        }
        let state = node.peers().peer(&member.code);
        let mut logs = Vec::new();
        for channel in accords.channels(own) {
            if !channel
                .in_force()
                .is_some_and(|in_force| in_force.members.contains(&member.code))
            {
                continue;
            }
            let name = channel.log(&member.code);
            let head = heads
                .iter()
                .find(|(held, _)| *held == name)
                .map(|(_, head)| head);
            let pulled = state.logs.get(&name).cloned().unwrap_or_default();
            logs.push(PeerLog {
                channel: channel.full_name(),
                size: head.map_or(0, |head| head.size),
                lag: head.map_or(0, |head| head.checkpoint_size.saturating_sub(head.size)),
                last_success: pulled.last_success.map(|at| at.to_string()),
                last_failure: pulled.last_failure.map(|at| at.to_string()),
                last_error: pulled.last_error,
                refused: head.and_then(|head| head.refused.clone()),
                spent: spent(&pulled.spent),
            });
        }
        peers.push(PeerInfo {
            code: member.code.clone(),
            name: member.name.clone(),
            url: member.url.clone(),
            listening: state.listening,
            logs,
        });
    }
    peers
}
