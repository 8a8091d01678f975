//! Approving in the console: the page shows the bytes, the decision is about those bytes.

use hyper::Method;
use node::admin::types::{ReleaseReport, ReleaseRequest, Selection};

use super::browser::Browser;
use super::world::{Running, bundle, channel, collection, prepare, ratified};

const CHANNEL: &str = "steppe/alerts";
const PERSON: &str = "identity--00000000-0000-4000-8000-000000000001";

async fn nation() -> Running {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let accord = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    drop(kg);
    kz.start(Some(&accord)).await
}

fn person(minute: u32, name: &str) -> String {
    format!(
        r#"{{"type":"identity","spec_version":"2.1","id":"{PERSON}","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:{minute:02}:00.000Z","name":"{name}","identity_class":"individual"}}"#
    )
}

/// Proposes to release the person; answers with the proposal's id.
async fn propose(kz: &Running, authorization: &str) -> String {
    let request = ReleaseRequest {
        channel: CHANNEL.into(),
        selection: Selection {
            ids: vec![PERSON.into()],
            ..Selection::default()
        },
        who: String::new(),
        explain: false,
    };
    let body = serde_json::to_vec(&request).unwrap();
    let (status, answer) = kz
        .ask_as(authorization, Method::POST, "/release", body)
        .await;
    assert!(status.is_success(), "{}", String::from_utf8_lossy(&answer));
    let report: ReleaseReport = serde_json::from_slice(&answer).unwrap();
    report.proposals[0].clone()
}

async fn signed_in(kz: &Running, name: &str) -> Browser {
    let mut browser = Browser::new(kz);
    browser.sign_in(name).await;
    browser
}

fn digest(browser: &Browser) -> String {
    let (_, rest) = browser
        .page
        .body
        .split_once("name=\"digest\" value=\"")
        .unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_approve_what_the_page_shows() {
    let kz = nation().await;
    let label = "TLP:GREEN//REL KG,KZ//LEGAL court-order";
    kz.add(&bundle(&[person(0, "A. <b>Person</b>")]), label)
        .await;
    let anna = kz.person("anna", &["releaser", "approver"]).await;
    for name in ["bek", "cem"] {
        kz.person(name, &["approver"]).await;
    }
    kz.person("dina", &["analyst"]).await;
    let id = propose(&kz, &anna).await;
    let page = format!("/console/approvals/{id}");

    // Not for everybody to see, and not for its author to decide.
    let mut dina = signed_in(&kz, "dina").await;
    for path in ["/console/approvals", &page] {
        assert_eq!(dina.open(path).await.status, 403, "{path}");
        assert!(!dina.page.body.contains("court-order"));
    }
    let mut author = signed_in(&kz, "anna").await;
    author.open(&page).await;
    assert!(author.page.body.contains("others decide about it"));
    assert!(!author.page.body.contains("Approve these bytes"));

    // The bytes, as text.
    let mut bek = signed_in(&kz, "bek").await;
    bek.open("/console/approvals").await;
    assert!(
        bek.page.body.contains(&format!("href=\"{page}\"")),
        "{}",
        bek.page.body
    );
    let shown = bek.open(&page).await;
    assert!(shown.body.contains("2 of approver") && shown.body.contains("court-order"));
    assert!(shown.body.contains("A. &#60;b&#62;Person") && !shown.body.contains("<b>Person"));
    let named = digest(&bek);

    // A no without a reason, a made-up digest, a made-up decision, another's form: nothing.
    let wrong = [
        [
            ("decision", "decline"),
            ("digest", named.as_str()),
            ("why", " "),
        ],
        [("decision", "approve"), ("digest", "0000"), ("why", "")],
        [
            ("decision", "release"),
            ("digest", named.as_str()),
            ("why", ""),
        ],
    ];
    for fields in wrong {
        let status = bek.submit(&page, &fields).await.status;
        assert!(matches!(status, 400 | 403 | 409), "{fields:?}: {status}");
        assert!(bek.page.body.contains("role=\"alert\""), "{fields:?}");
    }
    let fields = [
        ("decision", "approve"),
        ("digest", named.as_str()),
        ("why", ""),
        ("token", "x"),
    ];
    assert_eq!(bek.post(&page, &fields, &[]).await.status, 403);

    // Bek twice is one; with Cem it leaves.
    let yes = [
        ("decision", "approve"),
        ("digest", named.as_str()),
        ("why", ""),
    ];
    bek.open(&page).await;
    assert_eq!(bek.submit(&page, &yes).await.status, 303);
    assert!(bek.follow().await.body.contains("<dd>bek</dd>"));
    assert_eq!(bek.submit(&page, &yes).await.status, 403);
    assert!(kz.shown(&collection(CHANNEL)).await.is_empty());
    let mut cem = signed_in(&kz, "cem").await;
    cem.open(&page).await;
    assert_eq!(cem.submit(&page, &yes).await.status, 303);
    cem.follow().await;
    assert!(
        cem.page.body.contains("<dd>released</dd>"),
        "{}",
        cem.page.body
    );
    assert_eq!(kz.shown(&collection(CHANNEL)).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_since_the_page_was_loaded_is_not_approved() {
    let kz = nation().await;
    let label = "TLP:GREEN//REL KG,KZ//LEGAL court-order";
    kz.add(&bundle(&[person(0, "A. Person")]), label).await;
    let anna = kz.person("anna", &["releaser"]).await;
    for name in ["bek", "cem"] {
        kz.person(name, &["approver"]).await;
    }
    let id = propose(&kz, &anna).await;
    let page = format!("/console/approvals/{id}");
    let (mut bek, mut cem) = (signed_in(&kz, "bek").await, signed_in(&kz, "cem").await);
    bek.open(&page).await;
    cem.open(&page).await;
    let named = digest(&bek);
    let yes = [
        ("decision", "approve"),
        ("digest", named.as_str()),
        ("why", ""),
    ];
    assert_eq!(bek.submit(&page, &yes).await.status, 303);
    kz.add(&bundle(&[person(1, "Somebody Else")]), label).await;
    cem.submit(&page, &yes).await;
    cem.open(&page).await;
    assert!(
        !cem.page.body.contains("<dd>released</dd>"),
        "{}",
        cem.page.body
    );
    assert!(
        !cem.page.body.contains("Approve these bytes"),
        "{}",
        cem.page.body
    );
    assert!(kz.shown(&collection(CHANNEL)).await.is_empty());
    // A no is heard, with its reason.
    let again = propose(&kz, &anna).await;
    let page = format!("/console/approvals/{again}");
    cem.open(&page).await;
    let named = digest(&cem);
    let no = [
        ("decision", "decline"),
        ("digest", named.as_str()),
        ("why", "not this person"),
    ];
    assert_eq!(cem.submit(&page, &no).await.status, 303);
    cem.follow().await;
    assert!(
        cem.page.body.contains("declined: cem: not this person"),
        "{}",
        cem.page.body
    );
}
