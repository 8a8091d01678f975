//! Reading a collection of an outside TAXII server to its end, as a value.
//!
//! The standard (TAXII 2.1 §3.4, §5.4) promises objects in order of `date_added`, a `next` where
//! there is `more`, and the dates of a page's ends in headers. Servers get each of these wrong, so a
//! [`Walk`] believes little: pages that repeat end it, `more` without `next` goes on by date, dates
//! that jump back or lie ahead are not kept, and a new run asks again from a little before the last
//! date, until the server has been quiet for long enough. What comes twice is told apart by what is
//! held, so it costs time and loses nothing.
//!
//! Pure: every function takes what was answered, and the time.

use std::collections::HashSet;
use std::fmt;

use model::Timestamp;
use serde::{Deserialize, Serialize};

use super::limits::{
    AHEAD_SECS_MAX, EMPTY_PAGES_MAX, OVERLAP_SECS, PAGE_OBJECTS, PAGE_OBJECTS_MAX, PAGES_MAX,
    REPEATS_MAX, RESTARTS_MAX,
};

/// How far a collection was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct TaxiiCursor {
    /// The date of the last object: microseconds since 1970.
    pub(super) last: Option<i64>,
    /// Since when, by this node's clock, that date has not moved.
    pub(super) quiet_since: i64,
    /// Whether the collection was read to its end after the server had been quiet for long enough:
    /// then nothing before `last` can still appear, and no overlap is asked for.
    pub(super) settled: bool,
}

/// What to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Only objects that were added after this: microseconds since 1970.
    pub(super) added_after: Option<i64>,
    /// Where the server is to go on.
    pub(super) next: Option<String>,
    /// How many objects.
    pub(super) limit: u32,
}

/// What a server answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) more: bool,
    pub(super) next: Option<String>,
    /// `X-TAXII-Date-Added-First` and `-Last`, where they were given and could be read.
    pub(super) first: Option<i64>,
    pub(super) last: Option<i64>,
    pub(super) objects: usize,
    /// Of the objects, by which a page is known when it comes again.
    pub(super) digest: [u8; 16],
}

/// What to do after a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Ask for the next one.
    On,
    /// The collection has been read to its end.
    End,
}

/// Why a collection cannot be read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stuck {
    /// The same pages come again and again.
    Circle,
    /// It says that there is more and gives nothing.
    Empty,
    /// It says that there is more, but not where.
    NoWay,
    /// It forgets where it was.
    Forgets,
    /// There is more than one run reads.
    Long,
}

/// One reading of a collection.
#[derive(Debug)]
pub(super) struct Walk {
    begin: TaxiiCursor,
    now: i64,
    wanted: Wanted,
    high: Option<i64>,
    page_high: Option<i64>,
    sorted: bool,
    seen: HashSet<[u8; 16]>,
    repeats: u32,
    empty: u32,
    pages: u32,
    restarts: u32,
    dated: bool,
    any: bool,
    warnings: Vec<&'static str>,
}

const SEC: i64 = 1_000_000;

impl Walk {
    /// Begins where the last reading ended.
    pub(super) fn begin(cursor: &TaxiiCursor, now: i64) -> Walk {
        let overlap = if cursor.settled {
            0
        } else {
            OVERLAP_SECS * SEC
        };
        Walk {
            begin: cursor.clone(),
            now,
            wanted: Wanted {
                added_after: cursor.last.map(|last| last.saturating_sub(overlap)),
                next: None,
                limit: PAGE_OBJECTS,
            },
            high: cursor.last,
            page_high: None,
            sorted: true,
            seen: HashSet::new(),
            repeats: 0,
            empty: 0,
            pages: 0,
            restarts: 0,
            dated: true,
            any: false,
            warnings: Vec::new(),
        }
    }

    /// What to ask for.
    pub(super) fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// What is odd about the server.
    pub(super) fn warnings(&self) -> &[&'static str] {
        &self.warnings
    }

    /// How far it is safe to say that the collection was read, before its end is reached.
    pub(super) fn so_far(&self) -> TaxiiCursor {
        if self.sorted && self.dated {
            self.at(self.high, false)
        } else {
            self.begin.clone()
        }
    }

    /// The server no longer knows where it was: go on by date.
    ///
    /// # Errors
    /// When it did so too often.
    pub(super) fn forgotten(&mut self) -> Result<(), Stuck> {
        self.restarts += 1;
        if self.wanted.next.is_none() || self.restarts > RESTARTS_MAX {
            return Err(Stuck::Forgets);
        }
        self.warn("it forgets where a reader was, so reading goes on by date");
        self.wanted.next = None;
        // Pages that are asked for again are no circle.
        self.seen.clear();
        self.repeats = 0;
        if self.sorted && self.dated {
            self.wanted.added_after = self
                .high
                .map(|high| high.saturating_sub(OVERLAP_SECS * SEC));
        }
        Ok(())
    }

    /// Takes note of a page.
    ///
    /// # Errors
    /// Why reading cannot go on.
    pub(super) fn page(&mut self, page: &Page) -> Result<Turn, Stuck> {
        self.pages += 1;
        self.dates(page);
        if page.objects > 0 {
            self.any = true;
            self.empty = 0;
            if !self.seen.insert(page.digest) {
                self.repeats += 1;
                self.warn("it sends pages that it has sent before");
                if self.repeats >= REPEATS_MAX {
                    return Err(Stuck::Circle);
                }
            }
        } else {
            self.empty += u32::from(page.more);
        }
        if !page.more {
            return Ok(Turn::End);
        }
        if self.empty >= EMPTY_PAGES_MAX {
            return Err(Stuck::Empty);
        }
        if self.pages >= PAGES_MAX {
            return Err(Stuck::Long);
        }
        match &page.next {
            Some(next) => self.wanted.next = Some(next.clone()),
            None => self.by_date(page)?,
        }
        Ok(Turn::On)
    }

    /// Goes on by date, because there is no `next`.
    fn by_date(&mut self, page: &Page) -> Result<(), Stuck> {
        self.warn("it says that there is more without saying where, so reading goes on by date");
        let last = page.last.ok_or(Stuck::NoWay)?;
        // Objects of one date may lie on both sides of the page's end. A server that dates by the
        // second compares by it, too.
        let slack = if last % SEC == 0 { SEC } else { 1 };
        let after = last.saturating_sub(slack);
        self.wanted.next = None;
        if self
            .wanted
            .added_after
            .is_some_and(|before| after <= before)
        {
            // The whole page is of one date, as far as the server tells: only a larger one gets past.
            if self.wanted.limit >= PAGE_OBJECTS_MAX {
                return Err(Stuck::NoWay);
            }
            self.wanted.limit = (self.wanted.limit * 4).min(PAGE_OBJECTS_MAX);
            self.seen.clear();
        } else {
            self.wanted.added_after = Some(after);
        }
        Ok(())
    }

    fn dates(&mut self, page: &Page) {
        // A page of one object has one date, and some give only the first.
        let Some(last) = page.last.or(page.first) else {
            if page.objects > 0 {
                self.dated = false;
                self.warn(
                    "it does not say when objects were added, so everything is read every time",
                );
            }
            return;
        };
        if last > self.now.saturating_add(AHEAD_SECS_MAX * SEC) {
            self.dated = false;
            self.warn("its dates lie in the future, so everything is read every time");
            return;
        }
        let first = page.first.unwrap_or(last);
        if first > last || self.page_high.is_some_and(|high| first < high) {
            self.sorted = false;
            self.warn("its pages are not in order of the dates");
        }
        self.page_high = self.page_high.max(Some(last));
        self.high = self.high.max(Some(last));
    }

    /// The cursor after the end was reached.
    pub(super) fn end(&self) -> TaxiiCursor {
        if !self.dated && self.any {
            return self.begin.clone();
        }
        self.at(self.high, true)
    }

    fn at(&self, last: Option<i64>, whole: bool) -> TaxiiCursor {
        let moved = last != self.begin.last || self.begin.quiet_since == 0;
        let quiet_since = if moved {
            self.now
        } else {
            self.begin.quiet_since
        };
        TaxiiCursor {
            last,
            quiet_since,
            settled: whole
                && !moved
                && self.sorted
                && self.now.saturating_sub(quiet_since) > OVERLAP_SECS * SEC,
        }
    }

    fn warn(&mut self, warning: &'static str) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

/// Reads a date of a TAXII header, of any precision.
pub(super) fn date(text: &str) -> Option<i64> {
    Some(Timestamp::parse(text.trim()).ok()?.unix_micros())
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stuck::Circle => {
                "the server sends the same pages again and again; ask its operator to mend its paging"
            }
            Stuck::Empty => {
                "the server says that there is more and sends empty pages; ask its operator to mend its paging"
            }
            Stuck::NoWay => {
                "the server says that there is more, but neither where nor of what date; ask its operator to mend its paging"
            }
            Stuck::Forgets => {
                "the server forgets where a reader was before the reader can go on; ask its operator to keep pages for longer"
            }
            Stuck::Long => "there is more than one run reads; the next one goes on",
        })
    }
}

#[cfg(test)]
#[path = "walk/tests.rs"]
mod tests;
