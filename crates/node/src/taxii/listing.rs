//! What TAXII clients call a collection, and the names it goes by.

use serde::Serialize;
use store::Collection;
use uuid::Uuid;

use super::media::STIX;
use crate::auth::{Caller, Scope};

/// Names this node's collections among all UUIDs (RFC 9562 version 5). Never changes: clients keep
/// collection ids in their configuration.
const NAMESPACE: Uuid = Uuid::from_u128(0x6c41_91d4_6ab0_4f0e_9d3c_51a7_22f8_be35);

/// One collection as TAXII shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    id: Uuid,
    alias: String,
    name: String,
    collection: Collection,
    title: String,
    description: String,
}

/// The collection resource (TAXII 2.1 section 5.2.1).
#[derive(Serialize)]
pub(super) struct Resource<'a> {
    id: String,
    title: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    alias: &'a str,
    can_read: bool,
    can_write: bool,
    media_types: [&'static str; 1],
}

impl Listing {
    /// The member's own objects.
    pub fn national(title: &str, description: &str) -> Listing {
        Listing::new(
            "national".into(),
            "national".into(),
            Collection::National,
            title,
            description,
        )
    }

    /// What is shared in one channel. A channel has the same id and alias on every node.
    pub fn channel(accord: &str, channel: &str, title: &str, description: &str) -> Listing {
        let collection = Collection::Channel {
            accord: accord.into(),
            channel: channel.into(),
        };
        Listing::new(
            format!("{accord}/{channel}"),
            format!("{accord}.{channel}"),
            collection,
            title,
            description,
        )
    }

    fn new(
        name: String,
        alias: String,
        collection: Collection,
        title: &str,
        description: &str,
    ) -> Listing {
        let id = Uuid::new_v5(&NAMESPACE, name.as_bytes());
        Listing {
            id,
            alias,
            name,
            collection,
            title: title.into(),
            description: description.into(),
        }
    }

    /// The collection's TAXII id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The name that URLs may use instead: `national`, or `<accord>.<channel>`.
    pub fn alias(&self) -> &str {
        &self.alias
    }

    /// The name that people and settings use: `national`, or `<accord>/<channel>`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The collection's title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The store's collection.
    pub fn collection(&self) -> &Collection {
        &self.collection
    }

    /// Whether a path segment names this collection.
    pub(super) fn answers_to(&self, segment: &str) -> bool {
        segment == self.alias || Uuid::try_parse(segment).is_ok_and(|id| id == self.id)
    }

    /// Why a caller may not add objects here, if so.
    pub(super) fn closed_to(&self, caller: &Caller) -> Option<&'static str> {
        match (&self.collection, caller.writes()) {
            (Collection::Channel { .. }, _) => Some(
                "Objects enter a channel by release only: add them to the national collection, then have them released.",
            ),
            (Collection::Forms, _) => Some("This collection is not for clients."),
            (Collection::National, false) => {
                Some("Your user may read but not add objects: ask the operator for write access.")
            }
            (Collection::National, true) => None,
        }
    }

    /// Why a caller may not delete objects here, if so. It takes a proof that is good for taking
    /// back, beside the right to add: a sensor's token adds and deletes nothing.
    pub(super) fn keeps(&self, caller: &Caller) -> Option<&'static str> {
        match &self.collection {
            Collection::Channel { .. } => Some(
                "What is in a channel is logged and not deleted: withdraw it (kurultai withdraw, or the console), and the partners are told.",
            ),
            Collection::National if !caller.writes() => self.closed_to(caller),
            Collection::National if !caller.scopes.contains(&Scope::Release) => Some(
                "Your token may add but not take back: make one with the scope release, or use your password.",
            ),
            Collection::National => None,
            Collection::Forms => self.closed_to(caller),
        }
    }

    pub(super) fn resource(&self, caller: &Caller) -> Resource<'_> {
        Resource {
            id: self.id.to_string(),
            title: &self.title,
            description: &self.description,
            alias: &self.alias,
            can_read: caller.reads(),
            can_write: self.closed_to(caller).is_none(),
            media_types: [STIX],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_never_change() {
        let national = Listing::national("Kazakhstan", "");
        assert_eq!(
            national.id().to_string(),
            "386b0b28-62bf-5935-b46e-223e6add740f"
        );
        let channel = Listing::channel("steppe", "cyber", "Cyber", "");
        assert_eq!(
            channel.id().to_string(),
            "9fa73ce0-6c17-50c9-a3b6-d5189fb4486c"
        );
        assert_eq!(
            (channel.name(), channel.alias()),
            ("steppe/cyber", "steppe.cyber")
        );
        assert!(
            channel.answers_to("steppe.cyber") && channel.answers_to(&channel.id().to_string())
        );
        assert!(channel.answers_to(&channel.id().to_string().to_uppercase()));
        assert!(
            !channel.answers_to("cyber")
                && !channel.answers_to("steppe/cyber")
                && !channel.answers_to("")
        );
    }
}
