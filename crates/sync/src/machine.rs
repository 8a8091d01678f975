//! The pull: from a partner's signed checkpoint to objects in the store.
//!
//! One call of [`pull`] brings one log up to its origin's present checkpoint:
//!
//! 1. `judge`: the checkpoint's signatures, and that it continues what is held. If it cannot, the
//!    origin signed two histories: evidence is kept and the log refused for good (I3).
//! 2. `fetch`: the hash tiles of a window of bundles, authenticated to the root; then entry and
//!    body bundles, several in flight, each authenticated by `verify` on a thread of its own.
//! 3. `keep`: in log order, objects that markings or the accord withhold are dropped, the rest goes
//!    to the store in chunks. The store commits one chunk while the next is fetched and verified.
//! 4. With everything durable, the checkpoint is cosigned and the origin told.
//!
//! Memory is bounded by `limits`, not by the size of the log. Every chunk is complete in itself:
//! after an interruption at any point the next pull goes on from what the store holds. A pull that
//! finds nothing new changes nothing.

use std::sync::Arc;
use std::time::Duration;

use log::note::SigningKey;
use log::{Checkpoint, CheckpointError, LogKeys, Note};
use model::Timestamp;
use policy::{InForce, SignedAccord};
use store::{LogName, Store};
use tokio::sync::mpsc;

use crate::error::PullError;
use crate::limits::{CHECKPOINT_BYTES_MAX, REFUSALS_LISTED_MAX, WAITING_MAX};
use crate::source::{FetchError, Source};

mod fetch;
mod judge;
mod keep;
mod markings;
mod verify;

/// Tells the time. A pull uses it for retention, for cosignatures and to report where time went.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a pull holds true about one log: whose it is and what the accord in force says of it.
#[derive(Clone)]
pub struct View {
    log: LogName,
    accord: Arc<SignedAccord>,
    keys: LogKeys,
    cosigners: Arc<[SigningKey]>,
}

/// What a pull did.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Entries held before.
    pub from: u64,
    /// Entries held after.
    pub to: u64,
    /// Objects that are newly shown.
    pub shown: usize,
    /// Objects that the store refused because other bytes are held under the same version.
    pub conflicts: usize,
    /// Entries whose object is not shown, with the reason; at most
    /// [`REFUSALS_LISTED_MAX`] of them.
    pub refused: Vec<(u64, String)>,
    /// All entries whose object is not shown for a reason, listed or not.
    pub refused_count: u64,
    /// Entries whose object's bytes the origin no longer serves although no entry up to `to`, as
    /// far as this pull saw, takes it back.
    pub missing: Vec<u64>,
    /// Whether the origin took a new cosignature of this member.
    pub cosigned: bool,
    /// Why the origin did not take the cosignature; the next pull offers it again.
    pub cosign_failure: Option<FetchError>,
    /// Bytes that came.
    pub bytes: Moved,
    /// Where time went.
    pub spent: Spent,
}

/// Bytes that a pull moved.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moved {
    /// Checkpoints and hash tiles.
    pub proofs: u64,
    /// Entry bundles.
    pub entries: u64,
    /// Body bundles, compressed.
    pub bodies: u64,
    /// Body bundles, uncompressed.
    pub unpacked: u64,
}

/// Busy time of each stage of a pull. Stages overlap, so the sum exceeds the time that passed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Waiting for answers, summed over all requests.
    pub fetch: Duration,
    /// Decompressing bodies.
    pub decompress: Duration,
    /// Hashing, parsing and checking entries and objects.
    pub check: Duration,
    /// From handing a chunk to the store until it was durable.
    pub store: Duration,
}

impl View {
    /// The view of `origin`'s log of `channel` under an accord. `cosigners` are this member's
    /// witness keys, of whichever kinds it has; none means that nothing is cosigned.
    ///
    /// # Errors
    /// [`PullError::NotInForce`] when the channel is not in force or the origin is not among those
    /// that have ratified it.
    pub fn new(
        accord: Arc<SignedAccord>,
        channel: &str,
        origin: &str,
        cosigners: impl Into<Arc<[SigningKey]>>,
    ) -> Result<View, PullError> {
        let log = LogName::new(&accord.accord().name, channel, origin);
        let ratified = accord
            .channel_in_force(channel)
            .is_some_and(|channel| channel.members.contains(origin));
        match accord.log_keys(origin, channel) {
            Some(keys) if ratified => Ok(View {
                log,
                accord,
                keys,
                cosigners: cosigners.into(),
            }),
            _ => Err(PullError::NotInForce { log }),
        }
    }

    /// Which log this is about.
    pub fn log(&self) -> &LogName {
        &self.log
    }

    /// The keys that sign the log's checkpoints.
    pub fn keys(&self) -> &LogKeys {
        &self.keys
    }

    /// Whether a checkpoint that is held was signed by a key that its origin has revoked: what became
    /// of the key, and the size and root that the origin stands by, if it says so.
    fn revoked(&self, note: &str) -> Option<(String, Option<(u64, log::Hash)>)> {
        let note = Note::parse(note.as_bytes()).ok()?;
        let (former, stand) =
            self.accord
                .revoked_signer(&self.log.origin, &self.log.channel, &note)?;
        Some((
            former.to_string(),
            stand.map(|stand| (stand.size, stand.root)),
        ))
    }

    /// Why a checkpoint is not believed: a former key is named as what it is.
    pub(crate) fn explain(&self, error: CheckpointError, bytes: &[u8]) -> PullError {
        let (origin, channel) = (&self.log.origin, &self.log.channel);
        let note = Note::parse(bytes).ok();
        let former = note.and_then(|note| {
            let former = self.accord.former_signer(origin, channel, &note)?;
            Some(former.to_string())
        });
        match former {
            Some(why) => PullError::FormerKey {
                log: self.log.clone(),
                why,
            },
            None => PullError::Checkpoint(error),
        }
    }

    fn channel(&self) -> InForce<'_> {
        self.accord
            .channel_in_force(&self.log.channel)
            .expect("View::new found the channel in force and the accord never changes")
    }
}

/// Brings the log of `view` in `store` up to the checkpoint that `source` serves now.
///
/// # Errors
/// [`PullError`]; what was verified until then is stored, and [`pull_into`] tells about it.
pub async fn pull<S: Source>(
    source: &S,
    store: &Store,
    view: &View,
    clock: &Clock,
) -> Result<Progress, PullError> {
    let mut progress = Progress::default();
    pull_into(source, store, view, clock, &mut progress).await?;
    Ok(progress)
}

/// As [`pull`], with the report kept when the pull ends early.
///
/// # Errors
/// [`PullError`]
pub async fn pull_into<S: Source>(
    source: &S,
    store: &Store,
    view: &View,
    clock: &Clock,
    progress: &mut Progress,
) -> Result<(), PullError> {
    // The held state is read before the checkpoint is fetched, so that an honest origin can only
    // be ahead of it.
    let held = judge::held(store, view).await?;
    progress.from = held.size();
    progress.to = held.size();
    let bytes = source
        .fetch("checkpoint", CHECKPOINT_BYTES_MAX)
        .await
        .map_err(PullError::fetch("checkpoint"))?;
    progress.bytes.proofs += bytes.len() as u64;
    let (checkpoint, note) =
        Checkpoint::open(&bytes, &view.keys).map_err(|error| view.explain(error, &bytes))?;
    let target = Target::new(checkpoint, note, view);

    judge::against_held(store, view, &held, &target, source.live()).await?;
    let first = fetch::Window::first(held.size(), target.checkpoint.size());
    let tiles = judge::consistent(source, store, view, &held, &target, first, progress).await?;
    if held.size() < target.checkpoint.size() {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let run = fetch::Run {
            source,
            view,
            clock,
            checkpoint: &target.checkpoint,
        };
        let (fetched, kept) = tokio::join!(
            run.pieces(held.size(), first, tiles, sender),
            keep::chunks(store, view, clock, &target, held.size(), receiver, progress),
        );
        // Without the store nothing goes on; and it is why fetching ended, if it did.
        kept?;
        let spent = fetched?;
        progress.spent.fetch += spent.time;
        progress.bytes.proofs += spent.proofs;
    }
    cosign(source, view, clock, &target, progress).await
}

/// The checkpoint to be reached.
struct Target {
    checkpoint: Checkpoint,
    /// As it came, with whatever cosignatures the origin has.
    note: Note,
    /// With the log's own lines only: what is stored, and what evidence quotes.
    signed: String,
}

impl Target {
    fn new(checkpoint: Checkpoint, note: Note, view: &View) -> Target {
        let keys = [Some(&view.keys.ed25519), view.keys.pq.as_ref()];
        let mut signed = note.text().to_owned();
        signed.push('\n');
        for key in keys.into_iter().flatten() {
            for line in note.lines_of(key) {
                signed.push_str(&format!("{line}\n"));
            }
        }
        Target {
            checkpoint,
            note,
            signed,
        }
    }
}

impl Spent {
    fn add(&mut self, more: &Spent) {
        self.fetch += more.fetch;
        self.decompress += more.decompress;
        self.check += more.check;
        self.store += more.store;
    }
}

impl Progress {
    fn refuse(&mut self, index: u64, reason: String) {
        self.refused_count += 1;
        if self.refused.len() < REFUSALS_LISTED_MAX {
            self.refused.push((index, reason));
        }
    }
}

/// Cosigns the reached checkpoint unless the origin serves it with our lines already. That the
/// origin does not take them changes nothing here.
async fn cosign<S: Source>(
    source: &S,
    view: &View,
    clock: &Clock,
    target: &Target,
    progress: &mut Progress,
) -> Result<(), PullError> {
    let text = target.checkpoint.to_text();
    let seconds = u64::try_from(clock().unix_nanos() / 1_000_000_000).unwrap_or_default();
    let mut lines = String::new();
    for key in view.cosigners.iter() {
        let held = target.note.lines_of(key.verifier()).next().is_some();
        if target.checkpoint.size() == 0 || held {
            continue;
        }
        match log::cosign::cosign(&text, key, seconds) {
            Ok(line) => lines.push_str(&format!("{line}\n")),
            Err(error) => tracing::error!(%error, log = %view.log, "cannot cosign"),
        }
    }
    if !lines.is_empty() {
        match source.cosign(lines).await {
            Ok(()) => progress.cosigned = true,
            Err(error) => progress.cosign_failure = Some(error),
        }
    }
    Ok(())
}

/// Runs work that computes or reads files on a thread for such work.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PullError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(PullError::Stopping),
    }
}

/// The time between two readings of the clock; none if it was set back in between.
fn between(start: Timestamp, end: Timestamp) -> Duration {
    let nanos = u64::try_from(end.unix_nanos() - start.unix_nanos()).unwrap_or_default();
    Duration::from_nanos(nanos)
}
