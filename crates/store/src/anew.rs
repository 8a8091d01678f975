//! What a change of keys asks of logs: a checkpoint signed again, and a copy begun anew.

use crate::error::StoreError;
use crate::journal::{Frames, Header};
use crate::types::{LogName, Reply, Signer};
use crate::work::Work;
use crate::writer::Writer;

impl Writer {
    /// Signs the newest checkpoint of an own log again.
    pub(crate) fn resign(
        &self,
        work: &mut Work<'_>,
        frames: &mut Frames,
        name: &LogName,
        signer: &Signer,
    ) -> Result<Reply, StoreError> {
        let state = work.log(name, &self.logs, true)?;
        let (size, root) = (state.tree.size(), state.tree.root());
        if size == 0 {
            return Ok(Reply::Done);
        }
        if !state.own {
            return Err(StoreError::NotOwn { log: name.clone() });
        }
        let checkpoint = signer(size, root);
        if checkpoint == state.checkpoint {
            return Ok(Reply::Done);
        }
        let header = Header::Resigned {
            log: name.to_parts(),
            size,
            checkpoint: checkpoint.clone(),
        };
        frames.push(&header, &[])?;
        work.resigned(name, size, &checkpoint);
        Ok(Reply::Done)
    }

    /// Begins the copy of a partner's log anew.
    pub(crate) fn restart(
        &self,
        work: &mut Work<'_>,
        frames: &mut Frames,
        name: &LogName,
        from: u64,
        (reason, evidence): (&str, &str),
    ) -> Result<Reply, StoreError> {
        let state = work.log(name, &self.logs, false)?;
        let (size, own) = (state.tree.size(), state.own);
        if own && size > 0 {
            return Err(StoreError::IsOwn { log: name.clone() });
        }
        // What this very group has added is not in the index yet, so it could not be hidden.
        let before = work.logs.get(name).map_or(size, |(before, _)| *before);
        if size != from || before != size {
            return Err(StoreError::WrongSize {
                log: name.clone(),
                held: size,
                given: from,
            });
        }
        let at = self.positions(work, 1);
        let header = Header::Restarted {
            log: name.to_parts(),
            from,
            at,
            reason: reason.to_owned(),
        };
        work.halfway = true;
        frames.push(&header, &[evidence.as_bytes()])?;
        work.restarted(name, from, at, reason, evidence.as_bytes())?;
        work.halfway = false;
        Ok(Reply::Done)
    }
}
