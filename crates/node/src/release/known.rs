//! What a batch of decisions knows of the channel: which ids its members have been given, in what
//! forms originals left, and what goes together with what is being looked at.
//!
//! What is only proposed has not left and may never leave, so it counts for nothing that goes
//! without it: only for objects that wait for the very same approvals, which go with it or not at
//! all.

use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, HashSet};

use model::Id;
use policy::RefState;
use policy::authority::Need;
use store::{Collection, LogName, Store, StoreError};

use super::forms::{Form, Link, link};
use super::queue;

/// What is known about ids, for one batch.
pub(crate) struct Known<'a> {
    store: &'a Store,
    channel: &'a str,
    own: &'a LogName,
    /// Whether anything ever left in a form of its own here.
    forms: bool,
    links: RefCell<HashMap<Id, Option<Link>>>,
    states: RefCell<HashMap<Id, RefState>>,
    /// What this batch releases as it is.
    going: RefCell<HashSet<Id>>,
    /// The forms that this batch releases.
    forms_going: RefCell<HashSet<Id>>,
    /// What this batch proposes, by the ids of originals and of forms.
    proposed: RefCell<HashMap<Id, Proposed>>,
    /// The approvals that the object in question needs; none where it goes at once.
    asking: RefCell<Vec<Need>>,
    /// The ids of what waits for the channel's window.
    waiting: OnceCell<HashSet<String>>,
}

/// One id of something that is proposed.
#[derive(Clone)]
struct Proposed {
    /// The approvals that it needs.
    needs: Vec<Need>,
    /// The link, where it is an original that leaves in another form.
    link: Option<Link>,
}

const FORMS: &str = "forms/";

/// The setting that says that a channel has links.
pub(crate) fn forms_key(channel: &str) -> String {
    format!("{FORMS}{channel}")
}

/// Every channel, in force or not, for which anything ever left in a form of its own or was about to.
pub(crate) fn channels_with_forms(store: &Store) -> Result<Vec<String>, StoreError> {
    let held = store.scan(FORMS)?.into_iter();
    Ok(held.map(|(key, _)| key[FORMS.len()..].to_owned()).collect())
}

/// Whether everybody has this object without being given it: STIX's own TLP markings.
pub(super) fn is_public(id: &Id) -> bool {
    model::tlp_of_marking(id).is_some()
}

impl<'a> Known<'a> {
    pub(crate) fn new(
        store: &'a Store,
        channel: &'a str,
        own: &'a LogName,
    ) -> Result<Known<'a>, StoreError> {
        Ok(Known {
            store,
            channel,
            own,
            forms: store.get(&forms_key(channel))?.is_some(),
            links: RefCell::default(),
            states: RefCell::default(),
            going: RefCell::default(),
            forms_going: RefCell::default(),
            proposed: RefCell::default(),
            asking: RefCell::default(),
            waiting: OnceCell::new(),
        })
    }

    /// From here on it is asked for an object that needs these approvals (sorted), or none.
    pub(crate) fn asks_for(&self, needs: Vec<Need>) {
        self.asking.replace(needs);
    }

    /// The link of an original, those of this batch included.
    pub(crate) fn link(&self, id: &Id) -> Result<Option<Link>, StoreError> {
        if let Some(together) = self.together(id) {
            return Ok(together.link);
        }
        if let Some(known) = self.links.borrow().get(id) {
            return Ok(known.clone());
        }
        let found = match self.forms {
            true => link(self.store, self.channel, id)?,
            false => None,
        };
        self.links.borrow_mut().insert(id.clone(), found.clone());
        Ok(found)
    }

    /// What goes under this id together with the object in question, or not at all.
    fn together(&self, id: &Id) -> Option<Proposed> {
        let asking = self.asking.borrow();
        let proposed = self.proposed.borrow();
        let held = proposed.get(id)?;
        (!asking.is_empty() && held.needs == *asking).then(|| held.clone())
    }

    /// Counts in what this batch is about to release.
    pub(crate) fn goes(&self, id: &Id, form: &Form) {
        match &form.link {
            Some(link) => {
                let ids = form.objects.iter().map(|object| object.id().clone());
                self.forms_going.borrow_mut().extend(ids);
                let link = Some(link.clone());
                self.links.borrow_mut().insert(id.clone(), link);
            }
            None => drop(self.going.borrow_mut().insert(id.clone())),
        }
        self.states.borrow_mut().remove(id);
    }

    /// Counts in what this batch proposes, for what needs the same approvals.
    pub(crate) fn is_proposed(&self, id: &Id, form: &Form) {
        let mut proposed = self.proposed.borrow_mut();
        let needs = self.asking.borrow().clone();
        for object in &form.objects {
            let (needs, link) = (needs.clone(), None);
            proposed.insert(object.id().clone(), Proposed { needs, link });
        }
        let link = form.link.clone();
        proposed.insert(id.clone(), Proposed { needs, link });
    }

    /// Those of these ids under which something of this member's is shown, waits for its window, or
    /// is about to leave in this batch.
    pub(crate) fn there(&self, mut ids: Vec<Id>) -> Result<Vec<Id>, StoreError> {
        if ids.is_empty() {
            return Ok(ids);
        }
        let shown: HashSet<Id> = self
            .store
            .brought(self.own, &ids)?
            .into_iter()
            .map(|record| record.id)
            .collect();
        let waiting = self.waiting()?;
        let (going, forms) = (self.going.borrow(), self.forms_going.borrow());
        ids.retain(|id| {
            shown.contains(id)
                || waiting.contains(id.as_str())
                || going.contains(id)
                || forms.contains(id)
        });
        Ok(ids)
    }

    fn waiting(&self) -> Result<&HashSet<String>, StoreError> {
        if let Some(waiting) = self.waiting.get() {
            return Ok(waiting);
        }
        let held = self.store.scan(&queue::keys_of(self.channel))?;
        let leaving = held.iter().filter_map(|(_, value)| queue::id_of(value));
        let waiting = leaving.collect();
        Ok(self.waiting.get_or_init(|| waiting))
    }

    /// Whether the channel's members have an object under this id.
    pub(crate) fn state(&self, id: &Id) -> Result<RefState, StoreError> {
        if self.going.borrow().contains(id)
            || self.forms_going.borrow().contains(id)
            || self.together(id).is_some_and(|held| held.link.is_none())
            || is_public(id)
        {
            return Ok(RefState::Released);
        }
        if let Some(known) = self.states.borrow().get(id) {
            return Ok(*known);
        }
        let collection = self.own.collection();
        let state = if self.store.latest(&collection, id)?.is_some() {
            RefState::Released
        } else if self.store.latest(&Collection::National, id)?.is_some()
            || self.store.latest(&Collection::Forms, id)?.is_some()
        {
            RefState::Unreleased
        } else {
            RefState::Unknown
        };
        self.states.borrow_mut().insert(id.clone(), state);
        Ok(state)
    }
}
