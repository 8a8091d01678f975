//! Labels and markings: stripped, swapped, forged, emptied, oversized, or with holes.

use crate::nation::{ALERTS, DRILL, GREEN, Nation, REGION};

const RED: &str =
    r#","object_marking_refs":["marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"]"#;
const CLEAR_MARK: &str =
    r#","object_marking_refs":["marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"]"#;

fn marking(id: &str, handling: &str) -> String {
    format!(
        r#"{{"type":"marking-definition","spec_version":"2.1","id":"{id}","created":"2026-01-01T00:00:00.000Z","extensions":{{"extension-definition--4e27fa59-c782-42fe-8684-9d3658bd2922":{{"extension_type":"property-extension",{handling}}}}}}}"#
    )
}

fn marked(id: &str) -> String {
    format!(r#","object_marking_refs":["{id}"]"#)
}

pub(crate) async fn attempts(nation: &mut Nation) {
    // That something leaves at all is what makes the rest worth anything.
    let free = nation.begin("a plain indicator").await;
    let open = free.version(0, r#","description":"this leaves-rightly""#);
    let answer = nation.try_out(&[open], GREEN, &free.id("indicator")).await;
    assert_eq!(answer.kind, "released", "{answer:?}");

    levels(nation).await;
    markings(nation).await;
    recipients(nation).await;
    sizes(nation).await;
    exercises(nation).await;
}

async fn levels(nation: &mut Nation) {
    let case = nation
        .begin("TLP:RED under an intake label of TLP:CLEAR")
        .await;
    let id = case.id("indicator");
    let answer = nation
        .try_out(&[case.indicator(RED)], "TLP:CLEAR//REL *", &id)
        .await;
    nation
        .judge(
            &case,
            answer,
            ("refused", "the object is TLP:RED"),
            ("refuse", &id),
        )
        .await;

    let case = nation
        .begin("the marking cut out of the same version")
        .await;
    let id = case.id("indicator");
    nation.add(&[case.indicator(RED)], GREEN).await;
    let answer = nation.add(&[case.indicator("")], GREEN).await;
    nation
        .judge(
            &case,
            answer,
            ("not taken in", "other content is held"),
            ("refuse", "other content"),
        )
        .await;
    let case = nation.begin("and released all the same").await;
    let answer = nation.release(&nation.aida, ALERTS, &[&id]).await;
    nation
        .judge_keeping(
            &case,
            answer,
            ("refused", "the object is TLP:RED"),
            ("refuse", &id),
            std::slice::from_ref(&id),
        )
        .await;

    let case = nation
        .begin("the same bytes again under a weaker label")
        .await;
    let id = case.id("indicator");
    nation.add(&[case.indicator("")], "TLP:RED//REL KZ").await;
    let answer = nation
        .try_out(&[case.indicator("")], "TLP:CLEAR//REL *", &id)
        .await;
    nation
        .judge(
            &case,
            answer,
            ("refused", "does not release it"),
            ("refuse", &id),
        )
        .await;

    let case = nation
        .begin("the same bytes marked stricter afterwards")
        .await;
    let id = case.id("indicator");
    nation.add(&[case.indicator("")], GREEN).await;
    let answer = nation
        .try_out(&[case.indicator("")], "TLP:RED//REL KZ", &id)
        .await;
    nation
        .judge(
            &case,
            answer,
            ("not taken in", "and that stands"),
            ("refuse", &id),
        )
        .await;

    let case = nation
        .begin("an older, freer version of what is strict now, by its hash")
        .await;
    let id = case.id("indicator");
    let old = case.indicator("");
    nation.add(std::slice::from_ref(&old), GREEN).await;
    nation.add(&[case.version(5, RED)], GREEN).await;
    let hash = model::Object::parse(old.as_bytes())
        .expect("an object")
        .hash();
    let selection = node::admin::types::Selection {
        hashes: vec![hash.to_string()],
        ..Default::default()
    };
    let answer = nation
        .release_selected(&nation.aida, ALERTS, selection)
        .await;
    nation
        .judge(&case, answer, ("refused", "TLP:RED"), ("refuse", &id))
        .await;
}

async fn markings(nation: &mut Nation) {
    let case = nation.begin("a marking that nobody has").await;
    let id = case.id("indicator");
    let unknown = marked(&case.id("marking-definition"));
    let answer = nation
        .try_out(&[case.indicator(&unknown)], GREEN, &id)
        .await;
    nation
        .judge(
            &case,
            answer,
            ("refused", "does not release it"),
            ("refuse", &id),
        )
        .await;

    let case = nation
        .begin("a national marking swapped under its id")
        .await;
    let (mark, id) = (case.id("marking-definition"), case.id("indicator"));
    let strict = marking(&mark, r#""not_releasable_to":["KG"]"#);
    nation
        .add(&[strict, case.indicator(&marked(&mark))], GREEN)
        .await;
    let weak = marking(&mark, r#""releasable_to":["*"]"#);
    let answer = nation.add(&[weak], GREEN).await;
    nation
        .judge(
            &case,
            answer,
            ("not taken in", "other content is held"),
            ("refuse", &mark),
        )
        .await;
    let case = nation
        .begin("and the object under the swapped marking")
        .await;
    let answer = nation.release(&nation.aida, ALERTS, &[&id]).await;
    nation
        .judge_keeping(
            &case,
            answer,
            ("refused", "does not release it"),
            ("refuse", &id),
            std::slice::from_ref(&id),
        )
        .await;

    let case = nation
        .begin("a partner's marking under the id of ours")
        .await;
    let (mark, id) = (case.id("marking-definition"), case.id("indicator"));
    let weak = marking(&mark, r#""releasable_to":["*"]"#);
    nation
        .partner_publishes(&[weak], "TLP:CLEAR//REL *", std::slice::from_ref(&mark))
        .await;
    let answer = nation
        .try_out(&[case.indicator(&marked(&mark))], "TLP:GREEN//REL KZ", &id)
        .await;
    nation
        .judge_keeping(
            &case,
            answer,
            ("refused", "does not release it"),
            ("refuse", &id),
            &[case.secret()],
        )
        .await;

    let case = nation
        .begin("a marking with a property that nobody understands")
        .await;
    let (mark, id) = (case.id("marking-definition"), case.id("indicator"));
    let odd = marking(&mark, r#""releasable_to":["KG","KZ"],"except_for":["KG"]"#);
    let answer = nation
        .try_out(&[odd, case.indicator(&marked(&mark))], GREEN, &id)
        .await;
    nation
        .judge(
            &case,
            answer,
            ("refused", "does not release it"),
            ("refuse", &id),
        )
        .await;

    let granular = [
        (
            "a part that is TLP:RED in an object that is TLP:CLEAR",
            r#"["description"]"#,
            "refused",
            "TLP:RED",
        ),
        (
            "a granular marking of a part that is not there",
            r#"["nowhere.[3]"]"#,
            "refused",
            "TLP:RED",
        ),
        (
            "a granular marking that marks nothing",
            "[]",
            "refused",
            "TLP:RED",
        ),
    ];
    for (name, selectors, kind, says) in granular {
        let case = nation.begin(name).await;
        let id = case.id("indicator");
        let extra = format!(
            r#"{CLEAR_MARK},"granular_markings":[{{"marking_ref":"marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1","selectors":{selectors}}}]"#
        );
        let answer = nation.try_out(&[case.indicator(&extra)], GREEN, &id).await;
        nation
            .judge(&case, answer, (kind, says), ("refuse", &id))
            .await;
    }
}

async fn recipients(nation: &mut Nation) {
    let case = nation.begin("a member's name in look-alike letters").await;
    let id = case.id("indicator");
    let mark = case.id("marking-definition");
    let answer = nation
        .try_out(
            &[
                marking(&mark, r#""releasable_to":["КG","КZ"]"#),
                case.indicator(&marked(&mark)),
            ],
            GREEN,
            &id,
        )
        .await;
    nation
        .judge(
            &case,
            answer,
            ("refused", "does not release it"),
            ("refuse", &id),
        )
        .await;

    let cases = [
        (
            "a group that nobody defined, as recipient",
            "TLP:GREEN//REL KZ,@steppe/nowhere",
            "reaches KG",
        ),
        (
            "a group that nobody defined, excluded",
            "TLP:GREEN//REL *//NOT @steppe/nowhere",
            "reaches KG, KZ",
        ),
        (
            "a group of another accord",
            "TLP:GREEN//REL KZ,@taiga/east",
            "reaches KG",
        ),
        (
            "a group excluded that holds the recipient",
            "TLP:GREEN//REL *//NOT @steppe/east",
            "reaches KG",
        ),
        (
            "two circles of which the recipient is in one",
            "TLP:GREEN//REL KG,KZ & KZ,UZ",
            "reaches KG",
        ),
    ];
    for (name, label, says) in cases {
        let case = nation.begin(name).await;
        let id = case.id("indicator");
        let answer = nation.try_out(&[case.indicator("")], label, &id).await;
        nation
            .judge(&case, answer, ("refused", says), ("refuse", &id))
            .await;
    }

    let case = nation
        .begin("a channel with one member more than the label says")
        .await;
    let id = case.id("indicator");
    nation
        .add(&[case.indicator("")], "TLP:GREEN//REL KG,KZ")
        .await;
    let answer = nation.release(&nation.aida, REGION, &[&id]).await;
    nation
        .judge(&case, answer, ("refused", "reaches UZ"), ("refuse", &id))
        .await;
}

async fn sizes(nation: &mut Nation) {
    let case = nation.begin("a label too long for an entry").await;
    let id = case.id("indicator");
    let mut objects = Vec::new();
    let mut refs = Vec::new();
    for part in 0..40 {
        let mark = format!(
            "marking-definition--00000000-0000-4000-8000-{:04}{part:08}",
            case_number(&id)
        );
        let words: Vec<String> = (0..8)
            .map(|word| format!("\"caveat-{part}-{word}-{}\"", "x".repeat(30)))
            .collect();
        objects.push(marking(
            &mark,
            &format!(r#""caveats":[{}]"#, words.join(",")),
        ));
        refs.push(format!("\"{mark}\""));
    }
    objects.push(case.indicator(&format!(r#","object_marking_refs":[{}]"#, refs.join(","))));
    let answer = nation.try_out(&objects, GREEN, &id).await;
    nation
        .judge(&case, answer, ("refused", "longer than"), ("refuse", &id))
        .await;

    let case = nation.begin("more markings than anybody reads").await;
    let id = case.id("indicator");
    let refs: Vec<String> = (0..3_000)
        .map(|part| format!("\"marking-definition--00000000-0000-4000-9000-{part:012}\""))
        .collect();
    let many = case.indicator(&format!(r#","object_marking_refs":[{}]"#, refs.join(",")));
    let answer = nation.try_out(&[many], GREEN, &id).await;
    let kind = answer.kind.clone();
    // Refused at intake for their number, or at release because they are unknown.
    assert!(
        ["refused", "not taken in"].contains(&kind.as_str()),
        "{answer:?}"
    );
    nation
        .judge(&case, answer, (&kind, ""), ("refuse", &id))
        .await;

    let case = nation.begin("words nested deeper than anybody looks").await;
    let id = case.id("indicator");
    let deep = format!(r#","x_deep":{}{}"#, "[".repeat(90), "]".repeat(90));
    let answer = nation.try_out(&[case.indicator(&deep)], GREEN, &id).await;
    nation
        .judge(&case, answer, ("not taken in", "deep"), ("refuse", "deep"))
        .await;
}

fn case_number(id: &str) -> u32 {
    id.rsplit('-')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

async fn exercises(nation: &mut Nation) {
    let exercise = "TLP:GREEN//REL KG,KZ//EXERCISE";
    let case = nation.begin("an exercise object in a real channel").await;
    let id = case.id("indicator");
    let answer = nation.try_out(&[case.indicator("")], exercise, &id).await;
    nation
        .judge(
            &case,
            answer,
            ("refused", "marked as exercise"),
            ("refuse", &id),
        )
        .await;

    let case = nation.begin("a real object in an exercise channel").await;
    let id = case.id("indicator");
    nation.add(&[case.indicator("")], GREEN).await;
    let answer = nation.release(&nation.aida, DRILL, &[&id]).await;
    nation
        .judge(
            &case,
            answer,
            ("refused", "not marked as exercise"),
            ("refuse", &id),
        )
        .await;

    let case = nation
        .begin("an exercise object whose label drops the word")
        .await;
    let id = case.id("indicator");
    nation.add(&[case.indicator("")], exercise).await;
    let answer = nation.try_out(&[case.indicator("")], GREEN, &id).await;
    nation
        .judge(
            &case,
            answer,
            ("refused", "marked as exercise"),
            ("refuse", &id),
        )
        .await;

    let case = nation
        .begin("an exercise report around a real object")
        .await;
    let part = case.id("indicator");
    nation.add(&[case.indicator("")], GREEN).await;
    let report = case.object(
        "report",
        0,
        &format!(r#","name":"r","published":"2026-01-01T00:00:00Z","object_refs":["{part}"]"#),
    );
    nation.add(&[report], exercise).await;
    let answer = nation.release(&nation.dina, DRILL, &[&part]).await;
    nation
        .judge(
            &case,
            answer,
            ("refused", "not marked as exercise"),
            ("refuse", &part),
        )
        .await;
}
