//! What national clients have asked for and not taken yet: bounded in bytes, for each and for all.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::{Share, Shares};
use crate::limits::{
    ANSWER_BYTES_EACH_MAX, ANSWER_BYTES_HELD_MAX, ANSWER_WAIT_SECS_MAX, ANSWERS_WAITING_MAX,
    PACE_BYTES,
};

/// Bytes that one permit stands for.
const UNIT: usize = 1024;

/// The room for answers on their way.
#[derive(Clone)]
pub(super) struct Answers {
    all: Arc<Semaphore>,
    each: Shares,
    waiting: Arc<Semaphore>,
}

/// The room of one answer; given back when dropped.
pub(super) type Room = (Share, OwnedSemaphorePermit);

impl Answers {
    pub(super) fn new() -> Answers {
        Answers {
            all: Arc::new(Semaphore::new(ANSWER_BYTES_HELD_MAX / UNIT)),
            each: Shares::default(),
            waiting: Arc::new(Semaphore::new(ANSWERS_WAITING_MAX)),
        }
    }

    /// Room for an answer of so many bytes to a client there: `Some(None)` when it needs none, being small or made
    /// while it is sent; `None` when there is none, after a while.
    pub(super) async fn room(&self, whose: &str, bytes: u64) -> Option<Option<Room>> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        if bytes <= PACE_BYTES {
            return Some(None);
        }
        // What is larger than all the room (nothing should be) takes all that one may have.
        let units = bytes.min(ANSWER_BYTES_EACH_MAX).div_ceil(UNIT);
        // Nobody comes to hold more than is then left free for everybody else, so whoever holds most
        // gives way first and a few addresses never fill it all. One answer each may always try.
        let left = self.all.available_permits().saturating_sub(units);
        let most = left.max(units).min(ANSWER_BYTES_EACH_MAX / UNIT);
        let share = self.each.take_many(whose, units, most)?;
        let permits = u32::try_from(units).ok()?;
        if let Ok(room) = Arc::clone(&self.all).try_acquire_many_owned(permits) {
            return Some(Some((share, room)));
        }
        let _waiting = self.waiting.try_acquire().ok()?;
        let patience = Duration::from_secs(ANSWER_WAIT_SECS_MAX);
        let room = Arc::clone(&self.all).acquire_many_owned(permits);
        let room = tokio::time::timeout(patience, room).await.ok()?.ok()?;
        Some(Some((share, room)))
    }
}

/// A body that keeps something until it is dropped: what was taken of it, or not.
pub(super) struct Held<T> {
    body: Body,
    _with: T,
}

impl<T> Held<T> {
    pub(super) fn new(body: Body, with: T) -> Held<T> {
        Held { body, _with: with }
    }
}

impl<T: Unpin> HttpBody for Held<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
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
    use http_body_util::BodyExt;

    /// Takes room for as many answers as there is, one after the other.
    async fn fill(answers: &Answers, whose: &str, bytes: u64) -> Vec<Held<Room>> {
        let mut held = Vec::new();
        let begun = tokio::time::Instant::now();
        while let Some(room) = answers.room(whose, bytes).await {
            held.push(Held::new(Body::from("ok"), room.expect("large")));
        }
        assert!(begun.elapsed().is_zero(), "refused at once");
        held
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_who_take_nothing_leave_room_for_others() {
        let answers = Answers::new();
        let large = 16 << 20;
        let mut held = Vec::new();
        let mut shares = Vec::new();
        for place in 0..4 {
            let mine = fill(&answers, &format!("place {place}"), large).await;
            shares.push(mine.len() * (16 << 20));
            held.extend(mine);
        }
        assert_eq!(
            shares[0], ANSWER_BYTES_EACH_MAX,
            "alone it has its whole share"
        );
        // Those who come later are served at once, with several answers, and so are those after them.
        for place in ["another", "one more"] {
            let begun = tokio::time::Instant::now();
            let room = answers.room(place, large).await;
            assert!(room.is_some() && begun.elapsed().is_zero());
            held.push(Held::new(Body::from("ok"), room.unwrap().unwrap()));
        }
        // When there is little left, whoever holds much is refused at once, and has it again later.
        assert!(answers.room("place 0", large).await.is_none());
        held.drain(..8);
        assert!(answers.room("place 0", large).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn untaken_answers_are_bounded_for_each_and_for_all_and_small_ones_always_go() {
        let answers = Answers::new();
        let large = 16 << 20;
        let mut held = Vec::new();
        for place in 0..ANSWER_BYTES_HELD_MAX / (16 << 20) {
            held.extend(fill(&answers, &format!("place {place}"), large).await);
            if answers.all.available_permits() == 0 {
                break;
            }
        }
        let begun = tokio::time::Instant::now();
        assert!(answers.room("another", large).await.is_none(), "all of it");
        assert_eq!(begun.elapsed().as_secs(), ANSWER_WAIT_SECS_MAX);
        assert!(
            answers
                .room("place 0", PACE_BYTES as u64)
                .await
                .unwrap()
                .is_none(),
            "a small one needs none"
        );
        // Taken: its room is another's, who waits for it.
        let taken = held.pop().unwrap();
        let (other, sent) = tokio::join!(answers.room("another", large), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            taken.collect().await.unwrap().to_bytes()
        });
        assert!(other.unwrap().is_some() && sent.len() == 2);
        drop(held);
        assert_eq!(
            answers.all.available_permits(),
            ANSWER_BYTES_HELD_MAX / UNIT,
            "all came back"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn few_wait_for_room() {
        let answers = Answers::new();
        let all = answers
            .all
            .clone()
            .try_acquire_many_owned((ANSWER_BYTES_HELD_MAX / UNIT) as u32)
            .unwrap();
        let begun = tokio::time::Instant::now();
        let large = 1 << 20;
        let ask = |number: usize| {
            let answers = &answers;
            async move {
                let room = answers.room(&format!("place {number}"), large).await;
                assert!(room.is_none());
                begun.elapsed().is_zero()
            }
        };
        let asked = futures_util::future::join_all((0..2 * ANSWERS_WAITING_MAX).map(ask)).await;
        let at_once = asked.iter().filter(|at_once| **at_once).count();
        assert_eq!(at_once, ANSWERS_WAITING_MAX);
        drop(all);
    }
}
