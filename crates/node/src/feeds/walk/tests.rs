//! Servers as values: honest ones lose nothing whatever their precision, hostile ones come to an end.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const T0: i64 = 1_700_000_000 * SEC;

/// How a server that is a list answers.
#[derive(Clone, Copy, Debug)]
struct Quirks {
    /// Whether it gives a `next`, the same on every page or not at all.
    next: Option<bool>,
    /// Whether it dates and compares by whole seconds.
    seconds: bool,
    /// Whether it gives the dates of a page's ends.
    headers: bool,
    /// Largest page.
    most: usize,
}

struct Server {
    objects: Vec<(i64, u32)>,
    quirks: Quirks,
    at: usize,
    from: Option<i64>,
}

impl Server {
    fn date(&self, at: i64) -> i64 {
        if self.quirks.seconds {
            at - at.rem_euclid(SEC)
        } else {
            at
        }
    }

    fn answer(&mut self, wanted: &Wanted) -> (Page, Vec<u32>) {
        let after = wanted.added_after.map(|after| self.date(after));
        let start = match &wanted.next {
            Some(next) if self.quirks.next == Some(true) => next.parse().unwrap(),
            Some(_) => self.at,
            None => 0,
        };
        if wanted.next.is_none() {
            self.from = after;
        }
        let from = self.from;
        let fit: Vec<(i64, u32)> = self
            .objects
            .iter()
            .filter(|(at, _)| from.is_none_or(|from| self.date(*at) > from))
            .copied()
            .collect();
        let most = self.quirks.most.min(wanted.limit as usize);
        let shown: Vec<(i64, u32)> = fit.iter().skip(start).take(most).copied().collect();
        self.at = start + shown.len();
        let more = self.at < fit.len();
        let mut digest = [0u8; 16];
        for (_, id) in &shown {
            let place = (*id % 13) as usize;
            digest[place] = digest[place].wrapping_mul(31).wrapping_add(*id as u8);
            digest[13] ^= (*id >> 8) as u8;
        }
        digest[14] = shown.first().map_or(0, |(_, id)| *id as u8);
        digest[15] = shown.len() as u8;
        let date = |entry: Option<&(i64, u32)>| {
            entry
                .map(|(at, _)| self.date(*at))
                .filter(|_| self.quirks.headers)
        };
        let page = Page {
            more,
            next: self.quirks.next.filter(|_| more).map(|tells| {
                if tells {
                    self.at.to_string()
                } else {
                    "token".into()
                }
            }),
            first: date(shown.first()),
            last: date(shown.last()),
            objects: shown.len(),
            digest,
        };
        (page, shown.into_iter().map(|(_, id)| id).collect())
    }
}

/// Reads to the end; gives what was read and the cursor.
fn read(server: &mut Server, cursor: &TaxiiCursor, now: i64) -> (BTreeSet<u32>, TaxiiCursor) {
    let mut walk = Walk::begin(cursor, now);
    let mut got = BTreeSet::new();
    loop {
        let (page, ids) = server.answer(walk.wanted());
        got.extend(ids);
        match walk.page(&page).unwrap() {
            Turn::On => {}
            Turn::End => return (got, walk.end()),
        }
    }
}

proptest! {
    /// Whatever the precision and however the server pages, runs while a writer adds lose nothing.
    #[test]
    fn nothing_is_lost(
        gaps in prop::collection::vec(0i64..3_000_000, 1..60),
        cut in 0usize..60,
        seconds in any::<bool>(),
        next in prop_oneof![Just(Some(true)), Just(Some(false)), Just(None)],
        headers in any::<bool>(),
        most in 2usize..20,
    ) {
        let mut at = T0;
        let objects: Vec<(i64, u32)> = gaps
            .iter()
            .zip(0..)
            .map(|(gap, id)| {
                at += gap;
                (at, id)
            })
            .collect();
        // Without `next` and headers there is no way; and with small pages of one second neither.
        prop_assume!(next.is_some() || (headers && !seconds && gaps.iter().all(|gap| *gap > 0)));
        let quirks = Quirks { next, seconds, headers, most };
        let cut = cut.min(objects.len());
        let mut server = Server { objects: objects[..cut].to_vec(), quirks, at: 0, from: None };
        let now = at + 10 * SEC;
        let (mut got, cursor) = read(&mut server, &TaxiiCursor::default(), now);
        server.objects = objects.clone();
        let (more, cursor) = read(&mut server, &cursor, now + SEC);
        got.extend(more);
        prop_assert_eq!(got.len(), objects.len());
        // Nothing more comes, and after a while nothing is read again.
        let (_, cursor) = read(&mut server, &cursor, now + 100 * SEC);
        let (_, cursor) = read(&mut server, &cursor, now + 200 * SEC);
        let (again, _) = read(&mut server, &cursor, now + 300 * SEC);
        if headers {
            prop_assert!(again.is_empty(), "{:?}", again);
        }
    }

    /// Whatever comes, a walk ends after a bounded number of pages that bring nothing new.
    #[test]
    fn a_walk_ends(pages in prop::collection::vec(
        (any::<bool>(), prop::option::of("[a-c]"), prop::option::of(any::<i64>()),
         prop::option::of(any::<i64>()), 0usize..3, 0u8..4), 60..100,
    )) {
        let mut walk = Walk::begin(&TaxiiCursor::default(), T0);
        let mut ended = false;
        for (more, next, first, last, objects, digest) in pages {
            let page = Page { more, next, first, last, objects, digest: [digest; 16] };
            let turn = walk.page(&page);
            let _ = (walk.so_far(), walk.end(), walk.forgotten().is_ok());
            if turn != Ok(Turn::On) {
                ended = true;
                break;
            }
        }
        prop_assert!(ended);
    }
}

#[test]
fn pages_that_repeat_end_the_walk() {
    let mut walk = Walk::begin(&TaxiiCursor::default(), T0);
    let page = Page {
        more: true,
        next: Some("x".into()),
        first: Some(T0),
        last: Some(T0),
        objects: 5,
        digest: [1; 16],
    };
    assert_eq!(walk.page(&page), Ok(Turn::On));
    assert_eq!(walk.page(&page), Ok(Turn::On));
    assert_eq!(walk.page(&page), Ok(Turn::On));
    assert_eq!(walk.page(&page), Err(Stuck::Circle));
    // What was read before counts.
    assert_eq!(walk.so_far().last, Some(T0));
}

#[test]
fn empty_pages_that_promise_more_end_the_walk() {
    let mut walk = Walk::begin(&TaxiiCursor::default(), T0);
    let page = Page {
        more: true,
        next: Some("x".into()),
        ..Page::default()
    };
    assert_eq!(walk.page(&page), Ok(Turn::On));
    assert_eq!(walk.page(&page), Ok(Turn::On));
    assert_eq!(walk.page(&page), Err(Stuck::Empty));
}

#[test]
fn dates_ahead_of_the_clock_or_out_of_order_are_not_kept() {
    let page = |first: i64, last: i64, digest: u8, more: bool| Page {
        more,
        next: more.then(|| digest.to_string()),
        first: Some(first),
        last: Some(last),
        objects: 1,
        digest: [digest; 16],
    };
    let mut walk = Walk::begin(&TaxiiCursor::default(), T0);
    let far = T0 + 40 * 365 * 86_400 * SEC;
    assert_eq!(walk.page(&page(far, far, 1, false)), Ok(Turn::End));
    assert_eq!(walk.end().last, None);
    assert_eq!(walk.warnings().len(), 1);
    // Out of order: nothing is kept on the way, everything at the end.
    let mut walk = Walk::begin(&TaxiiCursor::default(), T0);
    assert_eq!(walk.page(&page(T0, T0, 1, true)), Ok(Turn::On));
    assert_eq!(walk.so_far().last, Some(T0));
    assert_eq!(
        walk.page(&page(T0 - SEC, T0 - SEC, 2, false)),
        Ok(Turn::End)
    );
    assert_eq!(walk.so_far().last, None);
    assert_eq!(walk.end().last, Some(T0));
}

#[test]
fn a_forgotten_place_goes_on_by_date_a_few_times() {
    let mut walk = Walk::begin(&TaxiiCursor::default(), T0);
    assert_eq!(walk.forgotten(), Err(Stuck::Forgets));
    let mut walk = Walk::begin(&TaxiiCursor::default(), T0);
    let page = Page {
        more: true,
        next: Some("n".into()),
        first: Some(T0 - SEC),
        last: Some(T0),
        objects: 1,
        digest: [1; 16],
    };
    for _ in 0..RESTARTS_MAX {
        assert_eq!(walk.page(&page), Ok(Turn::On));
        assert_eq!(walk.forgotten(), Ok(()));
        assert_eq!(walk.wanted().next, None);
        assert_eq!(
            walk.wanted().added_after,
            Some(T0 - OVERLAP_SECS * SEC),
            "from a little before what was read"
        );
    }
    assert_eq!(walk.page(&page), Ok(Turn::On));
    assert_eq!(walk.forgotten(), Err(Stuck::Forgets));
}
