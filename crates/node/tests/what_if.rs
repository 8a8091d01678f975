//! What-if is exact: the objects that it names are those, and only those, that are decided otherwise
//! once the change is made. The other side of the comparison is every object asked one by one, with
//! the old policy and then with the new one in force.

extern crate kurultai_node as node;

mod world;

use std::collections::BTreeMap;

use node::admin::types::{
    PolicyFiles, PolicyInfo, ReleaseOutcome, ReleaseReport, ReleaseRequest, Selection,
    WhatIfReport, WhatIfRequest,
};
use policy::{Manifest, PolicySet, SignedPolicy};
use store::Collection;
use world::{Running, bundle, channel, indicator, prepare, ratified};

const CHANNEL: &str = "steppe/alerts";

const EXTRA: &str = r#"
@id("no-malware")
@explain("malware stays at home")
forbid (principal, action == Action::"release", resource)
when { resource.kind == "malware" };

@id("amber-approved")
@explain("what is TLP:AMBER takes an approval")
@needs("1 of approver")
permit (principal is Person, action == Action::"release", resource)
when { resource.tlp == Tlp::"AMBER" && principal.duties.contains(Duty::"releaser") };
"#;

/// The next of a row of numbers that looks random and is the same at each run.
fn next(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

fn object(number: u32, state: &mut u64) -> String {
    let id = format!("00000000-0000-4000-8000-{number:012}");
    let times = r#""created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z""#;
    match next(state) % 5 {
        0 => format!(
            r#"{{"type":"malware","spec_version":"2.1","id":"malware--{id}",{times},"name":"m{number}","is_family":false}}"#
        ),
        1 => format!(
            r#"{{"type":"identity","spec_version":"2.1","id":"identity--{id}",{times},"name":"p{number}","identity_class":"individual"}}"#
        ),
        2 if number > 10 => {
            let parts: Vec<String> = (0..3)
                .map(|_| {
                    let part = 1 + next(state) % u64::from(number - 1);
                    let kind = ["indicator", "malware", "identity", "report"];
                    let kind = kind[(next(state) % 4) as usize];
                    format!("\"{kind}--00000000-0000-4000-8000-{part:012}\"")
                })
                .collect();
            format!(
                r#"{{"type":"report","spec_version":"2.1","id":"report--{id}",{times},"name":"r{number}","published":"2026-01-01T00:00:00Z","object_refs":[{}]}}"#,
                parts.join(",")
            )
        }
        _ => indicator(number, ""),
    }
}

async fn outcomes(kz: &Running) -> BTreeMap<String, ReleaseOutcome> {
    let mut outcomes = BTreeMap::new();
    for record in kz.shown(&Collection::National).await {
        let request = ReleaseRequest {
            channel: CHANNEL.into(),
            selection: Selection {
                ids: vec![record.id.to_string()],
                ..Selection::default()
            },
            who: String::new(),
            explain: true,
        };
        let report: ReleaseReport = kz.post("/release", &request).await;
        let own = |result: &&node::admin::types::ObjectResult| result.id == record.id.to_string();
        let result = report.results.iter().find(own).expect("listed");
        outcomes.insert(result.id.clone(), result.outcome);
    }
    outcomes
}

fn word(outcome: ReleaseOutcome) -> &'static str {
    match outcome {
        ReleaseOutcome::Refused => "not at all",
        ReleaseOutcome::Proposed => "after approval",
        ReleaseOutcome::Released => "by hand",
        other => panic!("{other:?}"),
    }
}

async fn page_through(kz: &Running, mut request: WhatIfRequest) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    loop {
        let report: WhatIfReport = kz.post("/policy/what-if", &request).await;
        assert!(report.ids.len() <= request.limit.max(1));
        for one in report.ids {
            let start = |text: &str| {
                let words = ["not at all", "after approval", "by hand", "by itself"];
                let word = words.into_iter().find(|word| text.starts_with(word));
                word.expect("one of them").to_owned()
            };
            found.push((one.id, start(&one.before), start(&one.after)));
        }
        match report.next {
            Some(next) => request.after = Some(next),
            None => break,
        }
    }
    found.sort();
    found
}

/// The shipped set with more rules, signed as the successor of what is in force.
async fn signed(kz: &Running, extra: &str) -> PolicyFiles {
    let given: PolicyFiles = kz.get("/policy/files").await;
    let mut files = given.files;
    files.insert("extra.cedar".into(), extra.to_owned());
    // The shipped cases are about the shipped rules.
    files.retain(|path, _| !path.starts_with("cases/"));
    let bytes = files
        .iter()
        .map(|(path, text)| (path.clone(), text.clone().into_bytes()))
        .collect();
    let set = PolicySet::read(bytes).expect("a set");
    let before = given
        .manifest
        .split_once("\n\n")
        .map(|(text, _)| Manifest::parse(&format!("{text}\n")).expect("a manifest"));
    let key = kz.node.keys().policy().expect("made at init");
    let signed = SignedPolicy::sign(set, before.as_ref(), key).expect("signed");
    PolicyFiles {
        manifest: signed.note(),
        files,
        who: "aida".into(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_if_names_exactly_what_is_decided_otherwise_afterwards() {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let accord = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    drop(kg);
    let kz = kz.start(Some(&accord)).await;
    let labels = [
        "TLP:GREEN//REL KG,KZ",
        "TLP:AMBER//REL KG,KZ",
        "TLP:AMBER//REL KG,KZ//LEGAL court-order",
        "TLP:RED//REL KG,KZ",
        "TLP:GREEN//REL KZ",
    ];
    let mut state = 7;
    for number in 1..=150 {
        let made = object(number, &mut state);
        let label = labels[(next(&mut state) % 5) as usize];
        kz.add(&bundle(&[made]), label).await;
    }
    let before = outcomes(&kz).await;
    let given = signed(&kz, EXTRA).await;
    let request = WhatIfRequest {
        policy: Some(given.clone()),
        limit: 7,
        ..WhatIfRequest::default()
    };
    let named = page_through(&kz, request.clone()).await;
    let whole: WhatIfReport = kz.post("/policy/what-if", &request).await;
    let counted: u64 = whole.changes.iter().map(|change| change.objects).sum();
    assert_eq!(whole.objects, before.len() as u64);
    assert_eq!(outcomes(&kz).await, before, "asking changes nothing");

    let info: PolicyInfo = kz.post("/policy/activate", &given).await;
    assert_eq!(info.number, 1);
    let after = outcomes(&kz).await;
    let naive: Vec<(String, String, String)> = before
        .iter()
        .filter(|(id, outcome)| after[*id] != **outcome)
        .map(|(id, outcome)| (id.clone(), word(*outcome).into(), word(after[id]).into()))
        .collect();
    assert!(naive.len() > 10, "the change changes something: {naive:?}");
    // Approvals may change without the way changing, such as by one person more.
    let moved: Vec<_> = named
        .iter()
        .filter(|(_, was, is)| was != is)
        .cloned()
        .collect();
    assert_eq!(moved, naive);
    assert_eq!(
        counted,
        named.len() as u64,
        "counts and ids are of one kind"
    );

    // Another label for everything that came in under one, against really adding it so.
    let mut relabel = WhatIfRequest {
        limit: 1_000,
        ..WhatIfRequest::default()
    };
    relabel.labels.insert(labels[4].into(), labels[0].into());
    let named = page_through(&kz, relabel).await;
    let at_home: Vec<String> = kz
        .shown(&Collection::National)
        .await
        .into_iter()
        .filter(|record| &*record.assigned == labels[4] && record.id.type_name() == "indicator")
        .map(|record| record.id.to_string())
        .collect();
    assert!(!at_home.is_empty());
    for id in at_home {
        let open = (id, "not at all".to_owned(), "by hand".to_owned());
        assert!(named.contains(&open), "{open:?}");
    }

    // A policy that is not signed, or not the successor, or fails its own cases, stays out.
    for (change, words) in [
        ("unsigned", "signed"),
        ("altered", "not those that were signed"),
        ("replayed", "follow"),
    ] {
        let mut wrong = match change {
            "replayed" => given.clone(),
            _ => signed(&kz, EXTRA).await,
        };
        match change {
            "unsigned" => wrong.manifest = wrong.manifest.replace("— ", "- "),
            "altered" => drop(
                wrong
                    .files
                    .insert("extra.cedar".into(), "// nothing".into()),
            ),
            _ => {}
        }
        let body = serde_json::to_vec(&wrong).expect("json");
        let (status, _, body) = kz.ask(hyper::Method::POST, "/policy/activate", body).await;
        let why = String::from_utf8_lossy(&body).into_owned();
        assert!(
            !status.is_success() && why.contains(words),
            "{change}: {status} {why}"
        );
    }
    let kz = kz.restart().await;
    assert_eq!(kz.get::<PolicyInfo>("/policy").await.number, 1);
    assert_eq!(
        outcomes(&kz).await,
        after,
        "the same policy decides after a restart"
    );
}
