//! What a new version of an accord would newly show.
//!
//! A member that joins a channel reads its logs from the first entry, and entries cannot be left
//! out: the tree is over them, withdrawn or not. So a version that lets somebody into a channel
//! counts here only if everything that this member ever released there may be read by whoever
//! comes in (I1), and if what was exercise stays exercise (I9). Each member answers so for its own
//! log. A name that was given up and comes back is held to the same, since its log is still there.

use log::tile::TILE_WIDTH;
use log::{Entry, Kind, TilePath};
use model::{Groups, Label};
use policy::{Channel, SignedAccord};
use store::{LogName, Store, StoreError};

/// Why the channels of `after`, which takes the place of `before`, must not be opened here: a
/// sentence that says what to do, or nothing if they may.
pub(crate) fn newly_shown(
    store: &Store,
    before: Option<&SignedAccord>,
    after: &SignedAccord,
    own: &str,
) -> Result<Option<String>, StoreError> {
    for channel in &after.accord().channels {
        let log = LogName::new(&after.accord().name, &channel.name, own);
        let size = store.head(&log)?.map_or(0, |head| head.size);
        let earlier = before.and_then(|signed| signed.accord().channel(&channel.name));
        if size == 0 || earlier.is_some_and(|earlier| within(channel, earlier)) {
            continue;
        }
        // By the groups of both versions: who joins a group now was not in it when an entry that
        // names the group was released.
        let groups: Vec<Groups> = before
            .into_iter()
            .chain([after])
            .map(|signed| signed.accord().named_groups())
            .collect();
        if let Some(entry) = first_withheld(store, &log, size, channel, earlier, &groups)? {
            return Ok(Some(format!(
                "its channel {} would show entry {entry} of this member's log to members that it \
                 was not released to, or exercise as real; agree on a channel with another name",
                channel.name
            )));
        }
    }
    Ok(None)
}

/// Whether nobody reads the channel who could not before, and it is as real as it was.
fn within(channel: &Channel, earlier: &Channel) -> bool {
    channel.members.is_subset(&earlier.members) && channel.exercise == earlier.exercise
}

/// The first entry that a member who comes in may not read.
fn first_withheld(
    store: &Store,
    log: &LogName,
    size: u64,
    channel: &Channel,
    earlier: Option<&Channel>,
    groups: &[Groups],
) -> Result<Option<u64>, StoreError> {
    let known = |code: &&String| earlier.is_none_or(|earlier| !earlier.members.contains(*code));
    let joining: Vec<&String> = channel.members.iter().filter(known).collect();
    let may = |label: &Label| {
        let cleared = |code: &&String| groups.iter().all(|of| label.releases_to(code, of));
        joining.iter().all(cleared) && label.exercise == channel.exercise
    };
    let mut at = 0;
    // Neighbours mostly have one label.
    let mut last: Option<(String, bool)> = None;
    while let Some(path) = TilePath::at(Kind::Entries, at / TILE_WIDTH, size) {
        let damaged = |problem: String| StoreError::Corrupt {
            place: format!("{log}, {path}"),
            problem,
        };
        let bundle = store
            .tile(log, &path)?
            .ok_or_else(|| damaged("it is missing".to_owned()))?;
        let entries = log::entries::decode(&bundle, path.width)
            .map_err(|error| damaged(error.to_string()))?;
        for raw in entries {
            let entry = Entry::decode(raw).map_err(|error| damaged(error.to_string()))?;
            let seen = last.as_ref().filter(|(label, _)| *label == entry.label);
            let fine = match seen {
                Some((_, fine)) => *fine,
                None => Label::parse(&entry.label).is_ok_and(|label| may(&label)),
            };
            if !fine {
                return Ok(Some(at));
            }
            last = Some((entry.label, fine));
            at += 1;
        }
    }
    Ok(None)
}
