//! News from a peer: a server-sent event stream that says which of its logs have grown.
//!
//! The stream is a wake-up and nothing more: what it says is never believed, only followed by a
//! pull. So a malformed event is skipped; a line without end and a silent stream end it.

use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::https::chain;
use crate::limits::EVENT_LINE_BYTES_MAX;
use crate::source::FetchError;

/// One log of the peer has grown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wake {
    /// The accord's name.
    pub accord: String,
    /// The channel's name.
    pub channel: String,
    /// The log's size, as the peer says.
    pub size: u64,
}

/// An open event stream.
pub struct Events {
    body: Incoming,
    idle: Duration,
    lines: Lines,
}

impl Events {
    pub(crate) fn new(body: Incoming, idle: Duration) -> Events {
        Events {
            body,
            idle,
            lines: Lines::default(),
        }
    }

    /// The next event; `None` when the peer has ended the stream.
    ///
    /// # Errors
    /// [`FetchError::Slow`] after a silence, [`FetchError::TooLarge`] for a line without end,
    /// [`FetchError::Broken`] when the connection is lost. The stream is of no use afterwards.
    pub async fn next(&mut self) -> Result<Option<Wake>, FetchError> {
        loop {
            if let Some(wake) = self.lines.next()? {
                return Ok(Some(wake));
            }
            let frame = match timeout(self.idle, self.body.frame()).await {
                Err(_) => return Err(FetchError::Slow { bytes: 0 }),
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Err(FetchError::Broken { why: chain(&error) }),
                Ok(Some(Ok(frame))) => frame,
            };
            if let Ok(data) = frame.into_data() {
                self.lines.pending = data;
            }
        }
    }
}

/// Cuts a byte stream into lines of bounded length.
#[derive(Default)]
struct Lines {
    /// Bytes not looked at yet.
    pending: Bytes,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
}

impl Lines {
    /// The next event in what has come; `None` when more bytes are needed.
    fn next(&mut self) -> Result<Option<Wake>, FetchError> {
        while let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
            self.take(end)?;
            self.pending.advance(1);
            let wake = parse(&self.line);
            self.line.clear();
            if wake.is_some() {
                return Ok(wake);
            }
        }
        self.take(self.pending.len())?;
        Ok(None)
    }

    fn take(&mut self, bytes: usize) -> Result<(), FetchError> {
        if self.line.len() + bytes > EVENT_LINE_BYTES_MAX {
            return Err(FetchError::TooLarge {
                limit: EVENT_LINE_BYTES_MAX,
            });
        }
        self.line.extend_from_slice(&self.pending.split_to(bytes));
        Ok(())
    }
}

/// Reads `data: <accord>/<channel> <size>`; other lines (comments, other fields) are no event.
fn parse(line: &[u8]) -> Option<Wake> {
    let line = std::str::from_utf8(line).ok()?;
    let data = line.trim_end_matches('\r').strip_prefix("data:")?;
    let (name, size) = data.strip_prefix(' ').unwrap_or(data).split_once(' ')?;
    let (accord, channel) = name.split_once('/')?;
    Some(Wake {
        accord: accord.to_owned(),
        channel: channel.to_owned(),
        size: size.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(chunks: &[&str]) -> Result<Vec<(String, u64)>, FetchError> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for chunk in chunks {
            lines.pending = Bytes::copy_from_slice(chunk.as_bytes());
            while let Some(wake) = lines.next()? {
                found.push((format!("{}/{}", wake.accord, wake.channel), wake.size));
            }
        }
        Ok(found)
    }

    #[test]
    fn events_are_found_however_the_bytes_are_cut() {
        let text = ": hello\n\ndata: ca/alerts 17\n\ndata:ca/relief 3\r\n\r\nevent: x\ndata: nonsense\n\ndata: a/b -1\n";
        let expected = vec![("ca/alerts".to_owned(), 17), ("ca/relief".to_owned(), 3)];
        assert_eq!(all(&[text]).as_ref(), Ok(&expected));
        for cut in 0..text.len() {
            assert_eq!(
                all(&[&text[..cut], &text[cut..]]).as_ref(),
                Ok(&expected),
                "cut at {cut}"
            );
        }
        let bytes: Vec<String> = text.chars().map(String::from).collect();
        let bytes: Vec<&str> = bytes.iter().map(String::as_str).collect();
        assert_eq!(all(&bytes), Ok(expected));
    }

    #[test]
    fn nonsense_is_no_event_and_takes_no_room() {
        let mut noise = 1_u64;
        let mut lines = Lines::default();
        for _ in 0..10_000 {
            let chunk: Vec<u8> = (0..20)
                .map(|_| {
                    noise = noise
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    b"\n\r :/0da ta\xff"[(noise >> 33) as usize % 12]
                })
                .collect();
            lines.pending = chunk.into();
            while let Ok(Some(wake)) = lines.next() {
                assert!(wake.size.to_string().len() <= EVENT_LINE_BYTES_MAX);
            }
            assert!(lines.line.len() <= EVENT_LINE_BYTES_MAX);
        }
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let piece = "x".repeat(EVENT_LINE_BYTES_MAX / 2 + 1);
        let refused = Err(FetchError::TooLarge {
            limit: EVENT_LINE_BYTES_MAX,
        });
        assert_eq!(all(&[&piece, &piece]), refused);
        assert_eq!(all(&[&format!("{piece}{piece}\n")]), refused);
        assert_eq!(all(&[&piece, "\n", &piece, "\n"]), Ok(vec![]));
    }
}
