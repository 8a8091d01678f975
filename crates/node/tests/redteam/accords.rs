//! Accords that would widen who hears what, or bring an older agreement back.

use policy::{Accord, Delegate, Group};

use crate::nation::{ALERTS, Answer, Case, Nation};
use crate::world::channel;

pub(crate) async fn attempts(nation: &mut Nation) {
    let first = nation.kz.node.accords();
    let first = first.get("steppe").expect("held").to_string();
    drafts(nation).await;

    // The next version drops the channel's proposal from under it.
    let case = nation
        .begin("an approval after a member joined the channel")
        .await;
    let proposal = nation.propose(&case).await;
    let bek = nation.approve(Some(&nation.bek), &proposal).await;
    assert_eq!(bek.kind, "open", "{bek:?}");
    let mut next = following(nation);
    next.channels[0].members.insert("UZ".into());
    let answer = install(nation, &next).await;
    if answer.kind == "200" {
        let answer = nation.approve(Some(&nation.cem), &proposal).await;
        let kind = answer.kind.clone();
        assert!(["void", "403"].contains(&kind.as_str()), "{answer:?}");
        let says = if kind == "void" {
            "accord"
        } else {
            "void already"
        };
        nation
            .judge(&case, answer, (&kind, says), ("void", &proposal.0))
            .await;
    } else {
        // It would show the joining member what was released to others.
        nation
            .judge(
                &case,
                answer,
                ("409", ""),
                ("refuse", "installation of an accord"),
            )
            .await;
    }

    let case = nation.begin("an approval after the channel is gone").await;
    let proposal = nation.propose(&case).await;
    let bek = nation.approve(Some(&nation.bek), &proposal).await;
    assert_eq!(bek.kind, "open", "{bek:?}");
    let mut next = following(nation);
    next.channels.retain(|channel| channel.name != "alerts");
    let answer = install(nation, &next).await;
    assert_eq!(answer.kind, "200", "{answer:?}");
    let answer = nation.approve(Some(&nation.cem), &proposal).await;
    let kind = answer.kind.clone();
    assert!(["void", "403"].contains(&kind.as_str()), "{answer:?}");
    nation
        .judge(&case, answer, (&kind, ""), ("void", &proposal.0))
        .await;

    let case = nation.begin("a release into a channel that is gone").await;
    let id = case.id("identity");
    let answer = nation.release(&nation.aida, ALERTS, &[&id]).await;
    nation
        .judge(&case, answer, ("404", ALERTS), ("refuse", ALERTS))
        .await;

    let case = nation
        .begin("the version of the accord before, again")
        .await;
    let answer = nation
        .ask(None, hyper::Method::POST, "/accords?ratify=true", first)
        .await;
    refused(nation, &case, answer, "").await;
}

/// The accord in force, as its next version would begin.
fn following(nation: &Nation) -> Accord {
    let held = nation.kz.node.accords();
    let held = held.get("steppe").expect("held");
    Accord {
        version: held.accord().version + 1,
        previous: Some(held.digest()),
        ..held.accord().clone()
    }
}

/// Installs an accord's text, ratified by this nation and the partner.
async fn install(nation: &Nation, accord: &Accord) -> Answer {
    let signed = policy::SignedAccord::new(accord.clone());
    let mut signed = match signed {
        Ok(signed) => signed,
        Err(error) => panic!("{error}"),
    };
    let keys = nation.kg.node.keys();
    signed
        .ratify(keys.root().expect("a root key"))
        .expect("ratified");
    nation
        .ask(
            None,
            hyper::Method::POST,
            "/accords?ratify=true",
            signed.to_string(),
        )
        .await
}

async fn refused(nation: &mut Nation, case: &Case, answer: Answer, says: &str) {
    let kind = answer.kind.clone();
    assert!(["400", "409"].contains(&kind.as_str()), "{answer:?}");
    nation
        .judge_keeping(
            case,
            answer,
            (&kind, says),
            ("refuse", "installation of an accord"),
            &[],
        )
        .await;
}

/// Texts that are no accord; they are written by hand, for the program would not.
async fn drafts(nation: &mut Nation) {
    let good = policy::SignedAccord::new(Accord {
        groups: vec![Group {
            name: "west".into(),
            members: ["UZ".to_owned()].into(),
        }],
        channels: [
            following(nation).channels,
            vec![policy::Channel {
                delegate: Some(Delegate {
                    member: "KZ".into(),
                    into: "quiet".into(),
                }),
                ..channel("inbox", &["KZ", "KG"])
            }],
        ]
        .concat(),
        ..following(nation)
    })
    .expect("an accord");
    let text = good.text().to_owned();
    let skipped = format!("version = {}", good.accord().version);
    for (name, from, to, says) in [
        ("a group without members", "[\"UZ\"]", "[]", ""),
        ("a group with a stranger", "[\"UZ\"]", "[\"TJ\"]", ""),
        (
            "a member's code in look-alike letters",
            "\"KG\"",
            "\"КG\"",
            "",
        ),
        (
            "a delegate who is no member of the channel",
            "member = \"KZ\"",
            "member = \"UZ\"",
            "",
        ),
        (
            "an accord that skips a version",
            skipped.as_str(),
            "version = 9",
            "",
        ),
        (
            "an accord that follows another text",
            "previous = \"",
            "previous = \"00",
            "",
        ),
    ] {
        let case = nation.begin(name).await;
        let wrong = text.replace(from, to);
        assert_ne!(wrong, text, "{name}: {text}");
        let answer = nation
            .ask(None, hyper::Method::POST, "/accords?ratify=true", wrong)
            .await;
        refused(nation, &case, answer, says).await;
    }
    let case = nation
        .begin("an accord that gives the partner another key")
        .await;
    let mut swapped = following(nation);
    let (kg, uz) = (1, 2);
    swapped.members[kg].root = swapped.members[uz]
        .root
        .renamed(swapped.members[kg].root.name())
        .expect("renamed");
    let signed = policy::SignedAccord::new(swapped);
    let note = signed.map_or_else(|_| "no accord".to_owned(), |signed| signed.to_string());
    let answer = nation
        .ask(None, hyper::Method::POST, "/accords?ratify=true", note)
        .await;
    refused(nation, &case, answer, "").await;
}
