//! Body bundles: the canonical bytes of the objects that the entries of one entry bundle name.
//!
//! Each body is preceded by its length as four bytes, big-endian; the whole is one zstd frame. A
//! withdrawn body has length 0, so that the others keep their places. A bundle is a convenience,
//! not evidence: a receiver compares the SHA-256 of each body with the hash in its entry.
//!
//! Bundles come from other members, so that reading is streaming and bounded: one body in memory
//! at a time, none above `BODY_BYTES_MAX`, a bounded zstd window, and no more decompression than
//! the bodies asked for. A small frame that unfolds into gigabytes stops at the first length that
//! is out of bounds or the first byte after the last body.

use std::fmt;
use std::io::{self, Read as _, Write as _};

use zstd::stream::raw::DParameter;
use zstd::stream::read::Decoder;
use zstd::stream::write::Encoder;

use crate::limits::{BODY_BYTES_MAX, BODY_WINDOW_LOG_MAX};
use crate::tile::TILE_WIDTH;

/// Compression level of bundles that we write: fast enough for the release path, and three to
/// four times smaller than the bodies.
const ZSTD_LEVEL: i32 = 3;

/// Puts bodies into a bundle.
///
/// # Panics
/// On a body above `BODY_BYTES_MAX` or more than 256 of them. Both are the caller's own: accepted
/// objects have at most a megabyte.
pub fn encode(bodies: &[&[u8]]) -> Vec<u8> {
    assert!(
        bodies.len() as u64 <= TILE_WIDTH,
        "a bundle has at most 256 bodies"
    );
    let mut plain = Vec::with_capacity(bodies.iter().map(|body| body.len() + 4).sum());
    for body in bodies {
        assert!(
            body.len() <= BODY_BYTES_MAX,
            "a body has at most BODY_BYTES_MAX bytes"
        );
        plain.extend_from_slice(&(body.len() as u32).to_be_bytes());
        plain.extend_from_slice(body);
    }
    zstd::bulk::compress(&plain, ZSTD_LEVEL).expect("compression into memory does not fail")
}

/// Calls `each` with the place and bytes of every body of a bundle of exactly `expected` bodies,
/// in order. Stops at the first error, its own or that of `each`; what was visited until then may
/// belong to a bundle that is malformed further on.
///
/// # Errors
/// [`BodiesError`] (as the caller's error type) for a bundle that is not one, is out of bounds, or
/// has fewer or more bodies.
pub fn for_each<E: From<BodiesError>>(
    bundle: &[u8],
    expected: usize,
    mut each: impl FnMut(usize, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut reader = Reader::new(bundle)?;
    for index in 0..expected {
        match reader.next()? {
            Some(body) => each(index, body)?,
            None => {
                return Err(BodiesError::TooFew {
                    bodies: index,
                    expected,
                }
                .into());
            }
        }
    }
    match reader.next()? {
        None => Ok(()),
        Some(_) => Err(BodiesError::TooMany { expected }.into()),
    }
}

/// All bodies of a bundle of exactly `expected`. For small bundles: a full one may hold 256 MiB.
///
/// # Errors
/// As [`for_each`].
pub fn decode(bundle: &[u8], expected: usize) -> Result<Vec<Vec<u8>>, BodiesError> {
    let mut bodies = Vec::new();
    for_each(bundle, expected, |_, body| {
        bodies.push(body.to_vec());
        Ok::<_, BodiesError>(())
    })?;
    Ok(bodies)
}

/// The same bundle with the bodies of which `withdrawn` answers true replaced by nothing.
///
/// # Errors
/// [`BodiesError`] for a malformed bundle, or one of more than 256 bodies.
pub fn blank(bundle: &[u8], withdrawn: &dyn Fn(usize) -> bool) -> Result<Vec<u8>, BodiesError> {
    let width = TILE_WIDTH as usize;
    let mut reader = Reader::new(bundle)?;
    let (_, blanked) = rewrite(&mut reader, width, |index| !withdrawn(index))?;
    match reader.next()? {
        None => Ok(blanked),
        Some(_) => Err(BodiesError::TooMany { expected: width }),
    }
}

/// The bodies `from..to` of a bundle: earlier ones are replaced by nothing, later ones are absent.
/// What a reader that holds the first `from` already is sent, as the bundle of width `to`.
///
/// # Errors
/// [`BodiesError`] for a bundle that is malformed before body `to`, or has fewer than `to`.
pub fn take(bundle: &[u8], from: usize, to: usize) -> Result<Vec<u8>, BodiesError> {
    let mut reader = Reader::new(bundle)?;
    let (bodies, taken) = rewrite(&mut reader, to, |index| index >= from)?;
    if bodies < to {
        Err(BodiesError::TooFew {
            bodies,
            expected: to,
        })
    } else {
        Ok(taken)
    }
}

/// Copies the next `limit` bodies, or as many as there are, and says how many; those that `keep`
/// refuses become empty.
fn rewrite(
    reader: &mut Reader<'_>,
    limit: usize,
    keep: impl Fn(usize) -> bool,
) -> Result<(usize, Vec<u8>), BodiesError> {
    let mut writer = Encoder::new(Vec::new(), ZSTD_LEVEL).map_err(BodiesError::Zstd)?;
    let mut bodies = 0;
    while bodies < limit {
        let Some(body) = reader.next()? else { break };
        let body = if keep(bodies) { body } else { &[] };
        let length = (body.len() as u32).to_be_bytes();
        writer
            .write_all(&length)
            .and_then(|()| writer.write_all(body))
            .map_err(BodiesError::Zstd)?;
        bodies += 1;
    }
    Ok((bodies, writer.finish().map_err(BodiesError::Zstd)?))
}

/// Reads body after body out of a compressed bundle.
struct Reader<'a> {
    plain: Decoder<'static, &'a [u8]>,
    body: Vec<u8>,
    index: usize,
}

impl<'a> Reader<'a> {
    fn new(bundle: &'a [u8]) -> Result<Reader<'a>, BodiesError> {
        // One frame, so that nothing can hide behind it; `next` checks what follows.
        let mut plain = Decoder::with_buffer(bundle)
            .map_err(BodiesError::Zstd)?
            .single_frame();
        plain
            .set_parameter(DParameter::WindowLogMax(BODY_WINDOW_LOG_MAX))
            .map_err(BodiesError::Zstd)?;
        Ok(Reader {
            plain,
            body: Vec::new(),
            index: 0,
        })
    }

    /// The next body; `None` at the end of the bundle.
    fn next(&mut self) -> Result<Option<&[u8]>, BodiesError> {
        let mut length = [0; 4];
        match self.fill(4)? {
            0 if self.plain.get_ref().is_empty() => return Ok(None),
            0 => {
                return Err(BodiesError::Trailing {
                    bytes: self.plain.get_ref().len(),
                });
            }
            4 => length.copy_from_slice(&self.body),
            _ => return Err(BodiesError::Cut { index: self.index }),
        }
        let length = u32::from_be_bytes(length) as usize;
        if length > BODY_BYTES_MAX {
            return Err(BodiesError::TooLarge {
                index: self.index,
                bytes: length,
            });
        }
        if self.fill(length)? < length {
            return Err(BodiesError::Cut { index: self.index });
        }
        self.index += 1;
        Ok(Some(&self.body))
    }

    /// Reads up to `bytes` bytes into `self.body` and says how many there were. Memory grows with
    /// what arrives, not with what is promised.
    fn fill(&mut self, bytes: usize) -> Result<usize, BodiesError> {
        self.body.clear();
        let mut part = self.plain.by_ref().take(bytes as u64);
        part.read_to_end(&mut self.body).map_err(BodiesError::Zstd)
    }
}

/// Why a body bundle was refused.
#[derive(Debug)]
pub enum BodiesError {
    /// The bundle is not one whole zstd frame within our bounds.
    Zstd(io::Error),
    /// The bundle ends inside this body.
    Cut {
        /// Place of the body.
        index: usize,
    },
    /// Bytes follow the zstd frame.
    Trailing {
        /// Bytes too many.
        bytes: usize,
    },
    /// LIMIT: a body is above `BODY_BYTES_MAX`.
    TooLarge {
        /// Place of the body.
        index: usize,
        /// Bytes it claims.
        bytes: usize,
    },
    /// The bundle has fewer bodies than its path says.
    TooFew {
        /// Bodies it has.
        bodies: usize,
        /// Bodies it must have.
        expected: usize,
    },
    /// The bundle has more bodies than its path says.
    TooMany {
        /// Bodies it must have.
        expected: usize,
    },
}

impl fmt::Display for BodiesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zstd(error) => write!(f, "the body bundle does not decompress: {error}"),
            Self::Cut { index } => write!(f, "the body bundle ends inside its body {index}"),
            Self::Trailing { bytes } => {
                write!(f, "the body bundle has {bytes} bytes after its end")
            }
            Self::TooLarge { index, bytes } => write!(
                f,
                "body {index} of the bundle claims {bytes} bytes, above the limit of {BODY_BYTES_MAX}"
            ),
            Self::TooFew { bodies, expected } => {
                write!(
                    f,
                    "the body bundle has {bodies} bodies instead of {expected}"
                )
            }
            Self::TooMany { expected } => {
                write!(f, "the body bundle has more than its {expected} bodies")
            }
        }
    }
}

impl std::error::Error for BodiesError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Zstd(error) => Some(error),
            _ => None,
        }
    }
}
