//! Notes that members make with tools of their own: answers in another's name, and deadlines.

use super::*;

fn codes(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(ToString::to_string).collect()
}

fn note_id(number: u8) -> Id {
    Id::from_parts("note", [number; 16]).expect("an id")
}

/// A note as some member's tool might make it, in whose name it likes.
fn note(number: u8, author: &str, at: i64, post: &Post) -> String {
    let author = member_identity_id(&format!("{author}.example"));
    let at = Timestamp::from_unix_micros((1_780_000_000 + at) * 1_000_000);
    let note = post.object(&note_id(number), &author, at).expect("a note");
    String::from_utf8(note.bytes().to_vec()).expect("UTF-8")
}

fn asking(to: &[&str], deadline: Option<Timestamp>) -> Post {
    Post::Request(Request {
        to: codes(to),
        subject: "Flow at the weir".into(),
        text: "How much came down in May?".into(),
        deadline,
        urgency: Urgency::Routine,
        kinds: BTreeSet::new(),
        topics: BTreeSet::new(),
        about: BTreeSet::new(),
        in_reply_to: None,
    })
}

fn answering(request: u8, text: &str) -> Post {
    Post::Answer(Answer {
        request: note_id(request),
        status: AnswerStatus::Final,
        text: text.into(),
        objects: BTreeSet::new(),
        in_reply_to: None,
    })
}

async fn publish(at: &Running, notes: &[String]) {
    let report = at.add(&bundle(notes), GREEN).await;
    assert_eq!(report.refused, 0, "{report:?}");
    let ids: Vec<String> = notes
        .iter()
        .map(|note| {
            let note: serde_json::Value = serde_json::from_str(note).expect("JSON");
            note["id"].as_str().expect("id").to_owned()
        })
        .collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let report = at.release(ALERTS, &ids).await;
    assert_eq!(report.refused + report.unknown, 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_answers_for_another_member() {
    let (kz, kg, uz) = three().await;
    let question = note(1, "kz", 0, &asking(&["KG"], None));
    // What a node had before it heard of it from a partner passes for its own there; so UZ can
    // release a copy of KZ's question, and another note under its id.
    let stolen = note(1, "uz", 9, &asking(&["KG"], None));
    let before = bundle(&[question.clone(), stolen.clone()]);
    assert_eq!(uz.add(&before, GREEN).await.added, 2);
    publish(&kz, std::slice::from_ref(&question)).await;
    until_asked(&uz, note_id(1).as_str()).await;
    let malformed = note(5, "uz", 1, &answering(1, "x")).replace("\"final\"", "\"finished\"");
    let huge = note(8, "uz", 1, &answering(1, "x")).replace(
        "\"content\":\"x\"",
        &format!("\"content\":\"{}\"", "x".repeat(100_000)),
    );
    publish(
        &uz,
        &[
            // In the name of the member that was asked, and of one that is nowhere.
            note(2, "kg", 1, &answering(1, "We know nothing.")),
            note(3, "tj", 1, &answering(1, "Neither do we.")),
            // A question in KZ's name.
            note(4, "kz", 1, &asking(&["KG"], None)),
            malformed,
            huge,
            // In its own name, though nobody asked it.
            note(6, "uz", 1, &answering(1, "We saw it.")),
            // Its own question under the id of KZ's, as if it were a later version.
            stolen,
            // To a question that is not there.
            note(7, "uz", 1, &answering(99, "?")),
        ],
    )
    .await;
    // A true copy of KZ's own question stays KZ's.
    let copy = node::admin::types::ReleaseRequest {
        channel: ALERTS.into(),
        selection: node::admin::types::Selection {
            hashes: vec![model::Hash::of(question.as_bytes()).to_string()],
            ..Default::default()
        },
        who: "aida".into(),
        explain: false,
    };
    let copied: node::admin::types::ReleaseReport = uz.post("/release", &copy).await;
    assert_eq!(copied.released, 1, "{copied:?}");
    for node in [&kz, &kg, &uz] {
        node.until(async || node.shown(&collection(ALERTS)).await.len() >= 9)
            .await;
        let page: RequestsPage = node.get("/requests").await;
        let asked: Vec<(&str, bool)> = page
            .requests
            .iter()
            .map(|request| (request.from.as_str(), request.contested))
            .collect();
        assert_eq!(asked, [("KZ", true), ("UZ", true)], "at {}", node.code);
        for request in &page.requests {
            assert_eq!(request.asked[0].status, None, "at {}", node.code);
        }
        let mut strays: Vec<&str> = page
            .strays
            .iter()
            .filter(|stray| stray.from == "UZ")
            .map(|stray| stray.id.as_str())
            .collect();
        strays.sort_unstable();
        let forged = [2, 3, 4, 5, 8].map(note_id);
        assert_eq!(
            strays,
            forged.each_ref().map(Id::as_str),
            "at {}",
            node.code
        );
        let thread = thread(node, note_id(1).as_str()).await;
        let said: Vec<(&str, bool)> = thread
            .answers
            .iter()
            .map(|answer| (answer.from.as_str(), answer.unsolicited))
            .collect();
        assert_eq!(said, [("UZ", true)]);
    }
    // The member that was asked answers for itself.
    let no = AnswerRequest {
        status: "declined".into(),
        ..AnswerRequest::default()
    };
    assert!(!answer(&kg, note_id(1).as_str(), &no).await.unsolicited);
    kz.until(async || {
        let page: RequestsPage = kz.get("/requests?outbox=true").await;
        page.requests[0].asked[0].status.as_deref() == Some("declined")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_that_passed_is_an_alarm_for_both_sides_until_it_is_answered() {
    let (kz, kg, uz) = three().await;
    let past = Timestamp::parse("2026-06-01T00:00:00Z").expect("a time");
    publish(&kz, &[note(1, "kz", 0, &asking(&["KG"], Some(past)))]).await;
    let alarms = async |node: &Running| -> Vec<String> {
        let status: Status = node.status().await;
        status.alarms.into_iter().map(|alarm| alarm.kind).collect()
    };
    assert_eq!(alarms(&kz).await, ["request-overdue"]);
    for node in [&kg, &uz] {
        until_asked(node, note_id(1).as_str()).await;
    }
    assert_eq!(alarms(&kg).await, ["request-unanswered"]);
    assert!(alarms(&uz).await.is_empty(), "UZ was not asked");
    let no = AnswerRequest {
        status: "declined".into(),
        ..AnswerRequest::default()
    };
    answer(&kg, note_id(1).as_str(), &no).await;
    assert!(alarms(&kg).await.is_empty());
    until_said(&kz, note_id(1).as_str(), 1).await;
    assert!(alarms(&kz).await.is_empty());

    // A question that is withdrawn asks nobody any more, and its answers wait for nothing.
    let taken_back = node::admin::types::WithdrawRequest {
        channel: ALERTS.into(),
        ids: vec![note_id(1).to_string()],
        reason: "asked by telephone".into(),
        who: "aida".into(),
    };
    let _: node::admin::types::WithdrawReport = kz.post("/withdraw", &taken_back).await;
    kg.until(async || {
        let page: RequestsPage = kg.get("/requests").await;
        page.requests.is_empty()
    })
    .await;
}
