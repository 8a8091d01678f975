//! Fetching: tiles of a window, then the window's entry and body bundles, several at once.
//!
//! A window is the entry bundles under one level-1 tile; its few tiles are held while its bundles
//! run. A body bundle that is too large to be held whole is fetched in pieces, one after the
//! other, each half as long as the one that was too large.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use log::tile::TILE_WIDTH;
use log::{Checkpoint, Hash, Kind, TilePath, Tiles};
use tokio::sync::mpsc;

use super::verify::{self, Entries, Piece};
use super::{Clock, View, between, blocking};
use crate::error::PullError;
use crate::limits::{
    BODIES_BYTES_MAX, ENTRIES_BYTES_MAX, IN_FLIGHT_MAX, TILE_BYTES_MAX, WINDOW_BUNDLES,
};
use crate::source::{FetchError, Source};

/// Bundle numbers `from..to`, all under one level-1 tile.
#[derive(Clone, Copy)]
pub(super) struct Window {
    from: u64,
    to: u64,
}

impl Window {
    /// The first window that has entries after `held` in a log of `size`; empty when none are.
    pub(super) fn first(held: u64, size: u64) -> Window {
        Window::starting(held / TILE_WIDTH, held, size)
    }

    fn starting(bundle: u64, held: u64, size: u64) -> Window {
        let end = if held < size {
            size.div_ceil(TILE_WIDTH)
        } else {
            bundle
        };
        let aligned = (bundle / WINDOW_BUNDLES + 1) * WINDOW_BUNDLES;
        Window {
            from: bundle,
            to: aligned.min(end),
        }
    }

    /// The tiles that authenticate the window's entry bundles.
    pub(super) fn tiles(&self, size: u64) -> BTreeSet<TilePath> {
        if self.from >= self.to {
            return BTreeSet::new();
        }
        // A last bundle that is not full has no such node; its tile belongs to the right edge,
        // which is always included.
        let nodes: Vec<(u8, u64)> = (self.from..self.to).map(|bundle| (8, bundle)).collect();
        Tiles::needed(size, &nodes)
    }
}

/// Fetches tiles and authenticates them; also says how many bytes came.
pub(super) async fn tiles<S: Source>(
    source: &S,
    size: u64,
    root: Hash,
    paths: BTreeSet<TilePath>,
) -> Result<(Arc<Tiles>, u64), PullError> {
    let got: BTreeMap<TilePath, Vec<u8>> = stream::iter(paths)
        .map(|path| async move {
            let tile = source.fetch(&path.to_string(), TILE_BYTES_MAX).await;
            let tile = tile.map_err(PullError::fetch(path))?;
            Ok::<_, PullError>((path, Vec::from(tile)))
        })
        .buffer_unordered(IN_FLIGHT_MAX)
        .try_collect()
        .await?;
    let bytes = got.values().map(|tile| tile.len() as u64).sum();
    let tiles = blocking(move || Tiles::verify(size, root, got)).await??;
    Ok((Arc::new(tiles), bytes))
}

/// One run over the entries of a log up to a checkpoint.
pub(super) struct Run<'a, S> {
    pub(super) source: &'a S,
    pub(super) view: &'a View,
    pub(super) clock: &'a Clock,
    pub(super) checkpoint: &'a Checkpoint,
}

/// What a run cost beyond what its pieces report.
#[derive(Default)]
pub(super) struct Cost {
    pub(super) time: Duration,
    pub(super) proofs: u64,
}

/// A bundle whose entries are authenticated, with its bodies or without, if they are too many.
enum Bundle {
    Whole(Piece),
    Large(Entries),
}

impl<S: Source> Run<'_, S> {
    /// Sends verified pieces of the log after `held`, in order. Ends early, without an error, when
    /// nobody takes them any more.
    pub(super) async fn pieces(
        &self,
        held: u64,
        first: Window,
        tiles: Arc<Tiles>,
        sender: mpsc::Sender<Piece>,
    ) -> Result<Cost, PullError> {
        let (size, root) = (self.checkpoint.size(), self.checkpoint.root());
        let mut cost = Cost::default();
        let (mut window, mut tiles) = (first, tiles);
        loop {
            let mut bundles = stream::iter(window.from..window.to)
                .map(|bundle| self.bundle(bundle, held, Arc::clone(&tiles)))
                .buffered(IN_FLIGHT_MAX);
            while let Some(bundle) = bundles.next().await {
                let gone = match bundle? {
                    Bundle::Whole(piece) => sender.send(piece).await.is_err(),
                    Bundle::Large(entries) => self.in_parts(entries, &sender).await?,
                };
                if gone {
                    return Ok(cost);
                }
            }
            drop(bundles);
            window = Window::starting(window.to, held, size);
            if window.from >= window.to {
                return Ok(cost);
            }
            let start = (self.clock)();
            let (next, bytes) = self::tiles(self.source, size, root, window.tiles(size)).await?;
            cost.time += between(start, (self.clock)());
            cost.proofs += bytes;
            tiles = next;
        }
    }

    /// Fetches and verifies one bundle.
    async fn bundle(&self, index: u64, held: u64, tiles: Arc<Tiles>) -> Result<Bundle, PullError> {
        let size = self.checkpoint.size();
        let path = |kind| {
            TilePath::at(kind, index, size)
                .ok_or(PullError::Tiles(log::TileError::RootDiffers { size }))
        };
        let (entries_path, bodies_path) = (path(Kind::Entries)?, path(Kind::Objects)?);
        // Places that are held already: only in the bundle where the held log ends.
        let skip = held.saturating_sub(index * TILE_WIDTH).min(TILE_WIDTH) as usize;
        let start = (self.clock)();
        let entries = entries_path.to_string();
        let (entries, bodies) = tokio::join!(
            self.source.fetch(&entries, ENTRIES_BYTES_MAX),
            self.bodies(bodies_path, skip),
        );
        let spent = between(start, (self.clock)());
        let entries = entries.map_err(PullError::fetch(entries_path))?;
        let bodies = bodies?;

        let (view, clock) = (self.view.clone(), Arc::clone(self.clock));
        blocking(move || {
            let mut entries = Entries::verify(&tiles, entries_path, entries, skip, &clock)?;
            let end = usize::from(entries_path.width);
            let piece = match bodies {
                Some(bodies) => verify::piece(&mut entries, end, bodies, &view, &clock)?,
                None => None,
            };
            Ok(match piece {
                Some(mut piece) => {
                    piece.spent.fetch += spent;
                    Bundle::Whole(piece)
                }
                None => Bundle::Large(entries),
            })
        })
        .await?
    }

    /// Fetches the bodies of a bundle in parts that can be held. Answers whether nobody takes the
    /// pieces any more.
    async fn in_parts(
        &self,
        mut entries: Entries,
        sender: &mpsc::Sender<Piece>,
    ) -> Result<bool, PullError> {
        let mut parts = halves(entries.places());
        while let Some(part) = parts.pop() {
            let path = TilePath {
                kind: Kind::Objects,
                index: entries.bundle(),
                width: part.end as u16,
            };
            let start = (self.clock)();
            let bodies = self.bodies(path, part.start).await?;
            let spent = between(start, (self.clock)());
            let unpacked = match bodies {
                None => None,
                Some(bodies) => {
                    let (view, clock) = (self.view.clone(), Arc::clone(self.clock));
                    let unpacked;
                    (entries, unpacked) = blocking(move || {
                        let unpacked = verify::piece(&mut entries, part.end, bodies, &view, &clock);
                        (entries, unpacked)
                    })
                    .await?;
                    unpacked?
                }
            };
            match unpacked {
                Some(mut piece) => {
                    piece.spent.fetch += spent;
                    if sender.send(piece).await.is_err() {
                        return Ok(true);
                    }
                }
                // One object always fits, so this is no honest answer.
                None if part.len() <= 1 => {
                    return Err(PullError::fetch(path)(FetchError::TooLarge {
                        limit: BODIES_BYTES_MAX,
                    }));
                }
                None => parts.extend(halves(part)),
            }
        }
        Ok(false)
    }

    /// Bodies from place `skip` on; `None` when they are too many bytes to be held.
    async fn bodies(&self, path: TilePath, skip: usize) -> Result<Option<Bytes>, PullError> {
        let path = match skip {
            0 => path.to_string(),
            skip => format!("{path}?skip={skip}"),
        };
        match self.source.fetch(&path, BODIES_BYTES_MAX).await {
            Ok(bodies) => Ok(Some(bodies)),
            Err(FetchError::TooLarge { .. }) => Ok(None),
            Err(error) => Err(PullError::fetch(path)(error)),
        }
    }
}

/// Both halves of a range, the first one last, as a stack wants them.
fn halves(places: std::ops::Range<usize>) -> Vec<std::ops::Range<usize>> {
    let middle = places.start + places.len().div_ceil(2);
    [middle..places.end, places.start..middle]
        .into_iter()
        .filter(|half| !half.is_empty())
        .collect()
}
