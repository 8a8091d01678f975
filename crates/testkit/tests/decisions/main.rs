//! Decisions by the million against an oracle that knows only the words of the design: I1 and I9,
//! the nation's rules behind them, what is remembered, and what a change would do.
//!
//! Accords (with groups, delegates and channels that hide their source), rule files, labels, people
//! and circumstances are all drawn; a rule file is valid by construction and has to load.

mod draw;
mod oracle;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use model::Label;
use policy::authority::{
    Authority, Changed, Class, Decision, Duty, Memo, Outcome, Person, Principal, Reach, Side,
    Standing, what_if,
};
use policy::{InForce, ReleaseMode, Role, SignedAccord, Subject, releasable};
use testkit::{KINDS, Rng, SIX, key};

use draw::{Drawn, Moment, Treaty};
use oracle::{Verdict, hard, trusted, verdict};
use rules::{Question, Rule, RuleFile};

/// Says a figure past the capture of the test harness.
fn say(what: &str) {
    writeln!(std::io::stderr(), "{what}").expect("standard error is open");
}

/// The accord as its members have signed it.
fn signed(treaty: &Treaty) -> SignedAccord {
    let mut signed = SignedAccord::new(treaty.accord()).expect("a drawn accord is well-formed");
    for (at, code) in SIX[..treaty.members].iter().enumerate() {
        if treaty.ratified >> at & 1 == 1 {
            signed
                .ratify(&key(code, Role::Root))
                .expect("its root key ratifies");
        }
    }
    signed
}

fn standing(signed: &SignedAccord) -> Vec<InForce<'_>> {
    let channels = signed.accord().channels.iter();
    channels.map(|channel| signed.standing(channel)).collect()
}

fn given(decision: &Decision) -> Verdict {
    let (needs, redact) = match decision {
        Decision::Permit { redact, .. } => (BTreeMap::new(), redact.clone()),
        Decision::NeedsApproval { needs, redact, .. } => {
            let needs = needs.iter().map(|need| (need.duty, need.count)).collect();
            (needs, redact.clone())
        }
        Decision::Wait { .. } | Decision::Refuse { .. } => Default::default(),
    };
    Verdict {
        outcome: decision.outcome(),
        needs,
        redact,
    }
}

fn principal<'a>(person: Option<&'a Person>, mode: &'a ReleaseMode) -> Principal<'a> {
    person.map_or(Principal::Automation(mode), Principal::Person)
}

#[test]
fn the_hard_rule_is_that_of_the_design() {
    let mut rng = Rng::seeded(0x11);
    let (mut asked, mut open, mut exercise, mut expired) = (0u64, 0u64, 0u64, 0u64);
    for _ in 0..300 {
        let treaty = Treaty::draw(&mut rng);
        let signed = signed(&treaty);
        let channels = standing(&signed);
        for _ in 0..80 {
            let object = Drawn::draw(&mut rng);
            let label: Label = object.label();
            for (channel, in_force) in channels.iter().enumerate() {
                // Around the label's own end, where there is one.
                let end = object.expires.unwrap_or(0);
                for at in [0, end - 1, end, end + 1, 100_000, 259_200] {
                    let moment = Moment {
                        at,
                        offset: None,
                        objects: 1,
                        delegated: false,
                    };
                    let (object, treaty) = (&object, &treaty);
                    let q = Question {
                        object,
                        treaty,
                        channel,
                        person: None,
                        moment,
                    };
                    let subject = Subject {
                        label: &label,
                        kind: KINDS[object.kind],
                        now: draw::time(at),
                    };
                    let expected = hard(&q);
                    let answer = releasable(&subject, in_force);
                    assert_eq!(answer.is_ok(), expected, "{q:?} {answer:?}");
                    assert!(answer.is_ok() || answer.is_err_and(|why| !why.is_empty()));
                    asked += 1;
                    open += u64::from(expected);
                    if !expected {
                        let same = Drawn {
                            exercise: !object.exercise,
                            ..object.clone()
                        };
                        exercise += u64::from(hard(&Question { object: &same, ..q }));
                        let fresh = Drawn {
                            expires: None,
                            ..object.clone()
                        };
                        expired += u64::from(hard(&Question {
                            object: &fresh,
                            ..q
                        }));
                    }
                }
            }
        }
    }
    say(&format!(
        "I1, I9: {asked} questions, {open} open, {exercise} closed by the exercise flag alone, {expired} by expiry alone"
    ));
    assert!(asked > 500_000 && open > 10_000 && exercise > 1_000 && expired > 1_000);
}

/// Everything of one nation.
struct Nation {
    treaty: Treaty,
    signed: SignedAccord,
    rules: RuleFile,
    authority: Authority,
    objects: Vec<Drawn>,
    classes: Vec<Class>,
}

impl Nation {
    fn draw(rng: &mut Rng, classes: usize) -> Nation {
        let treaty = Treaty::draw(rng);
        let rules = RuleFile::draw(rng);
        let objects: Vec<Drawn> = (0..classes).map(|_| likely(rng, &treaty)).collect();
        Nation {
            signed: signed(&treaty),
            authority: rules.load(),
            classes: objects.iter().map(Drawn::class).collect(),
            objects,
            rules,
            treaty,
        }
    }

    fn modes(&self) -> Vec<ReleaseMode> {
        self.treaty
            .streams
            .iter()
            .map(|stream| stream.mode())
            .collect()
    }

    fn question<'a>(
        &'a self,
        (channel, class): (usize, usize),
        person: Option<&'a Person>,
        moment: Moment,
    ) -> Question<'a> {
        let (object, treaty) = (&self.objects[class], &self.treaty);
        Question {
            object,
            treaty,
            channel,
            person,
            moment,
        }
    }
}

/// An object that the hard rule more often lets into some channel than not: behind it is what these
/// tests are about.
fn likely(rng: &mut Rng, treaty: &Treaty) -> Drawn {
    let moment = Moment {
        at: 0,
        offset: None,
        objects: 1,
        delegated: false,
    };
    let mut drawn = Drawn::draw(rng);
    for _ in 0..rng.below(12) {
        let fits = (0..treaty.streams.len()).any(|channel| {
            hard(&Question {
                object: &drawn,
                treaty,
                channel,
                person: None,
                moment,
            })
        });
        if fits {
            break;
        }
        drawn = Drawn::draw(rng);
    }
    drawn
}

fn moment(rng: &mut Rng) -> Moment {
    Moment {
        at: rng.below(86_400) as i128,
        offset: *rng.pick(&[None, Some(0), Some(300), Some(-210)]),
        objects: *rng.pick(&[1, 1, 2, 99, 100]),
        delegated: rng.one_in(3),
    }
}

#[test]
fn remembered_decisions_are_those_of_the_oracle() {
    let mut rng = Rng::seeded(0x12);
    let mut counts: BTreeMap<Outcome, u64> = BTreeMap::new();
    let mut again = 0u64;
    for _ in 0..60 {
        let nation = Nation::draw(&mut rng, 32);
        let channels = standing(&nation.signed);
        let modes = nation.modes();
        let mut memo = Memo::new(nation.authority.clone());
        let mut actors = vec![(None, moment(&mut rng))];
        for _ in 0..2 {
            actors.push((draw::person(&mut rng), moment(&mut rng)));
        }
        for step in [0, 1, 1_800, 30_000] {
            for (person, moment) in &mut actors {
                moment.at += step;
                let (person, moment) = (person.as_ref(), *moment);
                let circumstances = moment.circumstances();
                let mut expected: Vec<Option<Verdict>> = vec![None; 32 * channels.len()];
                for _ in 0..1_500 {
                    let class = rng.below(32);
                    for (channel, in_force) in channels.iter().enumerate() {
                        let facts = nation.classes[class].facts();
                        let who = principal(person, &modes[channel]);
                        let numbers = (channel, class);
                        let decision = memo.decide(numbers, &facts, in_force, &who, &circumstances);
                        let outcome = decision.outcome();
                        *counts.entry(outcome).or_default() += 1;
                        let known = &mut expected[class * channels.len() + channel];
                        if let Some(known) = known {
                            assert_eq!(outcome, known.outcome);
                            continue;
                        }
                        let q = nation.question(numbers, person, moment);
                        let right = verdict(&nation.rules, &q);
                        assert_eq!(given(&decision), right, "{q:?} {decision:?}");
                        *known = Some(right);
                        if rng.one_in(8) {
                            let now =
                                nation
                                    .authority
                                    .decide(&facts, in_force, &who, &circumstances);
                            assert_eq!(*decision, now, "remembered otherwise: {q:?}");
                            again += 1;
                        }
                    }
                }
            }
        }
    }
    let asked: u64 = counts.values().sum();
    say(&format!(
        "decisions through the memo: {asked} {counts:?}, {again} decided anew"
    ));
    assert!(asked > 2_000_000 && counts.len() == 4);
    assert!(counts.values().all(|count| *count > 20_000), "{counts:?}");
}

/// Whether `strict` lets nothing out that `open` does not, and demands all that it does.
fn no_more_than(strict: &Verdict, open: &Verdict) -> bool {
    let out = |verdict: &Verdict| verdict.outcome >= Outcome::Approval;
    let needs = |(duty, count): (&Duty, &u32)| strict.needs.get(duty).is_some_and(|n| n >= count);
    !out(strict)
        || out(open) && strict.redact.is_superset(&open.redact) && open.needs.iter().all(needs)
}

#[test]
fn a_permit_never_lowers_and_a_forbid_never_loses() {
    let mut rng = Rng::seeded(0x13);
    let (mut asked, mut open, mut raised, mut stopped) = (0u64, 0u64, 0u64, 0u64);
    for _ in 0..70 {
        let nation = Nation::draw(&mut rng, 16);
        let channels = standing(&nation.signed);
        let modes = nation.modes();
        let forbid = rng.one_in(2);
        let extra = Rule::draw(&mut rng, forbid);
        let mut more = nation.rules.clone();
        more.0.insert(rng.below(more.0.len() + 1), extra.clone());
        let with = more.load();
        for _ in 0..4 {
            let (person, moment) = (draw::person(&mut rng), moment(&mut rng));
            let circumstances = moment.circumstances();
            for (class, object) in nation.classes.iter().enumerate() {
                for (channel, in_force) in channels.iter().enumerate() {
                    let who = principal(person.as_ref(), &modes[channel]);
                    let ask = |authority: &Authority| {
                        given(&authority.decide(&object.facts(), in_force, &who, &circumstances))
                    };
                    let (was, now) = (ask(&nation.authority), ask(&with));
                    let q = nation.question((channel, class), person.as_ref(), moment);
                    asked += 2;
                    let is_open = was.outcome >= Outcome::Approval;
                    open += u64::from(is_open);
                    if extra.forbid {
                        assert!(no_more_than(&now, &was), "{q:?} {extra:?} {was:?} {now:?}");
                        assert!(
                            now.outcome <= was.outcome,
                            "{q:?} {extra:?} {was:?} {now:?}"
                        );
                        if extra.truth(&q) == Some(true) {
                            assert!(now.outcome < Outcome::Approval, "{q:?} {extra:?}");
                            stopped += u64::from(is_open);
                        }
                    } else if is_open {
                        assert!(no_more_than(&now, &was), "{q:?} {extra:?} {was:?} {now:?}");
                        raised += u64::from(now != was);
                    }
                }
            }
        }
    }
    say(&format!(
        "monotony: {asked} decisions, {open} open, {raised} raised by a permit, {stopped} stopped by a forbid"
    ));
    assert!(
        open > 500 && raised > 30 && stopped > 100,
        "{open} {raised} {stopped}"
    );
}

/// How a class stands to a channel, asked of the oracle one question at a time.
fn stands(nation: &Nation, object: &Drawn, channel: usize, moment: Moment) -> Standing {
    let releaser = trusted(BTreeSet::from([Duty::Releaser]));
    let moment = Moment {
        objects: 1,
        ..moment
    };
    let treaty = &nation.treaty;
    let mut q = Question {
        object,
        treaty,
        channel,
        person: Some(&releaser),
        moment,
    };
    let by_hand = verdict(&nation.rules, &q);
    q.person = None;
    let by_itself = verdict(&nation.rules, &q);
    let standing = |reach, verdict: Verdict| {
        let needs = verdict.needs.into_iter();
        Standing {
            reach,
            needs: needs
                .map(|(duty, count)| policy::authority::Need { duty, count })
                .collect(),
            redact: verdict.redact,
        }
    };
    match (by_hand.outcome, by_itself.outcome) {
        // The approvals that a release by hand takes are still said.
        (_, Outcome::Permit) => Standing {
            redact: by_itself.redact,
            ..standing(
                Reach::Itself,
                Verdict {
                    redact: BTreeSet::new(),
                    ..by_hand
                },
            )
        },
        (Outcome::Permit, _) => standing(Reach::Hand, by_hand),
        (Outcome::Approval, _) => standing(Reach::Approval, by_hand),
        (_, Outcome::Approval) => standing(Reach::Approval, by_itself),
        _ => standing(
            Reach::Never,
            Verdict {
                needs: BTreeMap::new(),
                redact: BTreeSet::new(),
                ..by_hand
            },
        ),
    }
}

#[test]
fn what_if_is_asking_everything_twice() {
    let mut rng = Rng::seeded(0x14);
    let (mut asked, mut moved, mut opens, mut closes) = (0u64, 0u64, 0u64, 0u64);
    for round in 0..60 {
        let before = Nation::draw(&mut rng, 24);
        let mut after = Nation::draw(&mut rng, 24);
        // One thing changes, or all.
        if round % 4 != 0 {
            (after.rules, after.authority) = (before.rules.clone(), before.authority.clone());
        }
        if round % 4 != 1 {
            (after.treaty, after.signed) = (before.treaty.clone(), before.signed.clone());
        }
        if round % 4 != 2 {
            (after.objects, after.classes) = (before.objects.clone(), before.classes.clone());
        }
        if round % 4 == 3 {
            after.treaty.ratified = 3;
            after.signed = signed(&after.treaty);
        }
        let moment = moment(&mut rng);
        let side = |nation: &Nation| nation.treaty.streams.len();
        let named = |nation: &Nation| -> Vec<String> {
            (0..side(nation))
                .map(|at| format!("steppe/c{at}"))
                .collect()
        };
        let was: BTreeMap<String, (InForce<'_>, ReleaseMode)> = named(&before)
            .into_iter()
            .zip(standing(&before.signed).into_iter().zip(before.modes()))
            .collect();
        let would: BTreeMap<String, (InForce<'_>, ReleaseMode)> = named(&after)
            .into_iter()
            .zip(standing(&after.signed).into_iter().zip(after.modes()))
            .collect();
        let classes: Vec<Changed<'_>> = before
            .classes
            .iter()
            .zip(&after.classes)
            .enumerate()
            .map(|(at, (before, after))| Changed {
                before,
                after,
                objects: at as u64,
            })
            .collect();
        let moves = what_if(
            &Side {
                authority: &before.authority,
                channels: &was,
            },
            &Side {
                authority: &after.authority,
                channels: &would,
            },
            &classes,
            &moment.circumstances(),
        );
        let mut naive = Vec::new();
        for channel in 0..side(&before).max(side(&after)) {
            for class in 0..classes.len() {
                let at = |nation: &Nation| match channel < side(nation) {
                    true => stands(nation, &nation.objects[class], channel, moment),
                    false => Standing {
                        reach: Reach::Never,
                        needs: Vec::new(),
                        redact: BTreeSet::new(),
                    },
                };
                let (before, after) = (at(&before), at(&after));
                asked += 4;
                if before != after {
                    naive.push((format!("steppe/c{channel}"), class, before, after));
                }
            }
        }
        let told: Vec<_> = moves
            .iter()
            .map(|one| {
                (
                    one.channel.clone(),
                    one.class,
                    one.before.clone(),
                    one.after.clone(),
                )
            })
            .collect();
        assert_eq!(told, naive, "round {round}");
        assert!(moves.iter().all(|one| one.objects == one.class as u64));
        moved += moves.len() as u64;
        opens += moves.iter().filter(|one| one.opens()).count() as u64;
        closes += moves.iter().filter(|one| one.closes()).count() as u64;
    }
    say(&format!(
        "what-if: {asked} decisions twice, {moved} moves, {opens} open, {closes} close"
    ));
    assert!(
        moved > 500 && opens > 100 && closes > 100,
        "{moved} {opens} {closes}"
    );
}
