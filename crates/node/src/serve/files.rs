//! How many files and sockets the system lets this process have.
//!
//! Many systems start processes with 1,024, fewer than this node's listeners together accept. A
//! store that cannot open a file because a client holds the last one would stop for that client.

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::limits::FILES_WANTED;

/// Asks for as many as the node may need, within what the operator allows (the hard limit).
pub(super) fn allow() {
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit
        .maximum
        .map_or(FILES_WANTED, |most| most.min(FILES_WANTED));
    if limit.current.is_none_or(|now| now >= wanted) {
        return;
    }
    limit.current = Some(wanted);
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, wanted, "the limit of open files could not be raised");
    }
}
