//! Remembers decisions, so that the hot path asks the rules once for each label class.
//!
//! A [`Memo`] is of one authority and one numbering of channels and classes; whoever holds it
//! makes a new one when the policy set, an accord or a channel's configured bounds change. Within
//! it there is a layer for each exact combination of actor, request size, delegation and hour;
//! inside a layer a decision is one array access.
//!
//! INVARIANT: a remembered decision is the one that [`Authority::decide`] would give now. The hour
//! is part of a layer's key, and a layer ends when the earliest label in it expires.

use std::sync::Arc;

use model::Timestamp;

use crate::authority::facts::{Circumstances, Facts, Person, Principal};
use crate::authority::limits::{CHANNELS_MAX, CLASSES_MAX, LAYERS_MAX};
use crate::authority::{Authority, Decision};
use crate::release::InForce;

/// Remembered decisions of one authority.
#[derive(Clone, Debug)]
pub struct Memo {
    authority: Authority,
    /// Latest used last.
    layers: Vec<Layer>,
}

/// Everything but object and channel that a decision depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    /// Absent: automation. Its bounds belong to the channel.
    person: Option<Person>,
    objects: u64,
    delegated: bool,
    hours: Option<i64>,
}

/// The decisions for one actor under one set of circumstances.
#[derive(Clone, Debug)]
pub struct Layer {
    key: Key,
    /// Made at; never asked for a time before it.
    from: Timestamp,
    /// The earliest expiry of a label in it.
    until: Option<Timestamp>,
    /// By channel, then by class.
    cells: Vec<Vec<Option<Arc<Decision>>>>,
}

impl Key {
    fn is_of(&self, principal: &Principal<'_>, circumstances: &Circumstances) -> bool {
        let same_actor = match (&self.person, principal) {
            (None, Principal::Automation(_)) => true,
            (Some(ours), Principal::Person(person)) => ours == *person,
            _ => false,
        };
        same_actor
            && self.objects == circumstances.objects
            && self.delegated == circumstances.delegated
            && self.hours == circumstances.hours()
    }
}

impl Memo {
    /// Nothing remembered yet.
    pub fn new(authority: Authority) -> Memo {
        Memo {
            authority,
            layers: Vec::new(),
        }
    }

    /// Whose decisions these are.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The decision, remembered or made now. `channel` and `class` are the caller's numbers for
    /// `in_force` (with the bounds in `principal`) and `facts`; numbers beyond the memo's bounds
    /// are decided and not remembered.
    pub fn decide(
        &mut self,
        (channel, class): (usize, usize),
        facts: &Facts<'_>,
        in_force: &InForce<'_>,
        principal: &Principal<'_>,
        circumstances: &Circumstances,
    ) -> Arc<Decision> {
        if let Some(known) = self.layer(principal, circumstances).get(channel, class) {
            return known.clone();
        }
        let made = self
            .authority
            .decide(facts, in_force, principal, circumstances);
        let made = Arc::new(made);
        let layer = self.layer(principal, circumstances);
        let expires = facts.label.expires.filter(|at| *at > circumstances.now);
        layer.keep(channel, class, made.clone(), expires);
        made
    }

    /// The layer for an actor and circumstances: for loops that look up many objects, each with
    /// [`Layer::get`].
    pub fn layer(
        &mut self,
        principal: &Principal<'_>,
        circumstances: &Circumstances,
    ) -> &mut Layer {
        let now = circumstances.now;
        // An expired label, or a clock that was set back: what was remembered may be wrong now.
        self.layers
            .retain(|layer| layer.from <= now && layer.until.is_none_or(|until| now < until));
        let found = self
            .layers
            .iter()
            .position(|layer| layer.key.is_of(principal, circumstances));
        let layer = match found {
            Some(at) => self.layers.remove(at),
            None => {
                if self.layers.len() == LAYERS_MAX {
                    self.layers.remove(0);
                }
                Layer {
                    key: Key {
                        person: match principal {
                            Principal::Automation(_) => None,
                            Principal::Person(person) => Some((*person).clone()),
                        },
                        objects: circumstances.objects,
                        delegated: circumstances.delegated,
                        hours: circumstances.hours(),
                    },
                    from: now,
                    until: None,
                    cells: Vec::new(),
                }
            }
        };
        self.layers.push(layer);
        let last = self.layers.len() - 1;
        &mut self.layers[last]
    }
}

impl Layer {
    /// The remembered decision, if there is one.
    #[inline]
    pub fn get(&self, channel: usize, class: usize) -> Option<&Arc<Decision>> {
        self.cells.get(channel)?.get(class)?.as_ref()
    }

    fn keep(
        &mut self,
        channel: usize,
        class: usize,
        decision: Arc<Decision>,
        expires: Option<Timestamp>,
    ) {
        if channel >= CHANNELS_MAX || class >= CLASSES_MAX {
            return;
        }
        if let Some(expires) = expires {
            self.until = Some(self.until.map_or(expires, |until| until.min(expires)));
        }
        if self.cells.len() <= channel {
            self.cells.resize(channel + 1, Vec::new());
        }
        let row = &mut self.cells[channel];
        if row.len() <= class {
            row.resize(class + 1, None);
        }
        row[class] = Some(decision);
    }
}
