//! What happens in the demonstration: six made-up members, their channels, and seven stories.
//!
//! Everything here is invented, including the people who write; names, addresses and domains are
//! from the ranges reserved for documentation. The stories are STIX bundles in `scenario/`, each
//! with the member that takes it in, the label it gives, and the channel it goes to.

use std::collections::BTreeSet;

use model::Tlp;
use policy::{Attribution, Channel, Kinds};
use serde::Deserialize;

use crate::exit::Failure;

/// The accord's name.
pub(crate) const ACCORD: &str = "bonds-2026";

/// Code, name and domain of each member.
pub(crate) const MEMBERS: [(&str, &str, &str); 6] = [
    ("US", "United States (demonstration)", "us.example"),
    ("PK", "Pakistan (demonstration)", "pk.example"),
    ("KZ", "Kazakhstan (demonstration)", "kz.example"),
    ("KG", "Kyrgyzstan (demonstration)", "kg.example"),
    ("TJ", "Tajikistan (demonstration)", "tj.example"),
    ("UZ", "Uzbekistan (demonstration)", "uz.example"),
];

/// The label for everybody, which each story for all six carries.
pub(crate) const SIX: &str = "REL KG,KZ,PK,TJ,US,UZ";

/// The channel of the subset, and who is in it.
pub(crate) const SUBSET: (&str, [&str; 3]) = ("steppe", ["KG", "KZ", "UZ"]);

/// A rumour in the earthquake's story that turns out to be false and is withdrawn.
pub(crate) const RUMOUR: &str = "note--801ea395-f306-49b3-9a85-585462987f1a";

/// The incident that only the subset may know of.
pub(crate) const VICTIMS: &str = "incident--d4e9fa63-3313-43f0-9fa0-57702e2677a6";

/// A person whom KZ knows of and shares under its own policy.
pub(crate) const COURIER: &str = "identity--6c1f6f2e-4a55-4a0d-8e0c-2f6c1b7c9d11";

/// What of it stays with KZ.
pub(crate) const COURIER_SECRETS: [&str; 2] = ["SILVER HERON", "+7 700 555 0142"];

/// That person (made up), in revision `number`.
pub(crate) fn courier(number: u64) -> String {
    format!(
        "{{\"type\":\"identity\",\"spec_version\":\"2.1\",\"id\":\"{COURIER}\",\"created\":\"2026-11-20T08:14:00.000Z\",\
         \"modified\":\"2026-11-2{number}T09:26:00.000Z\",\"identity_class\":\"individual\",\"name\":\"A. Example (fictional)\",\
         \"description\":\"Carries forged transit papers; told by SILVER HERON.\",\"contact_information\":\"+7 700 555 0142\"}}"
    )
}

/// One bundle on its way out.
pub(crate) struct Story {
    /// What it is about, for the progress lines.
    pub(crate) title: &'static str,
    /// The member that takes it in and releases it.
    pub(crate) origin: &'static str,
    /// The channel.
    pub(crate) channel: &'static str,
    /// The label of its objects for what they do not state themselves.
    pub(crate) label: String,
    /// The STIX bundle.
    pub(crate) bundle: &'static str,
}

/// The stories in their order: later ones refer to earlier ones.
pub(crate) fn stories() -> Vec<Story> {
    let six = format!("TLP:GREEN//{SIX}");
    let story = |title, origin, channel, label: &str, bundle| Story {
        title,
        origin,
        channel,
        label: label.to_owned(),
        bundle,
    };
    vec![
        story(
            "letters against ministries",
            "KZ",
            "alerts",
            &six,
            include_str!("scenario/phishing.json"),
        ),
        story(
            "the same letters seen elsewhere",
            "US",
            "alerts",
            &six,
            include_str!("scenario/sighting.json"),
        ),
        story(
            "whose mailboxes were taken",
            "UZ",
            SUBSET.0,
            "TLP:AMBER+STRICT//REL KG,KZ,UZ",
            include_str!("scenario/victims.json"),
        ),
        story(
            "an earthquake",
            "TJ",
            "relief",
            &six,
            include_str!("scenario/earthquake.json"),
        ),
        story(
            "an offer of help",
            "PK",
            "relief",
            &six,
            include_str!("scenario/offer.json"),
        ),
        story(
            "forged transit papers",
            "PK",
            "corridor",
            "TLP:AMBER//REL PK,TJ",
            include_str!("scenario/corridor.json"),
        ),
        story(
            "a planned exercise",
            "KG",
            "drill",
            &format!("{six}//EXERCISE"),
            include_str!("scenario/exercise.json"),
        ),
    ]
}

impl Story {
    /// The ids of its objects.
    pub(crate) fn ids(&self) -> Result<Vec<String>, Failure> {
        ids(self.bundle)
    }
}

/// The ids of a bundle's objects.
pub(crate) fn ids(bundle: &str) -> Result<Vec<String>, Failure> {
    #[derive(Deserialize)]
    struct Bundle {
        objects: Vec<Named>,
    }
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    let bundle: Bundle = serde_json::from_str(bundle).map_err(|error| {
        Failure::usage(format!(
            "the demonstration's own bundle is broken ({error}); report it"
        ))
    })?;
    Ok(bundle.objects.into_iter().map(|object| object.id).collect())
}

/// The channels of the accord.
pub(crate) fn channels() -> Vec<Channel> {
    let all = MEMBERS.map(|member| member.0);
    let channel = |name: &str, title: &str, members: &[&str], ceiling| Channel {
        name: name.to_owned(),
        title: title.to_owned(),
        members: members
            .iter()
            .map(|code| (*code).to_owned())
            .collect::<BTreeSet<_>>(),
        kinds: Kinds::Any,
        ceiling,
        exercise: false,
        retention_days: None,
        attribution: Attribution::Origin,
        hide: None,
        delegate: None,
    };
    vec![
        channel("alerts", "Cyber alerts for all six", &all, Tlp::Amber),
        channel("relief", "Disaster relief for all six", &all, Tlp::Green),
        channel("library", "Open knowledge for all six", &all, Tlp::Clear),
        channel(SUBSET.0, "Details among three", &SUBSET.1, Tlp::AmberStrict),
        channel("corridor", "Transit between two", &["PK", "TJ"], Tlp::Amber),
        Channel {
            exercise: true,
            ..channel("drill", "Exercises of all six", &all, Tlp::Green)
        },
    ]
}

/// A small note by the member `origin`, for the proofs. `number` makes ids and texts differ.
pub(crate) fn note(number: u64, text: &str) -> String {
    let minute = number % 60;
    let hour = number / 60 % 24;
    let moment = format!("2026-11-23T{hour:02}:{minute:02}:00.000Z");
    format!(
        "{{\"type\":\"note\",\"spec_version\":\"2.1\",\"id\":\"{}\",\"created\":\"{moment}\",\"modified\":\"{moment}\",\
         \"abstract\":\"Proof {number}\",\"content\":\"{text}\",\"object_refs\":[\"{RUMOUR}\"]}}",
        note_id(number)
    )
}

/// The id of [`note`] `number`.
pub(crate) fn note_id(number: u64) -> String {
    format!("note--5f3b1c00-0000-4000-8000-{number:012x}")
}

#[cfg(test)]
mod tests {
    use super::{ACCORD, MEMBERS, RUMOUR, VICTIMS, channels, ids, note, note_id, stories};

    #[test]
    fn every_story_is_acceptable_stix_and_goes_where_its_label_allows() {
        for story in stories() {
            let mut objects = 0;
            let total = model::bundle(story.bundle.as_bytes(), |_, object| {
                object.unwrap_or_else(|refusal| panic!("{}: {refusal}", story.title));
                objects += 1;
            })
            .unwrap();
            assert_eq!((objects, ids(story.bundle).unwrap().len()), (total, total));
            let label = model::Label::parse(&story.label).unwrap();
            let channels = channels();
            let channel = channels
                .iter()
                .find(|channel| channel.name == story.channel)
                .expect("an existing channel");
            assert!(channel.members.contains(story.origin));
            assert!(
                channel
                    .members
                    .iter()
                    .all(|code| label.releases_to(code, &model::Groups::default())),
                "{}",
                story.title
            );
            assert!(
                label.tlp <= channel.ceiling && label.exercise == channel.exercise,
                "{}",
                story.title
            );
        }
    }

    #[test]
    fn the_objects_that_proofs_name_are_in_their_stories() {
        let ids_of = |channel: &str| -> Vec<String> {
            stories()
                .iter()
                .filter(|story| story.channel == channel)
                .flat_map(|story| story.ids().unwrap())
                .collect()
        };
        assert!(ids_of("relief").iter().any(|id| id == RUMOUR));
        assert!(ids_of("steppe").iter().any(|id| id == VICTIMS));
    }

    #[test]
    fn names_are_reserved_ones_and_notes_are_acceptable() {
        assert!(MEMBERS.iter().all(|member| member.2.ends_with(".example")));
        assert!(!ACCORD.is_empty());
        let object = model::Object::parse(note(7, "text").as_bytes()).unwrap();
        assert_eq!(object.id().as_str(), note_id(7));
    }
}
