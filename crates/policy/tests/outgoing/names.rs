//! Names for tests: everything is released under a derived id, except what is withheld.

use std::cell::RefCell;
use std::collections::BTreeSet;

use model::{Id, Object, Timestamp};
use policy::{Names, derived_id};
use serde_json::Value;

#[derive(Default)]
pub(crate) struct TestNames {
    pub(crate) withheld: BTreeSet<Id>,
    pub(crate) previous: Option<Timestamp>,
    pub(crate) forms: RefCell<BTreeSet<Id>>,
}

impl Names for TestNames {
    fn outgoing(&self, id: &Id) -> Option<Id> {
        (!self.withheld.contains(id)).then(|| self.derive(id))
    }

    fn derive(&self, id: &Id) -> Id {
        if self.forms.borrow().contains(id) {
            return id.clone();
        }
        let derived = derived_id(&[7; 32], "test", id);
        self.forms.borrow_mut().insert(derived.clone());
        derived
    }

    fn previous(&self, _: &Id) -> Option<Timestamp> {
        self.previous
    }
}

pub(crate) fn id(text: &str) -> Id {
    Id::parse(text).expect(text)
}

pub(crate) fn object(value: Value) -> Object {
    let text = value.to_string();
    Object::parse(text.as_bytes()).unwrap_or_else(|refusal| panic!("{refusal}: {text}"))
}

pub(crate) fn tree(object: &Object) -> Value {
    serde_json::from_slice(object.bytes()).expect("an object is JSON")
}

pub(crate) fn text(object: &Object) -> &str {
    std::str::from_utf8(object.bytes()).expect("an object is UTF-8")
}

#[test]
fn derived_ids_depend_on_key_context_and_id() {
    let of = id("report--00000000-0000-4000-8000-000000000001");
    let derived = derived_id(&[1; 32], "a", &of);
    assert_eq!(derived, derived_id(&[1; 32], "a", &of));
    assert_eq!(derived.type_name(), "report");
    let uuid = derived.uuid();
    assert_eq!((uuid[6] >> 4, uuid[8] >> 6), (4, 2), "a version 4 UUID");
    for other in [
        derived_id(&[2; 32], "a", &of),
        derived_id(&[1; 32], "b", &of),
        derived_id(
            &[1; 32],
            "a",
            &id("report--00000000-0000-4000-8000-000000000002"),
        ),
        derived_id(
            &[1; 32],
            "a",
            &id("note--00000000-0000-4000-8000-000000000001"),
        ),
    ] {
        assert_ne!(derived.uuid(), other.uuid());
    }
}
