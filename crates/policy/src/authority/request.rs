//! Puts a question to the engine in the engine's own terms: one request and the two entities that
//! it names.
//!
//! INVARIANT: what is built here is exactly what the schema says (a test has the engine check it
//! for every action); so a rule that was valid at load meets no attribute that is not there.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression,
};
use model::{Pap, Tlp};

use crate::authority::duty::Duty;
use crate::authority::facts::{Action, Circumstances, Facts, Originator, Person, Principal};
use crate::release::InForce;

/// What the engine calls types, words and actions; read from text once.
#[derive(Debug)]
pub(crate) struct Names {
    person: EntityTypeName,
    automation: EntityUid,
    object: EntityUid,
    node: EntityUid,
    tlp: [EntityUid; 5],
    pap: [EntityUid; 4],
    duty: [EntityUid; 6],
    action: [EntityUid; 7],
}

const TLP: [&str; 5] = ["CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED"];
const PAP: [&str; 4] = ["CLEAR", "GREEN", "AMBER", "RED"];

impl Names {
    /// The names, or what is wrong with one of them.
    pub(crate) fn get() -> Result<&'static Names, &'static str> {
        static NAMES: LazyLock<Result<Names, String>> = LazyLock::new(Names::read);
        NAMES.as_ref().map_err(String::as_str)
    }

    fn read() -> Result<Names, String> {
        let kind = |name: &str| {
            name.parse::<EntityTypeName>()
                .map_err(|error| error.to_string())
        };
        let (tlp, pap, duty, action) = (kind("Tlp")?, kind("Pap")?, kind("Duty")?, kind("Action")?);
        let uid = |kind: &EntityTypeName, word: &str| {
            EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(word))
        };
        Ok(Names {
            person: kind("Person")?,
            automation: uid(&kind("Automation")?, "node"),
            object: uid(&kind("Object")?, "it"),
            node: uid(&kind("Node")?, "it"),
            tlp: TLP.map(|word| uid(&tlp, word)),
            pap: PAP.map(|word| uid(&pap, word)),
            duty: Duty::ALL.map(|one| uid(&duty, one.word())),
            action: Action::ALL.map(|one| uid(&action, one.word())),
        })
    }

    /// An action's name.
    pub(crate) fn action(&self, action: Action) -> &EntityUid {
        &self.action[action as usize]
    }

    fn tlp(&self, tlp: Tlp) -> RestrictedExpression {
        RestrictedExpression::new_entity_uid(self.tlp[tlp as usize].clone())
    }

    fn pap(&self, pap: Pap) -> RestrictedExpression {
        RestrictedExpression::new_entity_uid(self.pap[pap as usize].clone())
    }

    /// The request and its entities. The channel is there exactly for [`Action::Release`].
    pub(crate) fn ask(
        &self,
        action: Action,
        principal: &Principal<'_>,
        about: Option<&Facts<'_>>,
        circumstances: &Circumstances,
        channel: Option<&InForce<'_>>,
    ) -> Result<(Request, Entities), String> {
        let mut entities = Vec::with_capacity(2);
        let principal = match principal {
            Principal::Automation(_) => self.automation.clone(),
            Principal::Person(person) => {
                let uid = EntityUid::from_type_name_and_id(
                    self.person.clone(),
                    EntityId::new(&person.name),
                );
                entities.push(entity(uid.clone(), self.person(person))?);
                uid
            }
        };
        let resource = match about {
            Some(facts) => {
                entities.push(entity(self.object.clone(), self.object(facts))?);
                self.object.clone()
            }
            None => self.node.clone(),
        };
        let context = self.context(action, circumstances, channel)?;
        let request = Request::new(
            principal,
            self.action(action).clone(),
            resource,
            context,
            None,
        )
        .map_err(|error| error.to_string())?;
        let entities =
            Entities::from_entities(entities, None).map_err(|error| error.to_string())?;
        Ok((request, entities))
    }

    fn person(&self, person: &Person) -> HashMap<String, RestrictedExpression> {
        let duty =
            |duty: &Duty| RestrictedExpression::new_entity_uid(self.duty[*duty as usize].clone());
        let duties = RestrictedExpression::new_set(person.duties.iter().map(duty));
        HashMap::from([
            ("duties".to_owned(), duties),
            ("clearance".to_owned(), long(person.clearance as i64)),
            ("proven".to_owned(), bool(person.proven)),
        ])
    }

    fn object(&self, facts: &Facts<'_>) -> HashMap<String, RestrictedExpression> {
        let label = facts.label;
        let mut attributes = HashMap::with_capacity(16);
        let mut put = |name: &str, value| attributes.insert(name.to_owned(), value);
        put("kind", text(facts.kind));
        put("about_person", bool(facts.about_person));
        put("own", bool(facts.originator == Originator::Own));
        if let Originator::Member(code) = facts.originator {
            put("originator", text(code));
        }
        put("tlp", self.tlp(label.tlp));
        put("level", long(label.tlp as i64));
        put("pap", self.pap(label.pap));
        put("pap_level", long(label.pap as i64));
        put("caveats", texts(&label.caveats));
        put("purposes", texts(&label.purposes));
        put("legal_basis", texts(&label.legal_basis));
        put("expires", bool(label.expires.is_some()));
        put("exercise", bool(label.exercise));
        attributes
    }

    fn context(
        &self,
        action: Action,
        circumstances: &Circumstances,
        channel: Option<&InForce<'_>>,
    ) -> Result<Context, String> {
        let objects = i64::try_from(circumstances.objects).unwrap_or(i64::MAX);
        let mut pairs = vec![("objects".to_owned(), long(objects))];
        if let Some(hour_of_week) = circumstances.hour_of_week() {
            pairs.push(("hour".to_owned(), long(hour_of_week % 24)));
            pairs.push(("weekday".to_owned(), long(1 + hour_of_week / 24)));
        }
        if action == Action::Release {
            pairs.push(("delegated".to_owned(), bool(circumstances.delegated)));
        }
        if let Some(in_force) = channel {
            let channel = in_force.channel;
            let record = RestrictedExpression::new_record([
                ("name".to_owned(), text(&channel.name)),
                ("accord".to_owned(), text(in_force.accord)),
                ("members".to_owned(), texts(&channel.members)),
                ("purposes".to_owned(), texts(&in_force.purposes)),
                ("ceiling".to_owned(), self.tlp(channel.ceiling)),
                ("level".to_owned(), long(channel.ceiling as i64)),
                ("exercise".to_owned(), bool(channel.exercise)),
                (
                    "hides_source".to_owned(),
                    bool(channel.attribution == crate::Attribution::Member),
                ),
            ])
            .map_err(|error| error.to_string())?;
            pairs.push(("channel".to_owned(), record));
        }
        Context::from_pairs(pairs).map_err(|error| error.to_string())
    }
}

fn entity(
    uid: EntityUid,
    attributes: HashMap<String, RestrictedExpression>,
) -> Result<Entity, String> {
    Entity::new(uid, attributes, HashSet::new()).map_err(|error| error.to_string())
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn texts(values: &BTreeSet<String>) -> RestrictedExpression {
    RestrictedExpression::new_set(values.iter().map(|value| text(value)))
}

fn long(value: i64) -> RestrictedExpression {
    RestrictedExpression::new_long(value)
}

fn bool(value: bool) -> RestrictedExpression {
    RestrictedExpression::new_bool(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::rules::schema;
    use crate::{Channel, Kinds, ReleaseMode};
    use model::{Label, Timestamp};

    #[test]
    fn what_is_asked_is_what_the_schema_says() {
        let schema = schema().unwrap();
        let names = Names::get().unwrap();
        let plain = Label::parse("TLP:CLEAR").unwrap();
        let full = "TLP:AMBER+STRICT//PAP:RED//REL KZ//CAVEAT ORCON//PURPOSE ct//LEGAL treaty\
                    //EXPIRES 2027-01-01T00:00:00Z//EXERCISE";
        let full = Label::parse(full).unwrap();
        let channel = Channel {
            name: "c".to_owned(),
            title: "C".to_owned(),
            members: ["KG", "KZ"].map(str::to_owned).into(),
            kinds: Kinds::Any,
            ceiling: Tlp::Red,
            exercise: true,
            retention_days: None,
            attribution: crate::Attribution::Member,
            hide: None,
            delegate: None,
        };
        let in_force = InForce::new("pact", &channel, channel.members.clone());
        let person = Person {
            name: "anna \"\u{430}\n".to_owned(),
            duties: Duty::ALL.into(),
            clearance: Tlp::Red,
            proven: true,
        };
        let mode = ReleaseMode::Manual;
        let principals = [Principal::Person(&person), Principal::Automation(&mode)];
        let facts = [(&plain, Originator::Own), (&full, Originator::Member("KG"))];
        let mut asked = 0;
        for action in Action::ALL {
            for (principal, offset) in principals.iter().zip([None, Some(-210)]) {
                let automation = matches!(principal, Principal::Automation(_));
                if automation
                    && !matches!(action, Action::Release | Action::Withdraw | Action::Read)
                {
                    continue;
                }
                for (label, originator) in facts {
                    let facts = Facts {
                        label,
                        kind: "indicator",
                        about_person: true,
                        originator,
                    };
                    let circumstances = Circumstances {
                        now: Timestamp::parse("2026-03-02T20:30:00Z").unwrap(),
                        utc_offset_minutes: offset,
                        objects: u64::MAX,
                        delegated: true,
                    };
                    let about = action.is_about_object().then_some(&facts);
                    let channel = (action == Action::Release).then_some(&in_force);
                    let (request, entities) = names
                        .ask(action, principal, about, &circumstances, channel)
                        .unwrap();
                    let part = |uid: Option<&EntityUid>| uid.unwrap().clone();
                    Request::new(
                        part(request.principal()),
                        part(request.action()),
                        part(request.resource()),
                        request.context().unwrap().clone(),
                        Some(schema),
                    )
                    .unwrap();
                    Entities::from_entities(entities.iter().cloned(), Some(schema)).unwrap();
                    asked += 1;
                }
            }
        }
        assert_eq!(asked, 20);
    }

    #[test]
    fn words_and_numbers_of_levels_agree_with_the_label() {
        let level = [
            Tlp::Clear,
            Tlp::Green,
            Tlp::Amber,
            Tlp::AmberStrict,
            Tlp::Red,
        ];
        for (at, tlp) in level.into_iter().enumerate() {
            assert_eq!(
                (tlp as usize, tlp.to_string()),
                (at, format!("TLP:{}", TLP[at]))
            );
        }
        let limits = [Pap::Clear, Pap::Green, Pap::Amber, Pap::Red];
        for (at, pap) in limits.into_iter().enumerate() {
            assert_eq!(
                (pap as usize, pap.to_string()),
                (at, format!("PAP:{}", PAP[at]))
            );
        }
        for (at, duty) in Duty::ALL.into_iter().enumerate() {
            assert_eq!(duty as usize, at);
        }
        for (at, action) in Action::ALL.into_iter().enumerate() {
            assert_eq!(action as usize, at);
        }
    }
}
