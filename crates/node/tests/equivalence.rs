//! A foreign marking withholds until the nation's signed table says what it means.

extern crate kurultai_node as node;

mod world;

use node::admin::types::{
    PolicyFiles, PolicyInfo, ReleaseOutcome, ReleaseReport, ReleaseRequest, Selection,
    WhatIfReport, WhatIfRequest,
};
use policy::{PolicySet, SignedPolicy};
use world::{Running, bundle, channel, prepare, ratified};

const MARKING: &str = "marking-definition--5a1c9d02-7c3e-4a11-8e0f-3d2b6c4f1a07";
const MARKED: &str = "indicator--5a1c9d02-7c3e-4a11-8e0f-3d2b6c4f1a08";

fn foreign(value: &str) -> String {
    serde_json::json!({
        "type": "marking-definition", "spec_version": "2.1", "id": MARKING,
        "created": "2026-01-01T00:00:00.000Z",
        "extensions": { "extension-definition--3a65884d-005a-4290-8335-cb2d778a83ce": {
            "extension_type": "property-extension",
            "control_set": { "classification": value } } }
    })
    .to_string()
}

fn marked() -> String {
    serde_json::json!({
        "type": "indicator", "spec_version": "2.1", "id": MARKED,
        "created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z",
        "valid_from": "2026-01-01T00:00:00Z", "pattern_type": "stix",
        "pattern": "[domain-name:value = 'weir.example']",
        "object_marking_refs": [MARKING]
    })
    .to_string()
}

async fn explained(kz: &Running) -> (ReleaseOutcome, String) {
    let request = ReleaseRequest {
        channel: "steppe/alerts".into(),
        selection: Selection {
            ids: vec![MARKED.into()],
            ..Selection::default()
        },
        who: "aida".into(),
        explain: true,
    };
    let report: ReleaseReport = kz.post("/release", &request).await;
    let one = report.results.iter().find(|one| one.id == MARKED);
    let one = one.expect("it was asked about");
    (one.outcome, one.why.join("; "))
}

async fn with_table(kz: &Running, table: &str) -> PolicyFiles {
    let given: PolicyFiles = kz.get("/policy/files").await;
    let mut files = given.files;
    files.insert("equivalence.toml".into(), table.to_owned());
    let bytes = files
        .iter()
        .map(|(path, text)| (path.clone(), text.clone().into_bytes()))
        .collect();
    let set = PolicySet::read(bytes).expect("a set");
    let key = kz.node.keys().policy().expect("made at init");
    let signed = SignedPolicy::sign(set, None, key).expect("signed");
    PolicyFiles {
        manifest: signed.note(),
        files,
        who: "aida".into(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_marking_withholds_until_the_signed_table_says_what_it_means() {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let accord = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    drop(kg);
    let kz = kz.start(Some(&accord)).await;
    kz.add(&bundle(&[foreign("U"), marked()]), "TLP:GREEN//REL KZ,KG")
        .await;
    let (outcome, why) = explained(&kz).await;
    assert_eq!(outcome, ReleaseOutcome::Refused, "{why}");

    // Another value than the one that the object's marking has: still unmapped.
    let table = |value: &str| {
        format!(
            "format = \"kurultai-equivalence/1\"\n[[stix]]\n\
             extension = \"extension-definition--3a65884d-005a-4290-8335-cb2d778a83ce\"\n\
             field = \"control_set.classification\"\nvalue = \"{value}\"\n\
             means = \"TLP:GREEN//REL KZ,KG\"\n"
        )
    };
    let ask = |given: PolicyFiles| WhatIfRequest {
        policy: Some(given),
        limit: 10,
        ..WhatIfRequest::default()
    };
    let other = with_table(&kz, &table("FOUO")).await;
    let report: WhatIfReport = kz.post("/policy/what-if", &ask(other)).await;
    assert!(report.ids.iter().all(|one| one.id != MARKED), "{report:?}");

    let given = with_table(&kz, &table("U")).await;
    let report: WhatIfReport = kz.post("/policy/what-if", &ask(given.clone())).await;
    assert!(report.ids.iter().any(|one| one.id == MARKED), "{report:?}");
    assert_eq!(
        explained(&kz).await.0,
        ReleaseOutcome::Refused,
        "asked only"
    );

    let info: PolicyInfo = kz.post("/policy/activate", &given).await;
    assert_eq!(info.number, 1);
    let (outcome, why) = explained(&kz).await;
    assert_eq!(outcome, ReleaseOutcome::Released, "{why}");
}
