//! What a partner sends, and what is the partner's: none of it becomes the nation's to give, and
//! none of it changes what the nation decides about its own.

use crate::nation::{ALERTS, GREEN, Nation, REGION};

fn report(case: &crate::nation::Case, parts: &[&str]) -> String {
    let parts: Vec<String> = parts.iter().map(|id| format!("\"{id}\"")).collect();
    case.object(
        "report",
        0,
        &format!(
            r#","name":"r","published":"2026-01-01T00:00:00Z","object_refs":[{}]"#,
            parts.join(",")
        ),
    )
}

pub(crate) async fn attempts(nation: &mut Nation) {
    let theirs = nation
        .begin("a partner's object passed on as our own")
        .await;
    let id = theirs.id("indicator");
    let bytes = theirs.indicator("");
    nation
        .partner_publishes(
            std::slice::from_ref(&bytes),
            GREEN,
            std::slice::from_ref(&id),
        )
        .await;
    nation.add(&[bytes], GREEN).await;
    let answer = nation.release(&nation.aida, REGION, &[&id]).await;
    nation
        .judge(
            &theirs,
            answer,
            ("refused", "a partner's object is never passed on"),
            ("refuse", "partners-objects"),
        )
        .await;

    let case = nation
        .begin("a new version of a partner's object as our own")
        .await;
    let changed = theirs.version(9, r#","description":"ours now""#);
    let answer = {
        nation.add(&[changed], "TLP:CLEAR//REL *").await;
        nation.release(&nation.aida, REGION, &[&id]).await
    };
    nation
        .judge_keeping(
            &case,
            answer,
            ("refused", "a partner's object is never passed on"),
            ("refuse", &id),
            std::slice::from_ref(&id),
        )
        .await;

    let case = nation
        .begin("a report of ours around a partner's object")
        .await;
    let around = case.id("report");
    let text = report(&case, &[&id]);
    nation.add(&[text], GREEN).await;
    let answer = nation.release(&nation.aida, REGION, &[&around]).await;
    nation
        .judge(
            &case,
            answer,
            ("refused", "is not released here"),
            ("refuse", &around),
        )
        .await;

    let case = nation
        .begin("what its originator controls, passed on")
        .await;
    let orcon = case.id("indicator");
    let bytes = case.indicator("");
    let label = "TLP:GREEN//REL KG,KZ,UZ//CAVEAT ORCON";
    nation
        .partner_publishes(
            std::slice::from_ref(&bytes),
            label,
            std::slice::from_ref(&orcon),
        )
        .await;
    nation.add(&[bytes], GREEN).await;
    let answer = nation.release(&nation.aida, REGION, &[&orcon]).await;
    nation
        .judge(
            &case,
            answer,
            ("refused", "originator controls"),
            ("refuse", "originator-control"),
        )
        .await;

    let case = nation.begin("what must not go onward, passed on").await;
    let onward = case.id("indicator");
    let bytes = case.indicator("");
    let label = "TLP:GREEN//REL KG,KZ,UZ//CAVEAT NO-ONWARD";
    nation
        .partner_publishes(
            std::slice::from_ref(&bytes),
            label,
            std::slice::from_ref(&onward),
        )
        .await;
    nation.add(&[bytes], GREEN).await;
    let answer = nation.release(&nation.aida, REGION, &[&onward]).await;
    nation
        .judge(
            &case,
            answer,
            ("refused", "NO-ONWARD"),
            ("refuse", "originator-control"),
        )
        .await;

    let case = nation
        .begin("a partner's narrower label washed off by adding it again")
        .await;
    let narrow = case.id("indicator");
    let bytes = case.indicator("");
    nation
        .partner_publishes(
            std::slice::from_ref(&bytes),
            "TLP:AMBER//REL KG,KZ",
            std::slice::from_ref(&narrow),
        )
        .await;
    nation.add(&[bytes], "TLP:CLEAR//REL *").await;
    let answer = nation.release(&nation.aida, REGION, &[&narrow]).await;
    nation
        .judge(&case, answer, ("refused", "UZ"), ("refuse", &narrow))
        .await;

    let case = nation
        .begin("a partner's object that it took back, as our own")
        .await;
    let gone = case.id("indicator");
    let bytes = case.indicator("");
    nation
        .partner_publishes(
            std::slice::from_ref(&bytes),
            GREEN,
            std::slice::from_ref(&gone),
        )
        .await;
    let withdrawal = serde_json::json!({"channel": ALERTS, "ids": [gone], "reason": "wrong"});
    let back: node::admin::types::WithdrawReport = nation.kg.post("/withdraw", &withdrawal).await;
    nation
        .kz
        .until(async || {
            let held = nation.kz.held(ALERTS, "KG").await;
            held.is_some_and(|held| held.size >= back.size)
        })
        .await;
    nation.add(&[bytes], GREEN).await;
    let answer = nation.release(&nation.aida, REGION, &[&gone]).await;
    nation
        .judge(
            &case,
            answer,
            ("refused", "a partner's object is never passed on"),
            ("refuse", &gone),
        )
        .await;

    let case = nation
        .begin("our own object claimed by a partner that copies it")
        .await;
    let own = case.id("indicator");
    let bytes = case.version(0, r#","description":"ours and free""#);
    nation.add(std::slice::from_ref(&bytes), GREEN).await;
    nation
        .partner_publishes(
            &[bytes],
            "TLP:AMBER//REL KG,KZ//CAVEAT ORCON",
            std::slice::from_ref(&own),
        )
        .await;
    let answer = nation.release(&nation.aida, ALERTS, &[&own]).await;
    nation
        .judge_keeping(
            &case,
            answer,
            ("released", ""),
            ("release", &own),
            &[case.secret()],
        )
        .await;

    let case = nation
        .begin("a partner's version put over our strict object")
        .await;
    let own = case.id("indicator");
    nation.add(&[case.indicator("")], "TLP:RED//REL KZ").await;
    nation
        .partner_publishes(
            &[case.version(59, "")],
            "TLP:CLEAR//REL *",
            std::slice::from_ref(&own),
        )
        .await;
    let answer = nation.release(&nation.aida, ALERTS, &[&own]).await;
    nation
        .judge_keeping(
            &case,
            answer,
            ("refused", "TLP:RED"),
            ("refuse", &own),
            &[case.secret()],
        )
        .await;

    for (name, path) in [
        ("a partner asks for a release", "/release"),
        ("a partner approves", "/approvals/00/approve"),
        ("a partner activates a policy", "/policy/activate"),
        ("a partner withdraws what is ours", "/withdraw"),
        ("a partner appoints somebody", "/users"),
        ("a partner installs an accord", "/accords"),
        ("a partner adds to the national collection", "/objects"),
    ] {
        let case = nation.begin(name).await;
        let door = nation.kg.peer_of(&nation.kz);
        let before = nation.kz.node.policy_info();
        let answer = door.post(path, "{}".to_owned()).await;
        assert_eq!(nation.kz.node.policy_info(), before);
        let answer = crate::nation::Answer {
            kind: if answer.is_ok() {
                "answered"
            } else {
                "refused"
            }
            .into(),
            words: format!("{answer:?}"),
        };
        nation
            .judge(&case, answer, ("refused", ""), ("denied", path))
            .await;
    }

    let case = nation
        .begin("a withdrawal by somebody without the duty")
        .await;
    let body = serde_json::json!({"channel": ALERTS, "ids": [own], "reason": "mine"});
    let answer = nation.post(Some(&nation.dina), "/withdraw", &body).await;
    nation
        .judge(
            &case,
            answer,
            ("403", "takes the duty releaser or operator"),
            ("denied", "POST withdraw"),
        )
        .await;
}
