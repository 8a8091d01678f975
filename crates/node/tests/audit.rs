//! The audit log: what a search finds, what an export proves, and that no change of the log's files
//! goes unnoticed.

extern crate kurultai_node as node;

mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use log::{ExportHead, ExportLine};
use node::admin::types::{AuditCheck, AuditExportPage, AuditLine, AuditPage, AuditRecord};
use node::audit::{RecordOrder, audit_keys};
use node::{Clock, Config, Node};
use proptest::prelude::*;
use store::Command;
use world::{Running, prepare};

const WHO: [&str; 5] = ["anna", "boris", "automation", "operator (says anna)", "KG"];
const WHAT: [&str; 4] = ["release", "refuse", "query", "add"];
const CHANNEL: [&str; 4] = ["", "steppe/alerts", "steppe/alertsmore", "basin/water"];
const RULE: [&str; 3] = ["green-auto", "person-basis", "never"];

fn id(number: u32) -> String {
    format!("indicator--00000000-0000-4000-8000-{number:012}")
}

/// Records of every mixture, made from a number alone.
fn record(number: u32) -> AuditRecord {
    let of = |list: &[&str], by: u32| {
        list[((number * 7919 + by * 104_729) / 13) as usize % list.len()].to_owned()
    };
    AuditRecord {
        who: of(&WHO, 1),
        what: of(&WHAT, 2),
        channel: of(&CHANNEL, 3),
        objects: (0..number % 4).map(|one| id((number + one) % 17)).collect(),
        count: u64::from(number % 4),
        why: format!("Grund {} for case {}", number % 11, number % 3),
        policy: format!("pact v{}; national v{}", number % 3, number % 5),
        rules: (0..number % 3)
            .map(|one| RULE[one as usize].to_owned())
            .collect(),
        purpose: if number.is_multiple_of(5) {
            format!("Counter-terror {}", number % 2)
        } else {
            String::new()
        },
        ..AuditRecord::default()
    }
}

async fn alone(records: u32) -> Running {
    let kz = prepare("KZ", "").await.start(None).await;
    for from in (0..records).step_by(100) {
        let batch = (from..records.min(from + 100)).map(record).collect();
        kz.node.audit(batch).await.expect("accounted for");
    }
    // The start is accounted for by the server's own task.
    kz.until(async || {
        let page: AuditPage = kz.get("/audit?what=start").await;
        !page.records.is_empty()
    })
    .await;
    // The writer tidies up after a commit before it takes the next command.
    let settled = Command::Put {
        key: "test/settled".into(),
        value: None,
    };
    kz.node.execute(settled).await.expect("done");
    kz
}

async fn every(kz: &Running) -> Vec<AuditLine> {
    let mut all = Vec::new();
    let mut path = "/audit".to_owned();
    loop {
        let page: AuditPage = kz.get(&path).await;
        all.extend(page.records);
        match page.next {
            Some(next) => path = format!("/audit?from={next}"),
            None => return all,
        }
    }
}

/// A query and what it means, said a second time in the plainest way.
#[derive(Clone, Debug)]
struct Asked {
    who: Option<String>,
    what: Vec<String>,
    channel: Option<String>,
    object: Option<String>,
    why: Option<String>,
    rule: Option<String>,
    policy: Option<String>,
    purpose: Option<String>,
    times: Option<(usize, usize)>,
    newest: bool,
    limit: u64,
}

impl Asked {
    fn path(&self, all: &[AuditLine]) -> String {
        let mut path = format!("/audit?limit={}&newest={}", self.limit, self.newest);
        let mut add = |name: &str, value: &Option<String>| {
            if let Some(value) = value {
                path += &format!("&{name}={}", value.replace(' ', "%20").replace(';', "%3B"));
            }
        };
        add("who", &self.who);
        add("channel", &self.channel);
        add("object", &self.object);
        add("why", &self.why);
        add("rule", &self.rule);
        add("policy", &self.policy);
        add("purpose", &self.purpose);
        let what = (!self.what.is_empty()).then(|| self.what.join(","));
        add("what", &what);
        if let Some((from, to)) = self.times {
            add("since", &Some(all[from % all.len()].record.at.clone()));
            add("until", &Some(all[to % all.len()].record.at.clone()));
        }
        path
    }

    fn wants(&self, record: &AuditRecord, all: &[AuditLine]) -> bool {
        let by = |who: &String| {
            *who == record.who
                || record.who == format!("operator (says {who})")
                || (who == "operator" && record.who.starts_with("operator (says "))
        };
        let here = |name: &String| {
            *name == record.channel || record.channel.starts_with(&format!("{name}/"))
        };
        let part = |wanted: &Option<String>, text: &String| {
            wanted
                .as_ref()
                .is_none_or(|wanted| text.to_lowercase().contains(&wanted.to_lowercase()))
        };
        self.who.as_ref().is_none_or(by)
            && (self.what.is_empty() || self.what.contains(&record.what))
            && self.channel.as_ref().is_none_or(here)
            && self
                .object
                .as_ref()
                .is_none_or(|id| record.objects.contains(id))
            && self
                .rule
                .as_ref()
                .is_none_or(|rule| record.rules.contains(rule))
            && part(&self.why, &record.why)
            && part(&self.policy, &record.policy)
            && part(&self.purpose, &record.purpose)
            && self.times.is_none_or(|(from, to)| {
                // These times are all of one form and one year, so their texts compare as they do.
                let time = |at: &str| model::Timestamp::parse(at).expect("time").unix_micros();
                time(&record.at) >= time(&all[from % all.len()].record.at)
                    && time(&record.at) < time(&all[to % all.len()].record.at)
            })
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    let some = |list: &'static [&'static str]| {
        prop::option::weighted(0.4, prop::sample::select(list).prop_map(str::to_owned))
    };
    (
        some(&[
            "anna",
            "boris",
            "operator",
            "nobody",
            "operator (says anna)",
            "ann",
        ]),
        prop::collection::vec(
            prop::sample::select(&WHAT[..]).prop_map(str::to_owned),
            0..3,
        ),
        some(&["steppe", "steppe/alerts", "basin", "steppe/alert", "water"]),
        prop::option::weighted(0.3, (0u32..20).prop_map(id)),
        some(&["GRUND 1", "case 2", "for", "zzz"]),
        some(&RULE),
        some(&["v3", "national v1", "PACT V2"]),
        (
            some(&["counter", "terror 1", "tax"]),
            prop::option::weighted(0.3, (0usize..2000, 0usize..2000)),
        ),
        any::<bool>(),
        1u64..40,
    )
        .prop_map(
            |(who, what, channel, object, why, rule, policy, (purpose, times), newest, limit)| {
                Asked {
                    who,
                    what,
                    channel,
                    object,
                    why,
                    rule,
                    policy,
                    purpose,
                    times,
                    newest,
                    limit,
                }
            },
        )
}

#[test]
fn a_search_finds_what_a_naive_filter_finds_in_either_direction() {
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let (kz, all) = runtime.block_on(async {
        let kz = alone(700).await;
        let all = every(&kz).await;
        (kz, all)
    });
    assert!(all.len() >= 700);
    assert!(
        all.iter()
            .enumerate()
            .all(|(at, line)| line.index == at as u64)
    );
    proptest!(ProptestConfig::with_cases(120), |(asked in asked())| {
        let mut expected: Vec<AuditLine> =
            all.iter().filter(|line| asked.wants(&line.record, &all)).cloned().collect();
        if asked.newest {
            expected.reverse();
        }
        // Page after page, whatever the pages' size.
        let found = runtime.block_on(async {
            let mut found = Vec::new();
            let base = asked.path(&all);
            let mut path = base.clone();
            loop {
                let page: AuditPage = kz.get(&path).await;
                assert!(page.records.len() as u64 <= asked.limit);
                found.extend(page.records);
                match page.next {
                    Some(next) if asked.newest => path = format!("{base}&before={next}"),
                    Some(next) => path = format!("{}&from={next}", base.replace("&newest=false", "")),
                    None => return found,
                }
            }
        });
        // Records written meanwhile (a start, say) are not in what is compared.
        let found: Vec<AuditLine> = found.into_iter().filter(|line| line.index < all.len() as u64).collect();
        prop_assert_eq!(found, expected);
    });
}

/// All pages of an export as the file's lines.
async fn exported(kz: &Running, query: &str) -> Vec<String> {
    let first: AuditExportPage = kz.get(&format!("/audit/export?{query}")).await;
    let (size, mut next) = (first.size, first.next);
    let mut lines: Vec<String> = first.head.into_iter().chain(first.lines).collect();
    while let Some(from) = next {
        let page: AuditExportPage = kz
            .get(&format!("/audit/export?{query}&size={size}&from={from}"))
            .await;
        assert_eq!((page.size, page.head), (size, None));
        lines.extend(page.lines);
        next = page.next;
    }
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_proves_every_record_and_is_itself_accounted_for() {
    let kz = alone(600).await;
    let keys = audit_keys(kz.node.me()).expect("keys");
    for query in [
        "",
        "who=anna",
        "rule=person-basis&what=query",
        "what=nothing",
        "purpose=terror%201",
    ] {
        let all = every(&kz).await;
        let lines = exported(&kz, query).await;
        let head = ExportHead::parse(lines[0].as_bytes()).expect("head");
        let (checkpoint, _) = head.open(&keys).expect("signed");
        let mut order = RecordOrder::default();
        let mut found = Vec::new();
        for line in &lines[1..] {
            let Ok(ExportLine::Record(proved)) = ExportLine::parse(line.as_bytes()) else {
                panic!("{line}");
            };
            proved.verify(&checkpoint).expect("proved");
            let record = order.check(proved.record).expect("in order");
            found.push(AuditLine {
                index: proved.index,
                record,
            });
        }
        let searched: AuditPage = kz.get(&format!("/audit?{query}")).await;
        let searched: Vec<AuditLine> = searched
            .records
            .into_iter()
            .filter(|line| line.index < checkpoint.size())
            .collect();
        assert_eq!(found, searched, "{query}");
        // The export's own record is under the checkpoint that it proves with.
        let own: AuditPage = kz
            .get(&format!("/audit?what=export&from={}", all.len()))
            .await;
        assert_eq!(own.records.len(), 1, "{query}");
        assert!(own.records[0].index < checkpoint.size());
        assert_eq!(own.records[0].record.who, "operator");
    }
    let who: AuditPage = {
        let _: AuditExportPage = kz.get("/audit/export?what=stop&by=anna").await;
        kz.get("/audit?what=export&who=anna").await
    };
    assert_eq!(who.records[0].record.who, "operator (says anna)");
    assert_eq!(who.records[0].record.why, "what=stop");
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_changed_file_of_the_log_goes_unnoticed() {
    let kz = alone(700).await;
    let folder = kz.folder.path().join("data/logs/local/audit/KZ");
    let check: AuditCheck = kz.post("/audit/verify", &()).await;
    assert!(check.holds, "{:?}", check.findings);
    assert!(
        check.notes.iter().any(|note| note.contains("no partner")),
        "{:?}",
        check.notes
    );
    let mut all = Vec::new();
    files(&folder, &mut all);
    // The copy of the checkpoint is for readers of the folder alone: `kurultai verify` checks it.
    all.retain(|path| !path.ends_with("checkpoint"));
    assert!(all.len() >= 7, "{all:?}");
    let mut seed = 0x5eed_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize
    };
    let mut noticed = 0;
    for path in &all {
        let original = std::fs::read(path).expect("file");
        let mut damages: Vec<Option<Vec<u8>>> = vec![None, Some(Vec::new())];
        damages.push(Some(original[..original.len() / 2].to_vec()));
        damages.push(Some([original.as_slice(), b"x"].concat()));
        for _ in 0..6 {
            let mut flipped = original.clone();
            let at = random() % flipped.len();
            flipped[at] ^= 1 << (random() % 8);
            damages.push(Some(flipped));
        }
        // A record said otherwise, in its own length.
        let text = String::from_utf8_lossy(&original).into_owned();
        if text.contains("boris") {
            let at = original
                .windows(5)
                .position(|five| five == b"boris")
                .expect("is there");
            let mut edited = original.clone();
            edited[at..at + 5].copy_from_slice(b"other");
            damages.push(Some(edited));
        }
        for damaged in damages {
            match &damaged {
                None => std::fs::remove_file(path).expect("removed"),
                Some(bytes) => std::fs::write(path, bytes).expect("written"),
            }
            let check: AuditCheck = kz.post("/audit/verify", &()).await;
            assert!(
                !check.holds,
                "{}: {:?}",
                path.display(),
                damaged.map(|bytes| bytes.len())
            );
            noticed += 1;
            std::fs::write(path, &original).expect("restored");
        }
    }
    assert!(noticed > 60, "{noticed}");
    let check: AuditCheck = kz.post("/audit/verify", &()).await;
    assert!(check.holds, "{:?}", check.findings);
    // And all of it is there after a restart.
    let before = every(&kz).await;
    let kz = kz.restart().await;
    let after = every(&kz).await;
    assert_eq!(after[..before.len()], before[..]);
}

/// A frame of the journal with its place, as docs/protocol.md describes it.
fn frames(segment: &[u8]) -> Vec<(usize, usize, usize)> {
    let mut frames = Vec::new();
    let mut at = 0;
    while at + 24 <= segment.len() {
        let length = |at: usize| u32::from_be_bytes(segment[at..at + 4].try_into().expect("four"));
        let (header, data) = (length(at) as usize, length(at + 4) as usize);
        frames.push((at, header, data));
        at += 24 + header + data;
    }
    frames
}

/// Whoever changes a record in the journal and makes its checksum good again is found out when the
/// index is made anew from it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_journal_is_noticed_when_it_is_read_again() {
    use sha2::{Digest, Sha256};
    let kz = alone(5).await;
    let folder = Arc::clone(&kz.folder);
    let data = folder.path().join("data");
    kz.node.shut_down();
    let dir = data.clone();
    kz.restart_after(move |_| {
        let segment = std::fs::read_dir(dir.join("journal"))
            .expect("journal")
            .map(|entry| entry.expect("entry").path())
            .next()
            .expect("one segment");
        let mut bytes = std::fs::read(&segment).expect("segment");
        let all = frames(&bytes);
        let (at, header, length) = *all
            .iter()
            .find(|(at, header, length)| {
                let data = &bytes[at + 24 + header..at + 24 + header + length];
                data.windows(5).any(|five| five == b"boris")
            })
            .expect("a record by boris");
        let start = at + 24 + header;
        let found = bytes[start..start + length]
            .windows(5)
            .position(|five| five == b"boris")
            .expect("there");
        bytes[start + found..start + found + 5].copy_from_slice(b"other");
        let digest = Sha256::digest(&bytes[at + 24..start + length]);
        bytes[at + 8..at + 24].copy_from_slice(&digest[..16]);
        std::fs::write(&segment, bytes).expect("written");
    })
    .await
    .node
    .shut_down();
    // Wait until the folder is free again.
    let config = Config::load(&data).expect("config");
    let options = store::Options::new(Clock::system().as_fn());
    let rebuilt = loop {
        match store::rebuild(&data, options.clone()) {
            Err(store::StoreError::Locked { .. }) => tokio::task::yield_now().await,
            other => break other,
        }
    };
    let Ok(_) = rebuilt else { return };
    let Ok(node) = Node::open(config, Clock::system()) else {
        return;
    };
    let check = node.audit_verify().await.expect("checked");
    assert!(!check.holds, "{check:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_stand_in_the_order_of_their_times() {
    let prepared = prepare("KZ", "").await;
    let folder = prepared.folder();
    let data = folder.path().join("data");
    drop(prepared);
    let now = Arc::new(AtomicI64::new(1_790_000_000_000_000));
    let open = || {
        let now = Arc::clone(&now);
        let clock = Clock::from_fn(move || now.fetch_add(10, Ordering::SeqCst));
        Node::open(Config::load(&data).expect("config"), clock).expect("opens")
    };
    let node = open();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        let node = Arc::clone(&node);
        tasks.spawn(async move { node.audit(vec![record(number)]).await });
    }
    for written in tasks.join_all().await {
        written.expect("accounted for");
    }
    assert!(node.audit_verify().await.expect("checked").holds);
    drop(node);
    // The clock is set back between two runs: the log says so itself.
    now.fetch_sub(3_600_000_000, Ordering::SeqCst);
    let node = open();
    node.audit(vec![record(1)]).await.expect("accounted for");
    let check = node.audit_verify().await.expect("checked");
    assert!(check.holds, "{:?}", check.findings);
    let query = node::admin::types::AuditQuery {
        what: Some("clock".into()),
        ..Default::default()
    };
    let page = node.audit_search(&query).await.expect("page");
    assert_eq!(page.records.len(), 1);
    assert!(page.records[0].record.why.contains("set back"), "{page:?}");
}

#[test]
fn a_time_that_goes_back_without_a_word_is_found() {
    let line = |at: &str, what: &str| {
        format!(r#"{{"at":"{at}","count":0,"what":"{what}","who":"x"}}"#).into_bytes()
    };
    let mut order = RecordOrder::default();
    assert!(order.check(&line("2026-01-01T00:00:02Z", "add")).is_ok());
    assert!(order.check(&line("2026-01-01T00:00:02Z", "add")).is_ok());
    assert!(order.check(&line("2026-01-01T00:00:01Z", "clock")).is_ok());
    assert!(order.check(&line("2026-01-01T00:00:00Z", "add")).is_err());
    assert!(order.check(b"{\"what\": \"add\"}").is_err());
    assert!(order.check(&line("yesterday", "add")).is_err());
    assert!(order.check(b"[]").is_err());
}
