//! The state machine of proposals: who counts, who does not, and that each ends once.

use super::*;

const NOON: i128 = 1_800_000_000_000_000_000;

fn at(minutes: i128) -> Timestamp {
    Timestamp::from_unix_nanos(NOON + minutes * 60_000_000_000)
}

fn proposal(needs: &[(u32, Duty)]) -> Proposal {
    let bound = Bound {
        channel: "pact/ct".into(),
        policy: "v3 9f01".into(),
        accord: "pact v1 ab12".into(),
        needs: needs
            .iter()
            .map(|(count, duty)| Needed {
                count: *count,
                duty: *duty,
            })
            .collect(),
        items: vec![Item {
            id: "indicator--6f2c8b1e-3c0a-4f2f-9a52-0d6f7a4c1b11".into(),
            original: "00".into(),
            label: "TLP:GREEN//REL *".into(),
            outgoing: vec!["11".into()],
            companion: false,
        }],
        author: "operator (says anna)".into(),
        authors: ["operator", "anna"].map(String::from).into(),
        as_person: None,
        objects: 1,
        delegated: false,
        inbox: None,
        created: at(0),
        expires: at(72 * 60),
    };
    Proposal::new("ab".into(), bound)
}

fn approve(proposal: &mut Proposal, name: &str, duties: &[Duty]) -> Result<bool, Refused> {
    let digest = proposal.digest();
    approve_at(proposal, name, duties, &digest, at(1))
}

fn approve_at(
    proposal: &mut Proposal,
    name: &str,
    duties: &[Duty],
    digest: &str,
    now: Timestamp,
) -> Result<bool, Refused> {
    let duties = duties.iter().copied().collect();
    let who = Approver {
        name,
        duties: &duties,
        proven: true,
    };
    proposal.approve(digest, &who, now)
}

#[test]
fn two_people_are_two_people() {
    let mut held = proposal(&[(2, Duty::Approver)]);
    assert_eq!(approve(&mut held, "bek", &[Duty::Approver]), Ok(false));
    assert_eq!(
        approve(&mut held, "bek", &[Duty::Approver]),
        Err(Refused::Twice)
    );
    // Nor at another time, nor by another duty.
    let (digest, both) = (held.digest(), [Duty::Approver, Duty::Operator]);
    let later = approve_at(&mut held, "bek", &both, &digest, at(60));
    assert_eq!(later, Err(Refused::Twice));
    assert_eq!(held.missing(), "1 of approver");
    for own in ["anna", "operator"] {
        let refused = approve(&mut held, own, &[Duty::Approver]);
        assert_eq!(refused, Err(Refused::Own), "{own} asked for it");
    }
    let without = approve(&mut held, "cem", &[Duty::Releaser]);
    assert!(matches!(without, Err(Refused::NoDuty { .. })));
    assert_eq!(
        held.approvals.len(),
        1,
        "a refused approval changes nothing"
    );
    assert_eq!(approve(&mut held, "dina", &[Duty::Approver]), Ok(true));
}

#[test]
fn a_person_with_two_duties_fills_one_need() {
    let needs = [(1, Duty::Approver), (1, Duty::Operator)];
    let both = [Duty::Approver, Duty::Operator];
    let mut held = proposal(&needs);
    assert_eq!(approve(&mut held, "bek", &both), Ok(false));
    assert_eq!(approve(&mut held, "bek", &both), Err(Refused::Twice));
    // Bek moves over to the other need, so that a plain approver completes it.
    assert_eq!(approve(&mut held, "cem", &[Duty::Approver]), Ok(true));
    let mut held = proposal(&needs);
    assert_eq!(approve(&mut held, "cem", &[Duty::Approver]), Ok(false));
    let third = approve(&mut held, "dina", &[Duty::Approver]);
    assert_eq!(
        third,
        Err(Refused::Filled {
            missing: "1 of operator".into()
        })
    );
    assert_eq!(approve(&mut held, "bek", &both), Ok(true));
}

#[test]
fn an_approval_is_for_these_bytes_under_this_policy_only() {
    let held = proposal(&[(1, Duty::Approver)]);
    let digest = held.digest();
    let changes: [fn(&mut Proposal); 9] = [
        |held| held.bound.items[0].outgoing[0] = "12".into(),
        |held| held.bound.items[0].original = "01".into(),
        |held| held.bound.items[0].label = "TLP:CLEAR//REL *".into(),
        |held| held.bound.policy = "v4 9f01".into(),
        |held| held.bound.accord = "pact v2 ab12".into(),
        |held| held.bound.channel = "pact/other".into(),
        |held| held.bound.needs[0].count = 2,
        |held| held.bound.author = "bek".into(),
        |held| held.id = "ac".into(),
    ];
    for (which, change) in changes.into_iter().enumerate() {
        let mut changed = held.clone();
        change(&mut changed);
        let stale = approve_at(&mut changed, "bek", &[Duty::Approver], &digest, at(1));
        assert_eq!(stale, Err(Refused::OtherDigest), "change {which}");
    }
    let mut same = held.clone();
    assert_eq!(
        approve_at(&mut same, "bek", &[Duty::Approver], &digest, at(1)),
        Ok(true)
    );
    assert_eq!(
        same.digest(),
        digest,
        "approvals are no part of what they are for"
    );
}

#[test]
fn it_ends_once_and_in_time() {
    let mut held = proposal(&[(1, Duty::Approver)]);
    let digest = held.digest();
    for (minutes, late) in [(72 * 60 - 1, false), (72 * 60, true), (73 * 60, true)] {
        let mut held = held.clone();
        let answer = approve_at(&mut held, "bek", &[Duty::Approver], &digest, at(minutes));
        assert_eq!(answer == Err(Refused::Expired), late, "{minutes}");
    }
    let approvers = BTreeSet::from([Duty::Approver]);
    let bek = Approver {
        name: "bek",
        duties: &approvers,
        proven: true,
    };
    let nobody = BTreeSet::new();
    let unproven = Approver {
        proven: false,
        ..bek
    };
    let dutiless = Approver {
        duties: &nobody,
        ..bek
    };
    assert_eq!(held.decline(&unproven, "no", at(1)), Err(Refused::Unproven));
    assert_eq!(
        held.approve(&digest, &unproven, at(1)),
        Err(Refused::Unproven)
    );
    assert!(matches!(
        held.decline(&dutiless, "no", at(1)),
        Err(Refused::NoDuty { .. })
    ));
    held.decline(&bek, "too early", at(1)).expect("bek may");
    for state in ["declined", "void", "released", "expired"] {
        held.state = match state {
            "void" => State::Void {
                why: "edited".into(),
            },
            "released" => State::Released,
            "expired" => State::Expired,
            _ => held.state,
        };
        assert_eq!(
            held.approve(&digest, &bek, at(2)),
            Err(Refused::Closed { state })
        );
        assert_eq!(
            held.decline(&bek, "again", at(2)),
            Err(Refused::Closed { state })
        );
    }
    // Who asked may take it back, proved or not.
    let mut held = proposal(&[(1, Duty::Approver)]);
    let anna = Approver {
        name: "operator",
        duties: &nobody,
        proven: false,
    };
    held.decline(&anna, "a mistake", at(1))
        .expect("its author may");
}

#[test]
fn who_lost_the_duty_no_longer_counts() {
    let mut held = proposal(&[(2, Duty::Approver)]);
    assert_eq!(approve(&mut held, "bek", &[Duty::Approver]), Ok(false));
    assert_eq!(approve(&mut held, "cem", &[Duty::Approver]), Ok(true));
    assert!(held.keep_approvals(|_| true));
    assert!(!held.keep_approvals(|given| given.who != "bek"));
    assert_eq!(held.missing(), "1 of approver");
}

#[test]
fn what_is_kept_reads_back() {
    let mut held = proposal(&[(1, Duty::DeskOfficer)]);
    approve(&mut held, "bek", &[Duty::DeskOfficer]).expect("counts");
    held.state = State::Void {
        why: "the object was edited".into(),
    };
    let kept = serde_json::to_vec(&held).expect("written");
    assert_eq!(
        serde_json::from_slice::<Proposal>(&kept).expect("read"),
        held
    );
}
