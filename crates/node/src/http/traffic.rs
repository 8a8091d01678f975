//! What one connection is doing, and how long its client has kept the node waiting.
//!
//! Memory belongs to whoever holds a request open, so no client may hold one for longer than its
//! own bytes take at a pace that every link reaches ([`PACE_BYTES`] in [`PACE_SECS_MAX`]), in either
//! direction. Answers share their connection's link, so it is the connection that keeps the pace of
//! taking, and not each answer; how much of them one client may leave lying is bounded elsewhere
//! (`serve/answers.rs`). Time that the node itself takes (a pull, a page that is being put together,
//! an event stream without events) counts for nobody.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::limits::{CONNECTION_IDLE_SECS_MAX, HEADER_SECS_MAX, PACE_BYTES, PACE_SECS_MAX};

const PACE: Duration = Duration::from_secs(PACE_SECS_MAX);

/// The requests of one connection that are in hand.
#[derive(Clone)]
pub(super) struct Traffic(Arc<Mutex<State>>);

struct State {
    open: HashMap<u64, Doing>,
    /// How many there have been.
    begun: u64,
    /// Since when there is none.
    quiet: Instant,
    /// When the client last took a piece of any answer.
    taken: Instant,
}

/// Who makes whom wait in one request.
#[derive(Clone, Copy)]
enum Doing {
    /// The node works on it, or waits for a body whose pace is watched by [`Paced`].
    Ours,
    /// The client has had the last piece of the answer to take since then.
    Theirs(Instant),
}

/// One request in hand, until this is dropped.
pub(super) struct Turn {
    traffic: Traffic,
    number: u64,
}

impl Traffic {
    pub(super) fn new() -> Traffic {
        Traffic(Arc::new(Mutex::new(State {
            open: HashMap::new(),
            begun: 0,
            quiet: Instant::now(),
            taken: Instant::now(),
        })))
    }

    /// One more request.
    pub(super) fn begin(&self) -> Turn {
        let mut state = self.state();
        let number = state.begun;
        state.begun += 1;
        state.open.insert(number, Doing::Ours);
        Turn {
            traffic: self.clone(),
            number,
        }
    }

    /// Whether the client leaves an answer lying and has not taken anything of another one either.
    pub(super) fn is_stalled(&self) -> bool {
        let state = self.state();
        if state.taken.elapsed() < PACE {
            return false;
        }
        state.open.values().any(|doing| match doing {
            Doing::Ours => false,
            Doing::Theirs(since) => since.elapsed() >= PACE,
        })
    }

    /// Whether the client has asked for nothing for too long; for the first request it has the time
    /// of its headers, which covers whatever comes before them.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.state();
        let patience = match state.begun {
            0 => HEADER_SECS_MAX,
            _ => CONNECTION_IDLE_SECS_MAX,
        };
        state.open.is_empty() && state.quiet.elapsed() >= Duration::from_secs(patience)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whole after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    fn is(&self, doing: Doing) {
        self.traffic.state().open.insert(self.number, doing);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.traffic.state();
        state.open.remove(&self.number);
        if state.open.is_empty() {
            state.quiet = Instant::now();
        }
    }
}

/// An answer's body, in pieces small enough that each is taken in [`PACE_SECS_MAX`], and whose last
/// piece is not given before the client has taken those before it.
pub(super) struct Pieces {
    body: Body,
    rest: Bytes,
    turn: Turn,
}

impl Pieces {
    pub(super) fn new(body: Body, turn: Turn) -> Pieces {
        turn.is(Doing::Theirs(Instant::now()));
        Pieces {
            body,
            rest: Bytes::new(),
            turn,
        }
    }

    fn piece(&mut self) -> Option<Result<Frame<Bytes>, axum::Error>> {
        let now = Instant::now();
        self.turn.is(Doing::Theirs(now));
        self.turn.traffic.state().taken = now;
        let length = self.rest.len().min(PACE_BYTES);
        Some(Ok(Frame::data(self.rest.split_to(length))))
    }
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(self.piece());
        }
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Pending => {
                self.turn.is(Doing::Ours);
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => {
                    self.rest = data;
                    Poll::Ready(self.piece())
                }
                Err(other) => Poll::Ready(Some(Ok(other))),
            },
            Poll::Ready(end) => Poll::Ready(end),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}

/// A request's body that ends with an error when it comes too slowly.
struct Paced {
    body: UnsyncBoxBody<Bytes, axum::Error>,
    /// How much longer the client may make us wait for the next [`PACE_BYTES`].
    left: Duration,
    /// What came of those.
    got: usize,
    /// Since when we wait, and until when.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    late: Arc<AtomicBool>,
}

/// A request's body under the pace; sets `late` when it was broken off.
pub(super) fn paced(body: Incoming, late: &Arc<AtomicBool>) -> Body {
    if body.is_end_stream() {
        return Body::empty();
    }
    pace(Body::new(body), late)
}

fn pace(body: Body, late: &Arc<AtomicBool>) -> Body {
    use http_body_util::BodyExt;
    Body::new(Paced {
        body: body.boxed_unsync(),
        left: PACE,
        got: 0,
        waiting: None,
        late: Arc::clone(late),
    })
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            if let Some((since, _)) = self.waiting.take() {
                self.left = self.left.saturating_sub(since.elapsed());
            }
            if let Some(Ok(frame)) = &frame {
                self.got += frame.data_ref().map_or(0, Bytes::len);
            }
            if self.got >= PACE_BYTES {
                self.got = 0;
                self.left = PACE;
            }
            return Poll::Ready(frame);
        }
        let left = self.left;
        let (_, sleep) = self.waiting.get_or_insert_with(|| {
            let now = Instant::now();
            (now, Box::pin(tokio::time::sleep_until(now + left)))
        });
        if sleep.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.late.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err(axum::Error::new(std::io::Error::from(
            std::io::ErrorKind::TimedOut,
        )))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt, stream};
    use http_body_util::BodyExt;

    /// A body whose pieces each come after a while.
    fn dripping(pieces: usize, bytes: usize, after: Duration) -> Body {
        let pieces = stream::iter(0..pieces).then(move |_| async move {
            tokio::time::sleep(after).await;
            Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; bytes]))
        });
        Body::from_stream(pieces)
    }

    async fn read(body: Body) -> (Option<usize>, bool) {
        let late = Arc::new(AtomicBool::new(false));
        let read = pace(body, &late).collect().await;
        let length = read.ok().map(|whole| whole.to_bytes().len());
        (length, late.load(Ordering::Relaxed))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_be_slow_but_not_slower_than_the_pace() {
        let second = Duration::from_secs(1);
        let steady = dripping(600, PACE_BYTES / 16, second);
        assert_eq!(read(steady).await, (Some(600 * (PACE_BYTES / 16)), false));
        assert_eq!(read(dripping(20, 1, second)).await, (Some(20), false));
        // Something comes all the time, and never enough.
        assert_eq!(read(dripping(10_000, 1, second)).await, (None, true));
        let silent = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let begun = Instant::now();
        assert_eq!(read(silent).await, (None, true));
        assert_eq!(begun.elapsed(), PACE);
    }

    #[tokio::test(start_paused = true)]
    async fn time_that_the_node_takes_is_not_the_clients() {
        let late = Arc::new(AtomicBool::new(false));
        let mut body = pace(dripping(5, 10, Duration::from_secs(1)), &late);
        for _ in 0..5 {
            tokio::time::sleep(3 * PACE).await;
            assert!(body.frame().await.unwrap().is_ok());
        }
        assert!(body.frame().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_cut_into_pieces_and_loses_nothing() {
        let bytes: Vec<u8> = (0..=255).cycle().take(3 * PACE_BYTES + 7).collect();
        let traffic = Traffic::new();
        let mut body = Pieces::new(Body::from(bytes.clone()), traffic.begin());
        assert_eq!(body.size_hint().exact(), Some(bytes.len() as u64));
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            let piece = frame.unwrap().into_data().unwrap();
            assert!(!piece.is_empty() && piece.len() <= PACE_BYTES);
            whole.extend_from_slice(&piece);
            let left = (bytes.len() - whole.len()) as u64;
            assert_eq!(body.size_hint().exact(), Some(left));
            assert_eq!(body.is_end_stream(), left == 0);
        }
        assert_eq!(whole, bytes);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_left_lying_is_seen_and_one_that_the_node_owes_is_not() {
        let traffic = Traffic::new();
        let mut body = Pieces::new(Body::from(vec![0; 2 * PACE_BYTES]), traffic.begin());
        tokio::time::sleep(PACE - Duration::from_secs(1)).await;
        body.frame().await.unwrap().unwrap();
        tokio::time::sleep(PACE - Duration::from_secs(1)).await;
        assert!(!traffic.is_stalled(), "it takes its pieces");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(traffic.is_stalled() && !traffic.is_idle());
        drop(body);
        assert!(!traffic.is_stalled());
        let silent = stream::pending::<Result<Bytes, std::io::Error>>();
        let mut events = Pieces::new(Body::from_stream(silent), traffic.begin());
        assert!(futures_util::poll!(events.frame()).is_pending());
        tokio::time::sleep(10 * PACE).await;
        assert!(!traffic.is_stalled() && !traffic.is_idle());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_requests_is_idle_and_sooner_before_the_first() {
        let traffic = Traffic::new();
        tokio::time::sleep(Duration::from_secs(HEADER_SECS_MAX)).await;
        assert!(traffic.is_idle());
        let turn = traffic.begin();
        tokio::time::sleep(Duration::from_secs(2 * CONNECTION_IDLE_SECS_MAX)).await;
        assert!(!traffic.is_idle(), "the node still works on it");
        drop(turn);
        tokio::time::sleep(Duration::from_secs(HEADER_SECS_MAX)).await;
        assert!(!traffic.is_idle());
        tokio::time::sleep(Duration::from_secs(CONNECTION_IDLE_SECS_MAX)).await;
        assert!(traffic.is_idle());
    }
}
