//! A new version of an accord: it binds who signs it, and whom it leaves out is out at once.

extern crate kurultai_node as node;

mod world;

use policy::{Accord, Member, SignedAccord};
use sync::FetchError;
use world::{
    Running, accord, bundle, channel, indicator, indicator_id, prepare, ratified, ratified_text,
    within,
};

const GREEN: &str = "TLP:GREEN//REL KZ,KG,UZ";

/// The next version, signed by these nodes.
fn next(node: &Running, accord: Accord, by: &[&Running]) -> Vec<u8> {
    let held = node
        .node
        .accords()
        .get(world::ACCORD)
        .expect("held")
        .digest();
    let accord = Accord {
        version: 2,
        previous: Some(held),
        ..accord
    };
    let mut signed = SignedAccord::new(accord).expect("a well-formed accord");
    for running in by {
        let root = running.node.keys().root().expect("root key");
        signed.ratify(root).expect("ratified");
    }
    signed.to_string().into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_left_out_gets_nothing_more() {
    let (kz, kg, uz) = (
        prepare("KZ", "").await,
        prepare("KG", "").await,
        prepare("UZ", "").await,
    );
    let note = ratified(
        &[&kz, &kg, &uz],
        vec![channel("alerts", &["KZ", "KG", "UZ"])],
    );
    let kz = kz.start(Some(&note)).await;
    let kg = kg.start(Some(&note)).await;
    let uz = uz.start(Some(&note)).await;
    kz.add(&bundle(&[indicator(1, ""), indicator(2, "")]), GREEN)
        .await;
    kz.release("steppe/alerts", &[&indicator_id(1)]).await;
    kg.until_shown("steppe/alerts", &[&indicator_id(1)]).await;
    uz.until_shown("steppe/alerts", &[&indicator_id(1)]).await;

    let door = uz.peer_of(&kz);
    let checkpoint = "/log/steppe/alerts/checkpoint";
    assert!(door.get(checkpoint, 1 << 20).await.is_ok());
    let mut news = door.events().await.expect("stream");
    assert_eq!(
        within(news.next())
            .await
            .expect("event")
            .expect("open")
            .size,
        1
    );

    let text = accord(
        &[kz.node.me(), kg.node.me()],
        vec![channel("alerts", &["KZ", "KG"])],
    );
    let second = next(&kz, text.accord().clone(), &[&kg]);
    // Signed by a partner alone it binds nobody here.
    kz.node
        .offer_accord(second.clone(), false, "aida")
        .await
        .expect("waits");
    assert!(door.get(checkpoint, 1 << 20).await.is_ok());
    assert_eq!(
        kz.node
            .accords()
            .get("steppe")
            .expect("held")
            .accord()
            .version,
        1
    );

    kz.node
        .offer_accord(second.clone(), true, "aida")
        .await
        .expect("ratified");
    kg.node
        .offer_accord(second, true, "bek")
        .await
        .expect("ratified");
    // On the connection that is still open: as if there were nothing.
    assert_eq!(
        door.get(checkpoint, 1 << 20).await,
        Err(FetchError::NotFound)
    );
    // And a new one is not let in.
    let again = uz.peer_of(&kz).get(checkpoint, 1 << 20).await;
    assert!(
        matches!(
            again,
            Err(FetchError::Unreachable { .. } | FetchError::Broken { .. })
        ),
        "{again:?}"
    );
    kz.release("steppe/alerts", &[&indicator_id(2)]).await;
    kg.until_shown("steppe/alerts", &[&indicator_id(1), &indicator_id(2)])
        .await;
    assert_eq!(uz.held("steppe/alerts", "KZ").await.expect("held").size, 1);

    // Both versions survive a restart as what they are: the second counts.
    let kz = kz.restart().await;
    let held = kz.node.accords();
    let held = held.get("steppe").expect("held");
    assert_eq!((held.accord().version, held.ratified().len()), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_joins_a_channel_whose_past_was_not_released_to_it() {
    let (kz, kg, uz) = (
        prepare("KZ", "").await,
        prepare("KG", "").await,
        prepare("UZ", "").await,
    );
    let all = [&kz.member, &kg.member, &uz.member].map(Clone::clone);
    let two = vec![
        channel("alerts", &["KZ", "KG"]),
        channel("open", &["KZ", "KG"]),
    ];
    let note = ratified(&[&kz, &kg, &uz], two);
    let kz = kz.start(Some(&note)).await;
    kz.add(&bundle(&[indicator(1, "")]), "TLP:GREEN//REL KZ,KG")
        .await;
    kz.add(&bundle(&[indicator(2, "")]), GREEN).await;
    kz.release("steppe/alerts", &[&indicator_id(1)]).await;
    kz.release("steppe/open", &[&indicator_id(2)]).await;

    let members: Vec<_> = all.iter().collect();
    let wider = |names: &[&str]| {
        let channels = ["alerts", "open"].map(|name| {
            let three: &[&str] = &["KZ", "KG", "UZ"];
            channel(
                name,
                if names.contains(&name) {
                    three
                } else {
                    &three[..2]
                },
            )
        });
        accord(&members, channels.into()).accord().clone()
    };
    // Withdrawn or not, the entry is in the log for whoever reads the log.
    let alerts = next(&kz, wider(&["alerts"]), &[]);
    let refused = kz.node.offer_accord(alerts.clone(), true, "aida").await;
    let why = refused.err().expect("refused").to_string();
    assert!(why.contains("entry 0"), "{why}");
    let version = || {
        let accords = kz.node.accords();
        accords.get("steppe").expect("held").accord().version
    };
    assert_eq!(version(), 1);

    let mut exercise = wider(&[]);
    exercise.channels[0].exercise = true;
    let exercise = next(&kz, exercise, &[]);
    assert!(kz.node.offer_accord(exercise, true, "aida").await.is_err());

    let open = next(&kz, wider(&["open"]), &[]);
    kz.node
        .offer_accord(open, true, "aida")
        .await
        .expect("all of it was released to UZ, too");
    assert_eq!(version(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joins_a_group_does_not_get_what_was_released_to_it_before() {
    let (kz, kg, uz) = (
        prepare("KZ", "").await,
        prepare("KG", "").await,
        prepare("UZ", "").await,
    );
    let all = [&kz.member, &kg.member, &uz.member].map(Clone::clone);
    let members: Vec<_> = all.iter().collect();
    let draft = |codes: &[&str]| {
        let codes: std::collections::BTreeSet<String> =
            codes.iter().map(|code| (*code).to_owned()).collect();
        let mut channel = channel("alerts", &["KZ", "KG"]);
        channel.members = codes.clone();
        let mut draft = accord(&members, vec![channel]).accord().clone();
        draft.groups.push(policy::Group {
            name: "east".to_owned(),
            members: codes,
        });
        draft
    };
    let first = ratified_text(&[&kz, &kg], draft(&["KZ", "KG"]));
    let kz = kz.start(Some(&first)).await;
    kz.add(&bundle(&[indicator(1, "")]), "TLP:GREEN//REL @steppe/east")
        .await;
    kz.release("steppe/alerts", &[&indicator_id(1)]).await;
    // With UZ in the group, the label would let it have the entry; it was not released to UZ.
    let wider = next(&kz, draft(&["KZ", "KG", "UZ"]), &[]);
    let refused = kz.node.offer_accord(wider, true, "aida").await;
    let why = refused.err().expect("refused").to_string();
    assert!(why.contains("entry 0"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_means_what_the_accord_at_hand_says() {
    let (kz, kg, other) = (
        prepare("KZ", "").await,
        prepare("KG", "").await,
        prepare("KG", "").await,
    );
    let note = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    let with = |member: &Member| {
        let news = vec![channel("news", &["KZ", "KG"])];
        let text = accord(&[&kz.member, member], news);
        Accord {
            name: "elsewhere".to_owned(),
            ..text.accord().clone()
        }
    };
    // One accord calls somebody else KG; in another KG has a second node.
    let stranger = ratified_text(&[&kz, &other], with(&other.member));
    let second = Member {
        tls: other.member.tls,
        ..kg.member.clone()
    };
    let elsewhere = ratified_text(&[&kz, &kg], with(&second));
    let kz = kz.start(Some(&note)).await;
    let kg = kg.start(Some(&note)).await;
    let other = other.start(None).await;
    let refused = kz.node.offer_accord(stranger.into(), false, "aida").await;
    let why = refused.err().expect("refused").to_string();
    assert!(why.contains("another root key"), "{why}");
    kz.node
        .offer_accord(elsewhere.into(), false, "aida")
        .await
        .expect("installed");
    kz.add(&bundle(&[indicator(1, "")]), "TLP:GREEN//REL KZ,KG")
        .await;
    kz.release("steppe/alerts", &[&indicator_id(1)]).await;
    kz.release("elsewhere/news", &[&indicator_id(1)]).await;

    let (kg, other) = (kg.peer_of(&kz), other.peer_of(&kz));
    for (peer, log, sees) in [
        (&kg, "steppe/alerts", true),
        (&kg, "elsewhere/news", false),
        (&other, "elsewhere/news", true),
        (&other, "steppe/alerts", false),
    ] {
        let answer = peer.get(&format!("/log/{log}/checkpoint"), 1 << 20).await;
        assert_eq!(answer.is_ok(), sees, "{log}: {answer:?}");
        let name = log.split('/').next().expect("an accord");
        let answer = peer.accord(name).await;
        assert_eq!(answer.is_ok(), sees, "{name}: {answer:?}");
    }
}
