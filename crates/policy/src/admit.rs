//! What a receiver checks before it keeps an entry that a partner's log proves.
//!
//! The log proves who said it and that all hear the same; this module asks whether the accord
//! allows it. It trusts nothing that the sender concluded: the hard rule is asked again, and where
//! the object is at hand the entry's claims are compared with it.
//!
//! Left to others: signatures, inclusion and the body's hash (sync), and which version of an
//! object stands (store).

use log::{Action, Entry};
use model::{Label, MarkingMeaning, Object, Releasable, Timestamp, Tlp, label_of};

use crate::limits::AHEAD_SECS_MAX;
use crate::release::{InForce, Subject, Withheld, releasable};

/// Whether the accord allows a receiver to keep this entry, and its object where there is one.
///
/// Withdrawals and expiries are admitted from every member that the channel names, whatever the
/// label: taking something back must never fail because the rules have tightened since.
///
/// # Errors
/// The first reason against keeping it.
pub fn admissible(
    entry: &Entry,
    object: Option<&Object>,
    origin: &str,
    channel: &InForce<'_>,
    now: Timestamp,
) -> Result<(), Withheld> {
    let takes_back = matches!(entry.action, Action::Withdraw | Action::Expire);
    let known = channel.channel.members.contains(origin);
    if !(known && (takes_back || channel.members.contains(origin))) {
        return Err(Withheld::NotAnOrigin {
            channel: channel.channel.name.clone(),
            origin: origin.to_owned(),
        });
    }
    if takes_back {
        return Ok(());
    }
    in_time(entry, channel, now)?;
    let label = Label::parse(&entry.label).map_err(|_| Withheld::Unreadable { field: "label" })?;
    let subject = Subject {
        label: &label,
        kind: &entry.kind,
        now,
    };
    if let Err(mut reasons) = releasable(&subject, channel) {
        return Err(reasons.swap_remove(0));
    }
    match object {
        Some(object) => agrees(entry, &label, object),
        None => Ok(()),
    }
}

/// The entry is neither past the channel's retention nor dated so far ahead that it never will be.
fn in_time(entry: &Entry, channel: &InForce<'_>, now: Timestamp) -> Result<(), Withheld> {
    let time = Timestamp::parse(&entry.time).map_err(|_| Withheld::Unreadable { field: "time" })?;
    let age_nanos = now.unix_nanos() - time.unix_nanos();
    let second = 1_000_000_000_i128;
    if age_nanos < -i128::from(AHEAD_SECS_MAX) * second {
        return Err(Withheld::FromTheFuture {
            time: entry.time.clone(),
        });
    }
    match channel.retention_days {
        Some(days) if age_nanos > i128::from(days) * 86_400 * second => {
            Err(Withheld::PastRetention { days })
        }
        _ => Ok(()),
    }
}

/// The entry speaks of this object and claims no weaker level than the object's own marking.
fn agrees(entry: &Entry, label: &Label, object: &Object) -> Result<(), Withheld> {
    let differs = |field| Err(Withheld::NotTheObject { field });
    if entry.hash != object.hash().0 {
        return differs("hash");
    }
    if entry.id != object.id().as_str() {
        return differs("id");
    }
    if entry.kind != object.kind() {
        return differs("kind");
    }
    let modified = match &entry.modified {
        Some(text) => {
            Some(Timestamp::parse(text).map_err(|_| Withheld::Unreadable { field: "modified" })?)
        }
        None => None,
    };
    // Types without versions may carry `modified` as an ordinary property; an entry may state it.
    if modified != object.modified() && (modified.is_some() || object.version().is_some()) {
        return differs("modified");
    }
    let stated = stated_level(object);
    if stated > label.tlp {
        return Err(Withheld::LabelTooWeak {
            claimed: label.tlp,
            stated,
        });
    }
    Ok(())
}

/// The level of the TLP markings that need no look-up. Other markings may be objects that have not
/// arrived yet, so they can neither be demanded nor read here; the entry's label covers them.
fn stated_level(object: &Object) -> Tlp {
    let open = Label::new(Tlp::Clear, Releasable::Everyone);
    label_of(
        object.marking_refs(),
        &|_| Some(MarkingMeaning::Statement),
        &open,
    )
    .tlp
}
