//! What nodes do together: agree, release, receive, withdraw, refuse, and stand up again.

extern crate kurultai_node as node;

mod world;

use axum::body::Body;
use hyper::Method;
use node::accords::Accords;
use node::admin::types::{
    AuditPage, ObjectsPage, PeerInfo, Problem, ReleaseOutcome, ReleaseReport, WithdrawReport,
    WithdrawRequest,
};
use store::Collection;
use sync::FetchError;
use world::{
    ACCORD, Running, accord, bundle, channel, indicator, indicator_id, prepare, ratified, within,
};

const GREEN: &str = "TLP:GREEN//REL KZ,KG,UZ";

async fn pair(extra: &str) -> (Running, Running) {
    let (kz, kg) = (prepare("KZ", extra).await, prepare("KG", "").await);
    let note = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    (kz.start(Some(&note)).await, kg.start(Some(&note)).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_released_object_is_shown_at_the_partner_and_cosigned() {
    let (kz, kg) = pair("").await;
    let id = indicator_id(1);
    let report = kz
        .add(&bundle(&[indicator(1, ""), indicator(2, "")]), GREEN)
        .await;
    assert_eq!((report.total, report.added, report.refused), (2, 2, 0));
    assert!(
        kz.shown(&world::collection("steppe/alerts"))
            .await
            .is_empty(),
        "nothing leaves by itself"
    );

    let report = kz.release("steppe/alerts", &[&id]).await;
    assert_eq!(
        (report.released, report.refused, report.size),
        (1, 0, 1),
        "{report:?}"
    );
    kg.until_shown("steppe/alerts", &[&id]).await;
    kz.until_shown("steppe/alerts", &[&id]).await;

    // The same bytes on both sides, and the partner's witness on the origin's checkpoint.
    let (ours, theirs) = (
        kz.shown(&world::collection("steppe/alerts")).await,
        kg.shown(&world::collection("steppe/alerts")).await,
    );
    assert_eq!(ours[0].hash, theirs[0].hash);
    kz.until(async || {
        kz.held("steppe/alerts", "KZ")
            .await
            .is_some_and(|head| !head.cosignatures.is_empty())
    })
    .await;
    let cosigned = kz.held("steppe/alerts", "KZ").await.unwrap();
    assert_eq!(cosigned.cosignatures[0].0, "kg.example/witness");

    // Releasing once more changes nothing and says so.
    let report = kz.release("steppe/alerts", &[&id]).await;
    assert_eq!((report.released, report.already, report.size), (0, 1, 1));
    assert_eq!(report.results[0].outcome, ReleaseOutcome::Already);
    // What the partner read is accounted for, in one record for all its requests.
    let audit: AuditPage = kz.get("/audit").await;
    let reads: Vec<_> = audit
        .records
        .iter()
        .filter(|line| line.record.what == "partner-read")
        .collect();
    assert_eq!(reads.len(), 1, "{audit:?}");
    let read = &reads[0].record;
    assert_eq!(
        (read.who.as_str(), read.channel.as_str()),
        ("KG", "steppe/alerts")
    );
    assert!(read.count >= 3 && read.why.ends_with("size 1"), "{read:?}");
    // What the partner received is not the partner's own to release.
    assert!(kg.shown(&Collection::National).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn automation_releases_what_its_bounds_allow_and_never_the_past() {
    let auto = "[[release]]\naccord = \"steppe\"\nchannel = \"alerts\"\nmode = \"auto\"\nkinds = [\"indicator\"]\nceiling = \"TLP:GREEN\"\n";
    let (kz, kg) = (prepare("KZ", auto).await, prepare("KG", "").await);
    let note = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    // Added before the channel was in force: automation must leave it alone.
    let (kz, kg) = (kz.start(None).await, kg.start(Some(&note)).await);
    kz.add(&bundle(&[indicator(1, "")]), GREEN).await;
    kz.node
        .offer_accord(note.into_bytes(), true, "aida")
        .await
        .expect("installed");

    let malware = r#"{"type":"malware","spec_version":"2.1","id":"malware--00000000-0000-4000-8000-000000000001","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","name":"m","is_family":false}"#;
    kz.add(&bundle(&[malware.into()]), GREEN).await;
    kz.add(&bundle(&[indicator(3, "")]), "TLP:AMBER//REL KZ,KG,UZ")
        .await;
    let report = kz.add(&bundle(&[indicator(2, "")]), GREEN).await;
    assert_eq!(report.automatic, ["steppe/alerts"]);
    kg.until_shown("steppe/alerts", &[&indicator_id(2)]).await;

    let audit: AuditPage = kz.get("/audit").await;
    let waits: Vec<_> = audit
        .records
        .iter()
        .filter(|line| line.record.what == "wait")
        .collect();
    assert_eq!(waits.len(), 2, "{audit:?}");
    assert!(waits.iter().all(|line| line.record.who == "automation"
        && line.record.why.contains("a person has to release")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outsider_of_a_subset_gets_what_a_missing_channel_gets() {
    let channels = vec![
        channel("alerts", &["KZ", "KG", "UZ"]),
        channel("border", &["KZ", "KG"]),
    ];
    let [kz, kg, uz] = world::three(channels).await;
    let (secret, shared) = (indicator_id(1), indicator_id(2));
    kz.add(&bundle(&[indicator(1, ""), indicator(2, "")]), GREEN)
        .await;
    kz.release("steppe/border", &[&secret]).await;
    kz.release("steppe/alerts", &[&shared]).await;
    kg.until_shown("steppe/border", &[&secret]).await;
    uz.until_shown("steppe/alerts", &[&shared]).await;

    let door = uz.peer_of(&kz);
    for resource in [
        "checkpoint",
        "tile/0/000.p/1",
        "tile/entries/000.p/1",
        "objects/000.p/1",
    ] {
        let hidden = door
            .get(&format!("/log/steppe/border/{resource}"), 1 << 20)
            .await;
        let missing = door
            .get(&format!("/log/steppe/nowhere/{resource}"), 1 << 20)
            .await;
        assert_eq!(hidden, Err(FetchError::NotFound), "{resource}");
        assert_eq!(hidden, missing);
        assert!(
            door.get(&format!("/log/steppe/alerts/{resource}"), 1 << 20)
                .await
                .is_ok(),
            "{resource}"
        );
    }
    // The stream of news speaks of the shared channel only.
    let mut news = door.events().await.expect("stream");
    let wake = within(news.next())
        .await
        .expect("an event")
        .expect("no end");
    assert_eq!((wake.channel.as_str(), wake.size), ("alerts", 1));
    kz.release("steppe/border", &[&shared]).await;
    kz.add(&bundle(&[indicator(3, "")]), GREEN).await;
    kz.release("steppe/alerts", &[&indicator_id(3)]).await;
    let wake = within(news.next())
        .await
        .expect("an event")
        .expect("no end");
    assert_eq!(
        (wake.channel.as_str(), wake.size),
        ("alerts", 2),
        "the other channel grew in between"
    );

    assert!(uz.held("steppe/border", "KZ").await.is_none());
    assert!(
        uz.shown(&world::collection("steppe/border"))
            .await
            .is_empty()
    );
    let status = uz.status().await;
    assert!(
        status
            .collections
            .iter()
            .all(|collection| collection.name != "steppe/border")
    );
    let user = uz.user("sardor").await;
    let (_, page) = uz
        .national("/taxii2/kurultai/collections/", Some(&user))
        .await;
    assert!(
        page.contains("steppe.alerts") && !page.contains("border"),
        "{page}"
    );
    let (code, _) = uz
        .national(
            "/taxii2/kurultai/collections/steppe.border/objects/",
            Some(&user),
        )
        .await;
    assert_eq!(code, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_partner_released_first_can_be_taken_back_from_the_own_log() {
    let (kz, kg) = pair("").await;
    let (id, name) = (indicator_id(1), "steppe/alerts");
    for node in [&kg, &kz] {
        node.add(&bundle(&[indicator(1, "")]), GREEN).await;
    }
    kg.release(name, &[&id]).await;
    kz.until_shown(name, &[&id]).await;
    // The channel goes on showing the partner's.
    assert_eq!(kz.release(name, &[&id]).await.released, 1);
    let again = kz.release(name, &[&id]).await;
    assert_eq!((again.released, again.already), (0, 1));
    let request = WithdrawRequest {
        channel: name.into(),
        ids: vec![id.clone()],
        reason: "no longer ours to say".into(),
        ..WithdrawRequest::default()
    };
    let report: WithdrawReport = kz.post("/withdraw", &request).await;
    assert_eq!((report.withdrawn, report.size), (1, 2), "{report:?}");
    let packed = kg
        .peer_of(&kz)
        .get("/log/steppe/alerts/objects/000.p/2", 1 << 20)
        .await
        .expect("bodies");
    let bodies = log::bodies::decode(&packed, 2).expect("a bundle");
    assert!(bodies.iter().all(Vec::is_empty), "its bytes are gone");
    kg.until_shown(name, &[&id]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawn_object_is_gone_at_the_partner_on_every_interface() {
    let (kz, kg) = pair("").await;
    let (gone, stays) = (indicator_id(1), indicator_id(2));
    kz.add(&bundle(&[indicator(1, ""), indicator(2, "")]), GREEN)
        .await;
    kz.release("steppe/alerts", &[&gone, &stays]).await;
    kg.until_shown("steppe/alerts", &[&gone, &stays]).await;
    let user = kg.user("aigul").await;
    let objects = "/taxii2/kurultai/collections/steppe.alerts/objects/";
    let (code, before) = kg.national(objects, Some(&user)).await;
    assert!(
        code == 200 && before.contains("mail-1.example") && before.contains("mail-2.example"),
        "{before}"
    );

    let request = WithdrawRequest {
        channel: "steppe/alerts".into(),
        ids: vec![gone.clone()],
        reason: "the source asked for it".into(),
        who: "aida".into(),
    };
    let report: WithdrawReport = kz.post("/withdraw", &request).await;
    assert_eq!((report.withdrawn, report.size), (1, 3));
    kg.until_shown("steppe/alerts", &[&stays]).await;

    for running in [&kz, &kg] {
        let user = running.user("reader").await;
        for path in [
            objects.to_owned(),
            format!("{objects}{gone}/"),
            format!("{objects}?match%5Bversion%5D=all"),
            "/taxii2/kurultai/collections/steppe.alerts/manifest/".to_owned(),
        ] {
            let (_, page) = running.national(&path, Some(&user)).await;
            assert!(
                !page.contains("mail-1.example") && !page.contains(&gone),
                "{path}: {page}"
            );
        }
        let page: ObjectsPage = running
            .get("/objects?collection=steppe%2Falerts&bodies=true&all_versions=true")
            .await;
        assert!(
            page.objects.iter().all(|object| object.id == stays),
            "{page:?}"
        );
    }
    // The member-facing bundle keeps the entry's place with an empty body.
    let bodies = kg
        .peer_of(&kz)
        .get("/log/steppe/alerts/objects/000.p/3", 1 << 20)
        .await
        .expect("bundle");
    let bodies = log::bodies::decode(&bodies, 3).expect("three bodies");
    assert!(bodies[0].is_empty() && !bodies[1].is_empty() && bodies[2].is_empty());
    // The person's words stay at home; the national copy is this member's own and stays, too.
    let audit: AuditPage = kz.get("/audit").await;
    assert!(
        audit
            .records
            .iter()
            .any(|line| line.record.what == "withdraw"
                && line.record.why == "the source asked for it")
    );
    assert_eq!(kz.shown(&Collection::National).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_release_says_why_and_is_accounted_for() {
    let (kz, kg) = pair("").await;
    kz.add(&bundle(&[indicator(1, "")]), "TLP:GREEN//REL KZ")
        .await;
    kz.add(&bundle(&[indicator(2, "")]), "TLP:RED//REL KZ,KG")
        .await;
    kz.add(&bundle(&[indicator(3, "")]), GREEN).await;
    let (no_one, red, fine) = (indicator_id(1), indicator_id(2), indicator_id(3));
    let report = kz
        .release("steppe/alerts", &[&no_one, &red, &fine, &indicator_id(9)])
        .await;
    assert_eq!(
        (report.released, report.refused, report.unknown, report.size),
        (1, 2, 1, 1),
        "{report:?}"
    );
    let why = |report: &ReleaseReport, id: &str| {
        let result = report
            .results
            .iter()
            .find(|result| result.id == id)
            .expect("listed");
        (result.outcome, result.why.join("; "))
    };
    assert_eq!(why(&report, &no_one).0, ReleaseOutcome::Refused);
    assert!(why(&report, &no_one).1.contains("KG"), "{report:?}");
    assert!(
        why(&report, &red).1.contains("TLP:RED") && why(&report, &red).1.contains("TLP:AMBER"),
        "{report:?}"
    );
    kg.until_shown("steppe/alerts", &[&fine]).await;

    let audit: AuditPage = kz.get("/audit").await;
    let refused: Vec<_> = audit
        .records
        .iter()
        .map(|line| &line.record)
        .filter(|record| record.what == "refuse")
        .collect();
    assert_eq!(refused.len(), 2);
    assert!(
        refused
            .iter()
            .any(|record| record.objects == [no_one.clone()]
                && record.who == "operator (says aida)"
                && record.why.contains("KG"))
    );
    assert!(
        refused
            .iter()
            .all(|record| record.policy.starts_with("steppe v1 ")
                && record.channel == "steppe/alerts")
    );
    assert_eq!(audit.records.len() as u64, audit.size);
    assert!(audit.checkpoint.starts_with("kz.example/local/audit\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn markings_and_author_come_along() {
    let (kz, kg) = pair("").await;
    let author = "identity--00000000-0000-4000-8000-000000000007";
    let marking = "marking-definition--00000000-0000-4000-8000-000000000008";
    let objects = [
        format!(
            r#"{{"type":"identity","spec_version":"2.1","id":"{author}","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","name":"CERT","identity_class":"organization"}}"#
        ),
        format!(
            r#"{{"type":"marking-definition","spec_version":"2.1","id":"{marking}","created":"2026-01-01T00:00:00.000Z","definition_type":"statement","definition":{{"statement":"fictional"}}}}"#
        ),
        indicator(
            1,
            &format!(r#","created_by_ref":"{author}","object_marking_refs":["{marking}"]"#),
        ),
        indicator(2, ""),
    ];
    kz.add(&bundle(&objects), GREEN).await;
    let report = kz.release("steppe/alerts", &[&indicator_id(1)]).await;
    assert_eq!((report.released, report.companions), (3, 2), "{report:?}");
    kg.until_shown("steppe/alerts", &[author, marking, &indicator_id(1)])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_everything_and_pulls_go_on() {
    let (kz, kg) = pair("").await;
    kz.add(&bundle(&[indicator(1, ""), indicator(2, "")]), GREEN)
        .await;
    kz.release("steppe/alerts", &[&indicator_id(1)]).await;
    kg.until_shown("steppe/alerts", &[&indicator_id(1)]).await;
    let user = kg.user("aigul").await;
    let before = (
        kz.held("steppe/alerts", "KZ").await,
        kg.held("steppe/alerts", "KZ").await,
    );
    let audit: AuditPage = kz.get("/audit").await;

    let kg = kg.restart().await;
    let kz = kz.restart().await;
    let after = (
        kz.held("steppe/alerts", "KZ").await,
        kg.held("steppe/alerts", "KZ").await,
    );
    let sizes = |heads: &(Option<store::Head>, Option<store::Head>)| {
        [&heads.0, &heads.1].map(|head| {
            head.as_ref()
                .map(|head| (head.size, head.root, head.checkpoint.clone()))
        })
    };
    assert_eq!(sizes(&before), sizes(&after));
    assert_eq!(kz.shown(&Collection::National).await.len(), 2);
    let (code, page) = kg
        .national(
            "/taxii2/kurultai/collections/steppe.alerts/objects/",
            Some(&user),
        )
        .await;
    assert!(code == 200 && page.contains("mail-1.example"));
    let later: AuditPage = kz.get("/audit").await;
    assert_eq!(later.records[..audit.records.len()], audit.records[..]);

    kz.release("steppe/alerts", &[&indicator_id(2)]).await;
    kg.until_shown("steppe/alerts", &[&indicator_id(1), &indicator_id(2)])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalling_partner_delays_nobody_else() {
    let (kz, kg, uz) = (
        prepare("KZ", "").await,
        prepare("KG", "").await,
        prepare("UZ", "").await,
    );
    let note = ratified(
        &[&kz, &kg, &uz],
        vec![channel("alerts", &["KZ", "KG", "UZ"])],
    );
    // UZ never starts: its socket takes connections into the system's queue and says nothing.
    let _silent = uz;
    let (kz, kg) = (kz.start(Some(&note)).await, kg.start(Some(&note)).await);
    for number in 1..=20 {
        kz.add(&bundle(&[indicator(number, "")]), GREEN).await;
        kz.release("steppe/alerts", &[&indicator_id(number)]).await;
        let id = indicator_id(number);
        let collection = world::collection("steppe/alerts");
        kg.until(async || {
            kg.shown(&collection)
                .await
                .iter()
                .any(|record| record.id.as_str() == id)
        })
        .await;
    }
    let peers: Vec<PeerInfo> = kg.get("/peers").await;
    let of = |code: &str| peers.iter().find(|peer| peer.code == code).expect("listed");
    assert!(
        of("KZ").listening
            && of("KZ").logs[0].last_success.is_some()
            && of("KZ").logs[0].size == 20
    );
    assert!(!of("UZ").listening && of("UZ").logs[0].last_success.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_cannot_connect_and_a_crowd_of_them_keeps_nobody_out() {
    let (kz, kg) = pair("").await;
    let mut crowd = Vec::new();
    for _ in 0..100 {
        crowd.push(
            tokio::net::TcpStream::connect(kz.members)
                .await
                .expect("connected"),
        );
    }
    let stranger = prepare("XX", "").await.start(None).await;
    let error = stranger
        .peer_of(&kz)
        .get("/log/steppe/alerts/checkpoint", 1 << 20)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            FetchError::Unreachable { .. } | FetchError::Broken { .. }
        ),
        "{error:?}"
    );
    kz.add(&bundle(&[indicator(1, "")]), GREEN).await;
    kz.release("steppe/alerts", &[&indicator_id(1)]).await;
    kg.until_shown("steppe/alerts", &[&indicator_id(1)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ratifications_spread_but_texts_do_not() {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let draft = accord(
        &[&kz.member, &kg.member],
        vec![channel("alerts", &["KZ", "KG"])],
    )
    .to_string();
    // Each installs and ratifies the draft alone; they learn of each other's signature by asking.
    let kz = kz.start(Some(&draft)).await;
    let kg = kg.start(Some(&draft)).await;
    for running in [&kz, &kg] {
        let mut changed = running.node.accords_changed();
        within(changed.wait_for(|_| running.node.channel("steppe/alerts").is_some()))
            .await
            .expect("the node lives");
    }
    // A partner's copy with another text changes nothing (I2).
    let text = draft.replace("The alerts channel", "Another channel");
    assert_ne!(text, draft);
    let mut accords = Accords::clone(&kz.node.accords());
    assert!(accords.merge_known(text.as_bytes()).is_none());
    assert_eq!(
        accords.get(ACCORD).unwrap().text(),
        kz.node.accords().get(ACCORD).unwrap().text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accord_that_misnames_this_member_is_refused() {
    let (kz, kg, other) = (
        prepare("KZ", "").await,
        prepare("KG", "").await,
        prepare("KZ", "").await,
    );
    let channels = || vec![channel("alerts", &["KZ", "KG"])];
    let forged = accord(&[&other.member, &kg.member], channels()).to_string();
    let absent = accord(
        &[&kg.member, &prepare("UZ", "").await.member],
        vec![channel("alerts", &["KG", "UZ"])],
    )
    .to_string();
    let kz = kz.start(None).await;
    for (note, needle) in [
        (forged, "another TLS key"),
        (absent, "does not name this member"),
        ("nonsense".into(), "of the accord"),
    ] {
        let (status, kind, body) = kz
            .ask(Method::POST, "/accords?ratify=true", Body::from(note))
            .await;
        let problem: Problem = serde_json::from_slice(&body).expect("problem");
        assert_eq!(
            (status.as_u16(), kind.as_str()),
            (409, "application/problem+json")
        );
        assert!(problem.detail.contains(needle), "{problem:?}");
    }
    assert!(kz.status().await.accords.is_empty());
}
