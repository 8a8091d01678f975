//! A file for everybody.
//!
//! Nothing is decided here that the release authority has not: an object can be published only in
//! the very bytes in which this member released it into a channel, while it is not taken back, and
//! only if both that release's label and the nation's own word since say TLP:CLEAR for everybody
//! without a condition ([`crate::feeds::refusal`], as for any reader who has signed nothing).

use std::collections::BTreeSet;
use std::sync::Arc;

use model::Tlp;

use super::{absolute, cannot, write_new};
use crate::admin::types::{AuditRecord, CourierPublish, CourierPublished};
use crate::audit::with_objects;
use crate::auth::Caller;
use crate::error::NodeError;
use crate::feeds::{entries, refusal, shown};
use crate::node::{Node, blocking};

/// LIMIT: reasons that a report lists.
const REASONS_MAX: usize = 20;

pub(super) async fn run(
    node: &Arc<Node>,
    caller: &Caller,
    request: CourierPublish,
) -> Result<CourierPublished, NodeError> {
    let out = absolute(&request.out)?.to_owned();
    crate::feeds::pushable(node, &request.channel, None).map_err(NodeError::request)?;
    let unknown = || NodeError::Unknown {
        what: format!("channel {:?} in force", request.channel),
    };
    let channel = node.channel(&request.channel).ok_or_else(unknown)?;
    let groups = channel.in_force().ok_or_else(unknown)?.groups.clone();
    let (own, now) = (channel.log(&node.config().code), node.now());
    let wanted: BTreeSet<String> = request.ids.iter().cloned().collect();
    let (chosen, left_out) = node
        .read(move |store| {
            let size = store.head(&own)?.map_or(0, |head| head.size);
            let (mut chosen, mut left_out) = (Vec::new(), BTreeSet::new());
            let mut from = 0;
            while from < size {
                let next = entries(store, &own, from, size)?;
                if next.is_empty() {
                    break;
                }
                from += next.len() as u64;
                for (record, label, bytes) in shown(store, &own, &next)? {
                    let id = record.id.as_str().to_owned();
                    if !wanted.is_empty() && !wanted.contains(&id) {
                        continue;
                    }
                    let refused = match label.tlp {
                        Tlp::Clear => refusal(&label, record.about_person, None, &groups, now),
                        _ => Some(format!("only TLP:CLEAR is public (its label is {label})")),
                    };
                    match refused {
                        None => chosen.push((id, bytes.to_vec())),
                        Some(why) if left_out.len() < REASONS_MAX => {
                            left_out.insert(format!("{id}: {why}"));
                        }
                        Some(_) => {}
                    }
                }
            }
            Ok((chosen, left_out))
        })
        .await?;
    if chosen.is_empty() {
        let first = left_out.first().map(|why| format!("; {why}"));
        return Err(NodeError::request(format!(
            "nothing that was released into {} is TLP:CLEAR for everybody{}",
            request.channel,
            first.unwrap_or_default()
        )));
    }
    if chosen.len() > log::manifest::PUBLISHED_MAX {
        return Err(NodeError::request(format!(
            "one publication has at most {} objects; name some of them",
            log::manifest::PUBLISHED_MAX
        )));
    }
    let (ids, bodies): (Vec<String>, Vec<Vec<u8>>) = chosen.into_iter().unzip();
    let record = AuditRecord {
        what: "courier".into(),
        who: caller.recorded(&request.who),
        channel: request.channel.clone(),
        count: ids.len() as u64,
        why: format!("published to {}", request.out),
        policy: channel.policy(),
        ..node.record()
    };
    node.audit(with_objects(&record, &ids)).await?;
    let domain = node.config().domain.clone();
    let objects = ids.len() as u64;
    let (bytes, root) = blocking(move || {
        let (file, root) = sync::courier::publication(&domain, &bodies);
        let written = write_new(&out, |to| to.write_all(&file));
        let bytes = written.map_err(|error| cannot(&out, error))?;
        Ok::<_, NodeError>((bytes, root))
    })
    .await?;
    Ok(CourierPublished {
        root: root.to_string(),
        bytes,
        objects,
        left_out: left_out.into_iter().collect(),
    })
}
