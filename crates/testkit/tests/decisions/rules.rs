//! Random rule files that are valid by construction, each rule also as a value that can be worked
//! out in plain Rust.

use std::collections::{BTreeMap, BTreeSet};

use model::Tlp;
use policy::authority::{Authority, Duty, Person, Version};
use testkit::{KINDS, Rng, SIX};

use super::draw::{Drawn, LEVELS, Moment, Stream, Treaty};

/// All that a rule can see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) object: &'a Drawn,
    pub(crate) treaty: &'a Treaty,
    pub(crate) channel: usize,
    /// Absent: automation.
    pub(crate) person: Option<&'a Person>,
    pub(crate) moment: Moment,
}

impl Question<'_> {
    pub(crate) fn stream(&self) -> &Stream {
        &self.treaty.streams[self.channel]
    }

    /// Hours since Monday on the nation's clock.
    fn hours(&self) -> Option<i128> {
        let local = self.moment.at + i128::from(self.moment.offset?) * 60;
        Some(local.div_euclid(3_600))
    }
}

/// Whom a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Actor {
    Anybody,
    Person,
    Automation,
}

/// A condition. `None` of its truth: it cannot be evaluated.
#[derive(Clone, Debug)]
enum Expr {
    Kind(usize),
    AboutPerson,
    Own,
    From(usize),
    Level(usize),
    Tlp(usize),
    Pap(usize),
    Orcon,
    PurposesFit,
    NoLegalBasis,
    Expires,
    Exercise,
    Few,
    Night,
    Weekend,
    Delegated,
    Reaches(usize),
    Ceiling(usize),
    HidesSource,
    /// Overflows from the second object on.
    Overflow,
    Duty(usize),
    Cleared,
    Proven,
    Not(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
}

/// Leaves that are not about the person.
const LEAVES: usize = 20;

impl Expr {
    fn leaf(rng: &mut Rng, person: bool) -> Expr {
        match rng.below(if person { LEAVES + 6 } else { LEAVES }) {
            0 => Expr::Kind(rng.below(KINDS.len())),
            1 => Expr::AboutPerson,
            2 => Expr::Own,
            3 => Expr::From(rng.below(SIX.len())),
            4 => Expr::Level(rng.below(5)),
            5 => Expr::Tlp(rng.below(5)),
            6 => Expr::Pap(1 + rng.below(3)),
            7 => Expr::Orcon,
            8 => Expr::PurposesFit,
            9 => Expr::NoLegalBasis,
            10 => Expr::Expires,
            11 => Expr::Exercise,
            12 => Expr::Few,
            13 => Expr::Night,
            14 => Expr::Weekend,
            15 => Expr::Delegated,
            16 => Expr::Reaches(rng.below(SIX.len())),
            17 => Expr::Ceiling(rng.below(5)),
            18 => Expr::HidesSource,
            19 if rng.one_in(3) => Expr::Overflow,
            19 => Expr::Few,
            20 | 21 => Expr::Cleared,
            22 => Expr::Proven,
            _ => Expr::Duty(rng.below(Duty::ALL.len())),
        }
    }

    fn draw(rng: &mut Rng, person: bool, depth: usize) -> Expr {
        let part = |rng: &mut Rng| Box::new(Expr::draw(rng, person, depth - 1));
        match if depth == 0 { 9 } else { rng.below(10) } {
            0 | 1 => Expr::Not(part(rng)),
            2 | 3 => Expr::And(part(rng), part(rng)),
            4 | 5 => Expr::Or(part(rng), part(rng)),
            _ => Expr::leaf(rng, person),
        }
    }

    fn text(&self) -> String {
        let word = |tlp: Tlp| tlp.to_string().replace("TLP:", "");
        match self {
            Expr::Kind(at) => format!("resource.kind == \"{}\"", KINDS[*at]),
            Expr::AboutPerson => "resource.about_person".to_owned(),
            Expr::Own => "resource.own".to_owned(),
            Expr::From(at) => format!(
                "(resource has originator && resource.originator == \"{}\")",
                SIX[*at]
            ),
            Expr::Level(at) => format!("resource.level <= {at}"),
            Expr::Tlp(at) => format!("resource.tlp == Tlp::\"{}\"", word(LEVELS[*at])),
            Expr::Pap(at) => format!("resource.pap_level >= {at}"),
            Expr::Orcon => "resource.caveats.contains(\"ORCON\")".to_owned(),
            Expr::PurposesFit => {
                "context.channel.purposes.containsAll(resource.purposes)".to_owned()
            }
            Expr::NoLegalBasis => "resource.legal_basis.isEmpty()".to_owned(),
            Expr::Expires => "resource.expires".to_owned(),
            Expr::Exercise => "resource.exercise".to_owned(),
            Expr::Few => "context.objects < 100".to_owned(),
            Expr::Night => "(context has hour && context.hour < 6)".to_owned(),
            Expr::Weekend => "(context has weekday && context.weekday >= 6)".to_owned(),
            Expr::Delegated => "context.delegated".to_owned(),
            Expr::Reaches(at) => format!("context.channel.members.contains(\"{}\")", SIX[*at]),
            Expr::Ceiling(at) => format!("context.channel.level >= {at}"),
            Expr::HidesSource => "context.channel.hides_source".to_owned(),
            Expr::Overflow => "context.objects * 9223372036854775807 > 0".to_owned(),
            Expr::Duty(at) => format!("principal.duties.contains(Duty::\"{}\")", Duty::ALL[*at]),
            Expr::Cleared => "principal.clearance >= resource.level".to_owned(),
            Expr::Proven => "principal.proven".to_owned(),
            Expr::Not(one) => format!("!({})", one.text()),
            Expr::And(one, two) => format!("({} && {})", one.text(), two.text()),
            Expr::Or(one, two) => format!("({} || {})", one.text(), two.text()),
        }
    }

    /// Left to right, as the rules' language has it.
    fn truth(&self, q: &Question<'_>) -> Option<bool> {
        let object = q.object;
        let of = |test: &dyn Fn(&Person) -> bool| q.person.is_some_and(test);
        Some(match self {
            Expr::Kind(at) => object.kind == *at,
            Expr::AboutPerson => object.about_person,
            Expr::Own => object.partner.is_none(),
            Expr::From(at) => object.partner == Some(*at),
            Expr::Level(at) => object.tlp <= *at,
            Expr::Tlp(at) => object.tlp == *at,
            Expr::Pap(at) => object.pap >= *at,
            Expr::Orcon => object.orcon,
            Expr::PurposesFit => object.purposes & !q.treaty.purposes == 0,
            Expr::NoLegalBasis => !object.legal,
            Expr::Expires => object.expires.is_some(),
            Expr::Exercise => object.exercise,
            Expr::Few => q.moment.objects < 100,
            Expr::Night => q.hours().is_some_and(|hours| hours.rem_euclid(24) < 6),
            Expr::Weekend => q
                .hours()
                .is_some_and(|hours| hours.div_euclid(24).rem_euclid(7) >= 5),
            Expr::Delegated => q.moment.delegated,
            Expr::Reaches(at) => q.stream().members >> at & 1 == 1,
            Expr::Ceiling(at) => q.stream().ceiling >= *at,
            Expr::HidesSource => q.stream().hides,
            Expr::Overflow => return (q.moment.objects < 2).then_some(q.moment.objects > 0),
            Expr::Duty(at) => of(&|person| person.duties.contains(&Duty::ALL[*at])),
            Expr::Cleared => of(&|person| person.clearance as usize >= object.tlp),
            Expr::Proven => of(&|person| person.proven),
            Expr::Not(one) => !one.truth(q)?,
            Expr::And(one, two) => one.truth(q)? && two.truth(q)?,
            Expr::Or(one, two) => one.truth(q)? || two.truth(q)?,
        })
    }
}

/// One rule.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) forbid: bool,
    actor: Actor,
    when: Expr,
    unless: Option<Expr>,
    needs: BTreeMap<Duty, u32>,
    redact: BTreeSet<&'static str>,
}

impl Rule {
    pub(crate) fn draw(rng: &mut Rng, forbid: bool) -> Rule {
        let actor = match rng.below(4) {
            0 | 1 => Actor::Anybody,
            2 => Actor::Person,
            _ => Actor::Automation,
        };
        let person = actor == Actor::Person;
        let mut needs = BTreeMap::new();
        let mut redact = BTreeSet::new();
        if !forbid && rng.one_in(2) {
            needs.insert(Duty::Approver, 1 + rng.below(4) as u32);
        }
        if !forbid && rng.one_in(4) {
            needs.insert(Duty::Releaser, 1 + rng.below(3) as u32);
        }
        for profile in ["coarse", "faceless"] {
            if !forbid && rng.one_in(4) {
                redact.insert(profile);
            }
        }
        Rule {
            forbid,
            actor,
            when: Expr::draw(rng, person, 2),
            unless: rng.one_in(3).then(|| Expr::draw(rng, person, 1)),
            needs,
            redact,
        }
    }

    fn text(&self, at: usize) -> String {
        let mut text = format!("@id(\"r{at}\")\n@explain(\"rule {at}\")\n");
        let needs: Vec<String> = self
            .needs
            .iter()
            .map(|(d, n)| format!("{n} of {d}"))
            .collect();
        if !needs.is_empty() {
            text += &format!("@needs(\"{}\")\n", needs.join(", "));
        }
        let redact: Vec<&str> = self.redact.iter().copied().collect();
        if !redact.is_empty() {
            text += &format!("@redact(\"{}\")\n", redact.join(","));
        }
        let actor = match self.actor {
            Actor::Anybody => "principal",
            Actor::Person => "principal is Person",
            Actor::Automation => "principal is Automation",
        };
        let effect = if self.forbid { "forbid" } else { "permit" };
        text += &format!("{effect} ({actor}, action == Action::\"release\", resource)\n");
        text += &format!("when {{ {} }}\n", self.when.text());
        if let Some(unless) = &self.unless {
            text += &format!("unless {{ {} }}\n", unless.text());
        }
        text + ";\n"
    }

    /// Whether it applies; `None`: it cannot be evaluated.
    pub(crate) fn truth(&self, q: &Question<'_>) -> Option<bool> {
        let for_it = match self.actor {
            Actor::Anybody => true,
            Actor::Person => q.person.is_some(),
            Actor::Automation => q.person.is_none(),
        };
        if !for_it || !self.when.truth(q)? {
            return Some(false);
        }
        match &self.unless {
            Some(unless) => Some(!unless.truth(q)?),
            None => Some(true),
        }
    }
}

/// A nation's rules.
#[derive(Clone, Debug)]
pub(crate) struct RuleFile(pub(crate) Vec<Rule>);

/// Under which demands the rules let something out.
pub(crate) type Demands = (BTreeMap<Duty, u32>, BTreeSet<String>);

impl RuleFile {
    pub(crate) fn draw(rng: &mut Rng) -> RuleFile {
        let permits = 2 + rng.below(4);
        let mut rules: Vec<Rule> = (0..permits).map(|_| Rule::draw(rng, false)).collect();
        for _ in 0..rng.below(3) {
            let at = rng.below(rules.len() + 1);
            rules.insert(at, Rule::draw(rng, true));
        }
        RuleFile(rules)
    }

    /// As the program reads it. Every drawn file must load.
    pub(crate) fn load(&self) -> Authority {
        let texts = self.0.iter().enumerate().map(|(at, rule)| rule.text(at));
        let text: String = texts.collect();
        let version = Version {
            number: 1,
            hash: [0; 32],
        };
        Authority::of_rules(&BTreeMap::from([("drawn.cedar", text.as_str())]), version)
            .unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// What the rules alone say: the demands of every permit that applies, unless a forbid applies
    /// or something cannot be evaluated.
    pub(crate) fn open(&self, q: &Question<'_>) -> Option<Demands> {
        let mut demands: Option<Demands> = None;
        let mut forbidden = false;
        for rule in &self.0 {
            match (rule.truth(q)?, rule.forbid) {
                (true, true) => forbidden = true,
                (true, false) => {
                    let (needs, redact) = demands.get_or_insert_default();
                    for (duty, count) in &rule.needs {
                        let held = needs.entry(*duty).or_insert(0);
                        *held = (*held).max(*count);
                    }
                    redact.extend(rule.redact.iter().map(|one| (*one).to_owned()));
                }
                (false, _) => {}
            }
        }
        demands.filter(|_| !forbidden)
    }
}
