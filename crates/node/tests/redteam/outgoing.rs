//! What rides along with an object that may leave: references, sources, names, and what stands
//! below a tear line.

use crate::nation::{FEED, GREEN, Nation, QUIET};

pub(crate) async fn attempts(nation: &mut Nation) {
    references(nation).await;
    terms(nation).await;
    hidden(nation).await;
    automation(nation).await;
}

async fn references(nation: &mut Nation) {
    // One protected object; every attempt names it from another one that is free.
    let secret = nation
        .begin("a report that holds an object of a higher level")
        .await;
    let red = secret.id("indicator");
    nation.add(&[secret.indicator("")], "TLP:RED//REL KZ").await;
    let report = secret.object(
        "report",
        0,
        &format!(r#","name":"r","published":"2026-01-01T00:00:00Z","object_refs":["{red}"]"#),
    );
    let answer = nation
        .try_out(&[report], "TLP:CLEAR//REL *", &secret.id("report"))
        .await;
    nation
        .judge(
            &secret,
            answer,
            ("refused", "TLP:RED"),
            ("refuse", &secret.id("report")),
        )
        .await;

    let smuggled = [
        (
            "an id in a relationship",
            "relationship",
            format!(
                r#","relationship_type":"related-to","source_ref":"{red}","target_ref":"{red}""#
            ),
        ),
        (
            "an id in a sighting",
            "sighting",
            format!(r#","sighting_of_ref":"{red}""#),
        ),
        (
            "an id in a note",
            "note",
            format!(r#","content":"see","object_refs":["{red}"]"#),
        ),
        (
            "an id in an extension",
            "indicator",
            format!(
                r#","name":"n","pattern":"[domain-name:value = 'b.example']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z","extensions":{{"extension-definition--00000000-0000-4000-8000-00000000e0e0":{{"extension_type":"property-extension","object_refs":["{red}"]}}}}"#
            ),
        ),
        (
            "an id in a custom property",
            "indicator",
            format!(
                r#","name":"n","pattern":"[domain-name:value = 'b.example']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z","x_based_on":"{red}""#
            ),
        ),
        (
            "an id in words",
            "indicator",
            format!(
                r#","name":"n","description":"compare {red} of last week","pattern":"[domain-name:value = 'b.example']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z""#
            ),
        ),
        (
            "an id in capital letters",
            "indicator",
            format!(
                r#","name":"n","description":"compare {} of last week","pattern":"[domain-name:value = 'b.example']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z""#,
                red.to_uppercase()
            ),
        ),
        (
            "an id as the name of a property",
            "indicator",
            format!(
                r#","name":"n","pattern":"[domain-name:value = 'b.example']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z","x_map":{{"{red}":1}}"#
            ),
        ),
    ];
    for (name, kind, extra) in smuggled {
        let case = nation.begin(name).await;
        let id = case.id(kind);
        let answer = nation
            .try_out(&[case.object(kind, 0, &extra)], GREEN, &id)
            .await;
        nation
            .judge(&case, answer, ("refused", ""), ("refuse", &id))
            .await;
    }
}

async fn terms(nation: &mut Nation) {
    for (name, words) in [
        (
            "a source's name with invisible characters",
            "of SIL\u{200b}VER HE\u{200d}RON",
        ),
        ("a source's name in look-alike letters", "of ЅІLVЕR НЕRОN"),
        ("a source's name in base64", "U0lMVkVSIEhFUk9OIHRvbGQgdXM="),
        ("a source's name in hexadecimal", "53494c564552204845524f4e"),
        ("a source's name in percent signs", "of SILVER%20HERON"),
        (
            "a source's name with combining marks",
            "of S\u{0301}ILVER HE\u{0308}RON",
        ),
        ("an internal host", "seen at dc01.corp.internal"),
        ("an internal address", "seen at 10.20[.]30.40"),
    ] {
        let case = nation.begin(name).await;
        let id = case.id("indicator");
        let object = case.version(0, &format!(r#","description":"{words}""#));
        let answer = nation.try_out(&[object], GREEN, &id).await;
        nation
            .judge(
                &case,
                answer,
                ("refused", "leak check, /description"),
                ("refuse", &id),
            )
            .await;
    }
    let case = nation
        .begin("a source's name as the name of a property")
        .await;
    let id = case.id("indicator");
    let object = case.version(0, r#","x_told":{"SILVER_HERON":true}"#);
    let answer = nation.try_out(&[object], GREEN, &id).await;
    nation
        .judge(&case, answer, ("refused", "leak check"), ("refuse", &id))
        .await;

    let case = nation.begin("what stands below the tear line").await;
    let id = case.id("course-of-action");
    let words = format!("block it -----TEAR LINE----- {}", case.secret());
    let object = case.object(
        "course-of-action",
        0,
        &format!(
            r#","name":"m","description":"{}""#,
            words
                .replace(" -----", "\\n-----")
                .replace("----- ", "-----\\n")
        ),
    );
    let answer = nation.try_out(&[object], GREEN, &id).await;
    let form = nation.outside().await;
    assert!(form.contains("block it"), "the upper part leaves");
    nation
        .judge_keeping(
            &case,
            answer,
            ("released", ""),
            ("release", &id),
            &[case.secret()],
        )
        .await;

    let case = nation.begin("a tear line that is hard to see").await;
    let id = case.id("course-of-action");
    let object = case.object(
        "course-of-action",
        0,
        &format!(
            r#","name":"m","description":"block it\r\n\u00a0---- tear  line ----\r\n{}""#,
            case.secret()
        ),
    );
    let answer = nation.try_out(&[object], GREEN, &id).await;
    nation
        .judge_keeping(
            &case,
            answer,
            ("released", ""),
            ("release", &id),
            &[case.secret()],
        )
        .await;
}

async fn hidden(nation: &mut Nation) {
    let ways = [
        ("the source in a custom property", r#","x_source":"DESK""#),
        (
            "the source in an extension",
            r#","extensions":{"extension-definition--00000000-0000-4000-8000-00000000e0e1":{"extension_type":"property-extension","desk":"DESK"}}"#,
        ),
        (
            "the source in a citation",
            r#","external_references":[{"source_name":"DESK","external_id":"case-9"}]"#,
        ),
        ("the source in a label", r#","labels":["DESK"]"#),
        ("the source in the pattern", ""),
    ];
    for (name, extra) in ways {
        let case = nation.begin(name).await;
        let (id, desk) = (case.id("indicator"), case.secret());
        let mut object = case.version(0, &extra.replace("DESK", &desk));
        if extra.is_empty() {
            object = object.replace(
                "[domain-name:value = 'a.example']",
                &format!("[domain-name:value = 'a.example'] /* {desk} */"),
            );
        }
        nation.add(&[object], GREEN).await;
        let answer = nation.release(&nation.aida, QUIET, &[&id]).await;
        let kind = answer.kind.clone();
        assert!(
            ["queued", "refused"].contains(&kind.as_str()),
            "{name}: {answer:?}"
        );
        let what = if kind == "queued" {
            "release"
        } else {
            "refuse"
        };
        nation.pass(61);
        nation.kz.node.flush_windows().await.expect("it leaves");
        nation.judge(&case, answer, (&kind, ""), (what, &id)).await;
    }
    assert!(
        !nation
            .kz
            .shown(&crate::world::collection(QUIET))
            .await
            .is_empty()
    );
}

async fn automation(nation: &mut Nation) {
    for (name, kind, label, says) in [
        (
            "automation above its ceiling",
            "tool",
            "TLP:AMBER//REL KG,KZ",
            "TLP:AMBER",
        ),
        (
            "automation with a type that is not its",
            "campaign",
            GREEN,
            "campaign",
        ),
        (
            "automation with limited actions",
            "tool",
            "TLP:GREEN//PAP:AMBER//REL KG,KZ",
            "PAP:AMBER",
        ),
        (
            "automation with what its originator controls",
            "tool",
            "TLP:GREEN//REL KG,KZ//CAVEAT ORCON",
            "originator control",
        ),
    ] {
        let case = nation.begin(name).await;
        let id = case.id(kind);
        let object = case.object(kind, 0, &format!(r#","name":"{}""#, case.secret()));
        nation.add(&[object], label).await;
        nation.kz.node.run_automation().await.expect("it runs");
        let seen = nation.kz.shown(&crate::world::collection(FEED)).await;
        let answer = crate::nation::Answer {
            kind: match seen.iter().any(|record| record.id.as_str() == id) {
                true => "released",
                false => "waits",
            }
            .into(),
            words: String::new(),
        };
        nation
            .judge(&case, answer, ("waits", ""), ("wait", says))
            .await;
    }
}
