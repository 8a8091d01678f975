//! Approvals: replayed, given twice, given by oneself, for other bytes, or too late.

use hyper::Method;

use crate::nation::{ALERTS, Answer, BASIS, Case, Nation};

pub(crate) async fn attempts(mut nation: Nation) -> Nation {
    people(&mut nation).await;
    replays(&mut nation).await;
    races(&mut nation).await;
    let case = nation
        .begin("an approval given again after a restart")
        .await;
    let proposal = nation.propose(&case).await;
    let first = nation.approve(Some(&nation.bek), &proposal).await;
    assert_eq!(first.kind, "open", "{first:?}");
    let mut nation = nation.restarted().await;
    let answer = nation.approve(Some(&nation.bek), &proposal).await;
    judge(&mut nation, &case, answer, &proposal, "counts once").await;
    nation
}

/// An approval that does not count: 403 in these words, and a record that names the proposal.
async fn judge(
    nation: &mut Nation,
    case: &Case,
    answer: Answer,
    proposal: &(String, String),
    says: &str,
) {
    nation
        .judge(case, answer, ("403", says), ("refuse", &proposal.0))
        .await;
}

async fn people(nation: &mut Nation) {
    let case = nation.begin("who asked approves").await;
    let proposal = nation.propose(&case).await;
    let answer = nation.approve(Some(&nation.aida), &proposal).await;
    judge(nation, &case, answer, &proposal, "asked for themselves").await;

    let case = nation.begin("who asked approves with a token").await;
    let token = nation.token("aida", &["approve"]).await;
    let proposal = nation.propose(&case).await;
    let answer = nation.approve(Some(&token), &proposal).await;
    judge(nation, &case, answer, &proposal, "asked for themselves").await;

    let case = nation.begin("the socket approves").await;
    let proposal = nation.propose(&case).await;
    let answer = nation.approve(None, &proposal).await;
    judge(nation, &case, answer, &proposal, "").await;

    let case = nation.begin("the socket approves in somebody's name").await;
    let proposal = nation.propose(&case).await;
    let body = serde_json::json!({"digest": proposal.1, "who": "bek"});
    let answer = nation
        .post(None, &format!("/approvals/{}/approve", proposal.0), &body)
        .await;
    judge(nation, &case, answer, &proposal, "").await;

    let case = nation
        .begin("who asked at the socket under a name approves under it")
        .await;
    let id = case.id("identity");
    nation.add(&[case.person(0)], BASIS).await;
    let body = serde_json::json!({"channel": ALERTS, "selection": {"ids": [id]}, "who": "bek"});
    let asked = nation.post(None, "/release", &body).await;
    assert_eq!(asked.kind, "200", "{asked:?}");
    let proposal = nation.open_proposal_of(&id).await;
    let answer = nation.approve(Some(&nation.bek), &proposal).await;
    judge(nation, &case, answer, &proposal, "asked for themselves").await;

    let case = nation
        .begin("an approver's token that does not approve")
        .await;
    let token = nation.token("bek", &["read"]).await;
    let proposal = nation.propose(&case).await;
    let answer = nation.approve(Some(&token), &proposal).await;
    judge(nation, &case, answer, &proposal, "").await;

    let case = nation.begin("an analyst approves").await;
    let proposal = nation.propose(&case).await;
    let answer = nation.approve(Some(&nation.dina), &proposal).await;
    judge(nation, &case, answer, &proposal, "").await;

    let case = nation.begin("one person approves twice").await;
    let proposal = nation.propose(&case).await;
    assert_eq!(
        nation.approve(Some(&nation.bek), &proposal).await.kind,
        "open"
    );
    let answer = nation.approve(Some(&nation.bek), &proposal).await;
    judge(nation, &case, answer, &proposal, "counts once").await;

    let case = nation
        .begin("one person approves by password and by token")
        .await;
    let token = nation.token("bek", &["approve"]).await;
    let proposal = nation.propose(&case).await;
    assert_eq!(
        nation.approve(Some(&nation.bek), &proposal).await.kind,
        "open"
    );
    let answer = nation.approve(Some(&token), &proposal).await;
    judge(nation, &case, answer, &proposal, "counts once").await;

    let case = nation
        .begin("an approver who is no longer one was the first of two")
        .await;
    nation.kz.person("erik", &["approver"]).await;
    let token = nation.token("erik", &["approve"]).await;
    let proposal = nation.propose(&case).await;
    assert_eq!(nation.approve(Some(&token), &proposal).await.kind, "open");
    let answer = nation.ask(None, Method::DELETE, "/users/erik", "").await;
    assert!(answer.kind.starts_with('2'), "{answer:?}");
    let answer = nation.approve(Some(&nation.cem), &proposal).await;
    nation
        .judge(
            &case,
            answer,
            ("open", "1 of approver"),
            ("approve", &proposal.0),
        )
        .await;
}

async fn replays(nation: &mut Nation) {
    let other = nation.begin("the approval of another proposal").await;
    let first = nation.propose(&other).await;
    let case = nation.begin("a digest of nothing").await;
    let second = nation.propose(&case).await;
    let mixed = (second.0.clone(), first.1.clone());
    let answer = nation.approve(Some(&nation.bek), &mixed).await;
    judge(nation, &other, answer, &second, "another state").await;
    let none = (second.0.clone(), String::new());
    let answer = nation.approve(Some(&nation.bek), &none).await;
    judge(nation, &case, answer, &second, "another state").await;

    let case = nation.begin("an approval after somebody said no").await;
    let proposal = nation.propose(&case).await;
    let no = serde_json::json!({"why": "not now"});
    let said = nation
        .post(
            Some(&nation.bek),
            &format!("/approvals/{}/decline", proposal.0),
            &no,
        )
        .await;
    assert_eq!(said.kind, "200", "{said:?}");
    let answer = nation.approve(Some(&nation.cem), &proposal).await;
    judge(nation, &case, answer, &proposal, "declined already").await;

    let case = nation.begin("an approval when the time is over").await;
    let proposal = nation.propose(&case).await;
    assert_eq!(
        nation.approve(Some(&nation.bek), &proposal).await.kind,
        "open"
    );
    nation.pass(73 * 60);
    let answer = nation.approve(Some(&nation.cem), &proposal).await;
    judge(nation, &case, answer, &proposal, "").await;
    let case = nation
        .begin("the same approval with the clock set back")
        .await;
    nation.pass(-73 * 60);
    let answer = nation.approve(Some(&nation.cem), &proposal).await;
    judge(nation, &case, answer, &proposal, "expired already").await;
    nation.pass(73 * 60);

    let case = nation.begin("an approval under another policy").await;
    let proposal = nation.propose(&case).await;
    assert_eq!(
        nation.approve(Some(&nation.bek), &proposal).await.kind,
        "open"
    );
    let mut files = nation.policy_files();
    files.insert(
        "leak.toml".into(),
        b"[references]\nunreleased = \"block\"\nunknown = \"warn\"\n".to_vec(),
    );
    let signed = nation.signed(policy::PolicySet::read(files).expect("a set"));
    let answer = nation.activate(&signed.note(), signed.set().files()).await;
    assert_eq!(answer.kind, "200", "{answer:?}");
    let answer = nation.approve(Some(&nation.cem), &proposal).await;
    judge(nation, &case, answer, &proposal, "void already").await;

    let case = nation.begin("an approval of what was edited since").await;
    let proposal = nation.propose(&case).await;
    assert_eq!(
        nation.approve(Some(&nation.bek), &proposal).await.kind,
        "open"
    );
    nation.add(&[case.person(7)], BASIS).await;
    let answer = nation.approve(Some(&nation.cem), &proposal).await;
    nation
        .judge(&case, answer, ("void", "edited"), ("void", &proposal.0))
        .await;
}

/// Edits and last approvals at once: what leaves is what was approved, or nothing does.
async fn races(nation: &mut Nation) {
    for name in [
        "an edit in the moment of approval, once",
        "an edit in the moment of approval, again",
        "an edit in the moment of approval, and again",
    ] {
        let case = nation.begin(name).await;
        let proposal = nation.propose(&case).await;
        assert_eq!(
            nation.approve(Some(&nation.bek), &proposal).await.kind,
            "open"
        );
        let edited = [case.person(7)];
        let edit = nation.add(&edited, BASIS);
        let last = nation.approve(Some(&nation.cem), &proposal);
        let (edit, last) = tokio::join!(edit, last);
        assert_eq!(edit.kind, "taken in", "{edit:?}");
        assert!(
            ["released", "void"].contains(&last.kind.as_str()),
            "{last:?}"
        );
        let (kind, what) = (
            last.kind.clone(),
            if last.kind == "void" {
                "void"
            } else {
                "release"
            },
        );
        // Version 7 has nobody's approval, whichever came first.
        nation
            .judge_keeping(
                &case,
                last,
                (&kind, ""),
                (what, &proposal.0),
                &[format!("{} 7", case.secret())],
            )
            .await;
    }

    let case = nation
        .begin("two last approvals at once by one person")
        .await;
    let proposal = nation.propose(&case).await;
    let (one, two) = tokio::join!(
        nation.approve(Some(&nation.bek), &proposal),
        nation.approve(Some(&nation.bek), &proposal)
    );
    let (counted, not) = if one.kind == "open" {
        (one, two)
    } else {
        (two, one)
    };
    assert_eq!(counted.kind, "open", "{counted:?}");
    judge(nation, &case, not, &proposal, "counts once").await;
}
