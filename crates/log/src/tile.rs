//! Paths of the resources that make up a log: hash tiles, entry bundles and body bundles.
//!
//! The first two are C2SP tlog-tiles; body bundles (`objects/…`) are ours and are numbered and
//! sized exactly like entry bundles. A path is a value: a [`TilePath`] that was parsed has the one
//! canonical spelling, and describes a tile that some tree of at most `TREE_SIZE_MAX` leaves has.
//! Parsing never panics and never accepts a path that could leave the log's directory.
//!
//! What a tile *contains* is left to [`crate::Tiles`], [`crate::entries`] and [`crate::bodies`].

use std::fmt;
use std::str::FromStr;

use crate::limits::{TILE_LEVELS_MAX, TILE_PATH_BYTES_MAX, TREE_SIZE_MAX};

/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u64 = 256;

/// Levels of the tree that one tile level spans: 2^8 = 256.
pub const HEIGHT: u8 = 8;

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A tile of hashes at this tile level (`tile/<L>/…`), 0 to 7.
    Hashes(u8),
    /// A bundle of entries (`tile/entries/…`).
    Entries,
    /// A bundle of object bodies (`objects/…`), one for each entry of the same bundle.
    Objects,
}

impl Kind {
    /// The tile level; bundles are aligned with level 0.
    fn level(self) -> u8 {
        match self {
            Kind::Hashes(level) => level,
            Kind::Entries | Kind::Objects => 0,
        }
    }
}

/// One resource of a log: which kind, which number, and how many of its 256 places are filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    /// Hash tile, entry bundle or body bundle.
    pub kind: Kind,
    /// Number of the tile within its level, from 0.
    pub index: u64,
    /// Filled places, 1 to 256; 256 is a full tile, whose path has no suffix.
    pub width: u16,
}

impl TilePath {
    /// The tile of `kind` number `index` as it stands in a tree of `size` leaves; `None` when the
    /// tree has no such tile.
    pub fn at(kind: Kind, index: u64, size: u64) -> Option<TilePath> {
        let row = row_len(kind.level(), size);
        let before = index.checked_mul(TILE_WIDTH)?;
        let width = row.checked_sub(before)?.min(TILE_WIDTH);
        (width > 0).then_some(TilePath {
            kind,
            index,
            width: width as u16,
        })
    }

    /// All tiles of `kind` that hold leaves `from..to` of a tree of `size` leaves (level 0 only:
    /// bundles, or the lowest hash tiles), in order.
    pub fn range(kind: Kind, from: u64, to: u64, size: u64) -> impl Iterator<Item = TilePath> {
        let to = to.min(size);
        let end = if from < to {
            to.div_ceil(TILE_WIDTH)
        } else {
            0
        };
        (from / TILE_WIDTH..end).filter_map(move |index| TilePath::at(kind, index, size))
    }

    /// Whether all 256 places are filled. Full tiles never change.
    pub fn is_full(&self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }

    /// The same tile when full.
    pub fn full(self) -> TilePath {
        TilePath {
            width: TILE_WIDTH as u16,
            ..self
        }
    }

    /// Index of the first leaf under this tile.
    pub fn first_leaf(&self) -> u64 {
        // Never out of range for a valid path, whose end is at most TREE_SIZE_MAX.
        let shift = u32::from(self.kind.level()) * u32::from(HEIGHT);
        self.index
            .wrapping_mul(TILE_WIDTH)
            .checked_shl(shift)
            .unwrap_or(0)
    }

    /// Reads a path as [`TilePath`] prints it: `tile/0/x001/234.p/5`, `tile/entries/000`,
    /// `objects/012.p/7`.
    ///
    /// # Errors
    /// [`PathError`] for every other text, including other spellings of the same tile.
    pub fn parse(path: &str) -> Result<TilePath, PathError> {
        if path.len() > TILE_PATH_BYTES_MAX {
            return Err(PathError::TooLong { bytes: path.len() });
        }
        let (kind, rest) = if let Some(rest) = path.strip_prefix("objects/") {
            (Kind::Objects, rest)
        } else if let Some(rest) = path.strip_prefix("tile/entries/") {
            (Kind::Entries, rest)
        } else if let Some(rest) = path.strip_prefix("tile/") {
            let (level, rest) = rest.split_once('/').ok_or(PathError::Shape)?;
            let level = decimal(level).filter(|level| *level < u64::from(TILE_LEVELS_MAX));
            (Kind::Hashes(level.ok_or(PathError::Level)? as u8), rest)
        } else {
            return Err(PathError::Shape);
        };
        let (number, width) = match rest.split_once(".p/") {
            None => (rest, TILE_WIDTH),
            Some((number, width)) => {
                let width = decimal(width).filter(|width| (1..TILE_WIDTH).contains(width));
                (number, width.ok_or(PathError::Width)?)
            }
        };
        let tile = TilePath {
            kind,
            index: parse_index(number)?,
            width: width as u16,
        };
        if tile.is_valid() {
            Ok(tile)
        } else {
            Err(PathError::BeyondTree)
        }
    }

    /// Whether a tree of at most `TREE_SIZE_MAX` leaves can have this tile. Always so for a parsed
    /// path; to be asked of one that was put together by hand.
    pub(crate) fn is_valid(&self) -> bool {
        let (level, width) = (self.kind.level(), u64::from(self.width));
        if level >= TILE_LEVELS_MAX || !(1..=TILE_WIDTH).contains(&width) {
            return false;
        }
        let end = (u128::from(self.index) * 256 + u128::from(width)) << (HEIGHT * level);
        end <= u128::from(TREE_SIZE_MAX)
    }
}

/// Places in the row of tile level `level` of a tree of `size` leaves: the complete subtrees of
/// 256^level leaves.
pub(crate) fn row_len(level: u8, size: u64) -> u64 {
    size.checked_shr(u32::from(level) * u32::from(HEIGHT))
        .unwrap_or(0)
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Hashes(level) => write!(f, "tile/{level}/")?,
            Kind::Entries => f.write_str("tile/entries/")?,
            Kind::Objects => f.write_str("objects/")?,
        }
        // Groups of three digits, all but the last marked with an x.
        let mut unit = 1u64;
        while self.index / unit >= 1000 {
            unit *= 1000;
        }
        while unit > 1 {
            write!(f, "x{:03}/", self.index / unit % 1000)?;
            unit /= 1000;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.is_full() {
            Ok(())
        } else {
            write!(f, ".p/{}", self.width)
        }
    }
}

impl FromStr for TilePath {
    type Err = PathError;

    fn from_str(path: &str) -> Result<TilePath, PathError> {
        TilePath::parse(path)
    }
}

/// Reads `x001/234/…`: three digits a group, an `x` before all but the last, no leading group of
/// zeros.
fn parse_index(text: &str) -> Result<u64, PathError> {
    let (high, low) = match text.rsplit_once('/') {
        Some((high, low)) => (Some(high), low),
        None => (None, text),
    };
    let mut index = 0u64;
    for (place, group) in high.iter().flat_map(|high| high.split('/')).enumerate() {
        let value = group
            .strip_prefix('x')
            .and_then(three_digits)
            .ok_or(PathError::Index)?;
        if place == 0 && value == 0 {
            return Err(PathError::Index);
        }
        index = index
            .checked_mul(1000)
            .and_then(|index| index.checked_add(value))
            .ok_or(PathError::BeyondTree)?;
    }
    let low = three_digits(low).ok_or(PathError::Index)?;
    index
        .checked_mul(1000)
        .and_then(|index| index.checked_add(low))
        .ok_or(PathError::BeyondTree)
}

fn three_digits(text: &str) -> Option<u64> {
    if text.len() == 3 && text.bytes().all(|digit| digit.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

/// Reads a decimal without sign or leading zeros.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|digit| digit.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    if plain && !leading_zero {
        text.parse().ok()
    } else {
        None
    }
}

/// Why a text is not the path of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// LIMIT: longer than any path of a tile.
    TooLong {
        /// Bytes of the text.
        bytes: usize,
    },
    /// Does not begin like the path of a tile or bundle.
    Shape,
    /// The level is not a plain number from 0 to 7.
    Level,
    /// The index is not in groups of three digits in their shortest form.
    Index,
    /// The width is not a plain number from 1 to 255.
    Width,
    /// No tree that fits our size limit has this tile.
    BeyondTree,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => write!(
                f,
                "a tile path has at most {TILE_PATH_BYTES_MAX} bytes, this one has {bytes}"
            ),
            Self::Shape => {
                f.write_str("not a tile path: expected tile/<level>/…, tile/entries/… or objects/…")
            }
            Self::Level => f.write_str("the tile level must be 0 to 7, without leading zeros"),
            Self::Index => f.write_str(
                "the tile index must be in groups of three digits, as x001/234, in shortest form",
            ),
            Self::Width => {
                f.write_str("the width after .p/ must be 1 to 255, without leading zeros")
            }
            Self::BeyondTree => f.write_str("no log is large enough to have this tile"),
        }
    }
}

impl std::error::Error for PathError {}
