//! The nation under attack, and how an attempt is judged.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::body::Body;
use hyper::Method;
use log::tile::{Kind, TilePath};
use node::admin::types::{
    AddReport, ApprovalRequest, AuditPage, AuditRecord, ObjectResult, ProposalView, ReleaseReport,
    ReleaseRequest, Selection,
};
use policy::{Attribution, Channel, Group, Hide, SignedPolicy};
use store::{Collection, Query};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::case::Book;
pub(crate) use crate::case::{Answer, Case, password_of};
use crate::world::{Running, accord, bundle, channel, collection, prepare, ratified_text, within};

pub(crate) const ALERTS: &str = "steppe/alerts";
pub(crate) const REGION: &str = "steppe/region";
pub(crate) const DRILL: &str = "steppe/drill";
pub(crate) const FEED: &str = "steppe/feed";
pub(crate) const QUIET: &str = "steppe/quiet";

pub(crate) const GREEN: &str = "TLP:GREEN//REL KG,KZ,UZ";
/// What is about a person and may leave once two have approved it.
pub(crate) const BASIS: &str = "TLP:GREEN//REL KG,KZ,UZ//LEGAL court-order";

/// LIMIT: looks for a record, 50 ms apart; some are written by a task.
const ACCOUNT_TRIES_MAX: u32 = 100;

const SETTINGS: &str = r#"
[policy]
utc_offset = "+00:00"

[[release]]
accord = "steppe"
channel = "feed"
mode = "auto"
kinds = ["tool"]
ceiling = "TLP:GREEN"
"#;

/// The leak rules of the nation's own policy set.
const LEAKS: &str = r#"
[[terms]]
name = "sources"
list = ["SILVER HERON"]

[references]
unreleased = "block"
unknown = "warn"
"#;

const PROFILES: &str = r#"
[profile.public]
about = "only what stands above the tear line"

[[profile.public.rule]]
do = "tear"
types = ["course-of-action"]
at = ["/description"]
"#;

const TORN: &str = r#"
@id("measures-torn")
@explain("measures leave without what stands below their tear line")
@redact("public")
permit (principal is Person, action == Action::"release", resource)
when { resource.kind == "course-of-action" };
"#;

pub(crate) struct Nation {
    pub(crate) kz: Running,
    pub(crate) kg: Running,
    ahead: Arc<AtomicI64>,
    pub(crate) aida: String,
    pub(crate) bek: String,
    pub(crate) cem: String,
    pub(crate) dina: String,
    pub(crate) oleg: String,
    numbers: u32,
    book: Book,
}

impl Nation {
    pub(crate) async fn new() -> Nation {
        let ahead = Arc::new(AtomicI64::new(0));
        // Noon, so that the shipped quiet hours do not depend on when the test runs.
        let day = 86_400_000_000;
        let now = node::Clock::system().micros();
        ahead.store(day / 2 - now.rem_euclid(day), Ordering::Relaxed);
        let kz = prepare("KZ", SETTINGS).await;
        let (kg, uz) = (prepare("KG", "").await, prepare("UZ", "").await);
        let all = ["KZ", "KG", "UZ"];
        let members = [&kz.member, &kg.member, &uz.member];
        let channels = vec![
            channel("alerts", &["KZ", "KG"]),
            channel("region", &all),
            Channel {
                exercise: true,
                ..channel("drill", &["KZ", "KG"])
            },
            channel("feed", &["KZ", "KG"]),
            Channel {
                attribution: Attribution::Member,
                hide: Some(Hide {
                    round_minutes: 60,
                    window_minutes: 60,
                    pad_bytes: 1_024,
                }),
                ..channel("quiet", &["KZ", "KG"])
            },
        ];
        let plain = vec![channel("alerts", &["KZ", "KG"])];
        let mut text = accord(&members, plain).accord().clone();
        text.channels = channels;
        text.obligations.non_attribution = true;
        text.groups = vec![Group {
            name: "east".into(),
            members: ["KG".to_owned()].into(),
        }];
        let note = ratified_text(&[&kz, &kg, &uz], text);
        let kz = kz.start_at(Some(&note), Arc::clone(&ahead)).await;
        let kg = kg.start_at(Some(&note), Arc::clone(&ahead)).await;
        let aida = kz.person("aida", &["releaser", "approver"]).await;
        let bek = kz.person("bek", &["approver"]).await;
        let cem = kz.person("cem", &["approver"]).await;
        let dina = kz.person("dina", &["analyst"]).await;
        let oleg = kz.person("oleg", &["operator"]).await;
        let nation = Nation {
            kz,
            kg,
            ahead,
            aida,
            bek,
            cem,
            dina,
            oleg,
            numbers: 1_000,
            book: Book::default(),
        };
        nation.put_own_policy_in_force().await;
        nation
    }

    pub(crate) fn book(&self) -> &Book {
        &self.book
    }

    /// Sets the clocks of both nodes so much ahead of where they are.
    pub(crate) fn pass(&self, minutes: i64) {
        self.ahead
            .fetch_add(minutes * 60_000_000, Ordering::Relaxed);
    }

    /// The files of the set in force.
    pub(crate) fn policy_files(&self) -> std::collections::BTreeMap<String, Vec<u8>> {
        self.kz.node.policy().set().files().clone()
    }

    async fn put_own_policy_in_force(&self) {
        let mut files = self.policy_files();
        files.insert("leak.toml".into(), LEAKS.into());
        files.insert("redact.toml".into(), PROFILES.into());
        files.insert("torn.cedar".into(), TORN.into());
        let set = policy::PolicySet::read(files).expect("a set");
        let signed = self.signed(set);
        let answer = self.activate(&signed.note(), signed.set().files()).await;
        assert_eq!(answer.kind, "200", "{answer:?}");
    }

    /// A set signed as the successor of the one in force.
    pub(crate) fn signed(&self, set: policy::PolicySet) -> SignedPolicy {
        let key = self.kz.node.keys();
        let key = key.policy().expect("the policy key");
        let policy = self.kz.node.policy();
        SignedPolicy::sign(set, policy.manifest(), key).expect("signed")
    }

    /// Tries to put a set in force, as the operator.
    pub(crate) async fn activate(
        &self,
        note: &str,
        files: &std::collections::BTreeMap<String, Vec<u8>>,
    ) -> Answer {
        let files: serde_json::Map<String, serde_json::Value> = files
            .iter()
            .map(|(path, bytes)| (path.clone(), String::from_utf8_lossy(bytes).into()))
            .collect();
        let body = serde_json::json!({"manifest": note, "files": files});
        self.post(None, "/policy/activate", &body).await
    }

    /// Begins an attempt.
    pub(crate) async fn begin(&mut self, name: &'static str) -> Case {
        self.numbers += 1;
        let page: AuditPage = self.kz.get("/audit?limit=1").await;
        Case {
            name,
            number: self.numbers,
            audit: page.size,
        }
    }

    /// Judges an attempt that is about the case's own secret and object.
    pub(crate) async fn judge(
        &mut self,
        case: &Case,
        answer: Answer,
        wanted: (&str, &str),
        audit: (&str, &str),
    ) {
        let secrets = [case.secret(), format!("{:012}", case.number)];
        self.judge_keeping(case, answer, wanted, audit, &secrets)
            .await;
    }

    /// Judges an attempt: its answer is of this kind with these words, a record of this sort says
    /// so, and none of this is outside.
    pub(crate) async fn judge_keeping(
        &mut self,
        case: &Case,
        answer: Answer,
        (kind, says): (&str, &str),
        (what, accounts): (&str, &str),
        protected: &[String],
    ) {
        let mut wrong = Vec::new();
        if answer.kind != kind || !answer.words.contains(says) {
            wrong.push(format!(
                "answered {}: {:?}; expected {kind}: {says:?}",
                answer.kind, answer.words
            ));
        }
        match self.account(case, what, accounts).await {
            Ok(_) => self.book.accounted += 1,
            Err(records) => wrong.push(format!(
                "no record {what:?} with {accounts:?} among {records:?}"
            )),
        }
        let outside = self.outside().await;
        for secret in protected {
            if outside.contains(secret.as_str()) {
                wrong.push(format!("{secret:?} is outside"));
            }
            self.book.protected.push((secret.clone(), case.name));
        }
        if !self.book.names.insert(case.name) {
            wrong.push("its name is taken".to_owned());
        }
        for why in wrong {
            eprintln!("- {} ({:04}): {why}", case.name, case.number);
            self.book
                .failures
                .push(format!("- {} ({:04}): {why}", case.name, case.number));
        }
    }

    /// The record of this sort since the attempt began: who, why, and under which policy where it
    /// was a decision. Some are written by a task, so it is waited for.
    async fn account(
        &self,
        case: &Case,
        what: &str,
        accounts: &str,
    ) -> Result<AuditRecord, Vec<String>> {
        let mut tries = 0;
        loop {
            let page: AuditPage = self.kz.get(&format!("/audit?from={}", case.audit)).await;
            let records: Vec<AuditRecord> =
                page.records.into_iter().map(|line| line.record).collect();
            let fits = |record: &&AuditRecord| {
                record.what == what
                    && !record.who.is_empty()
                    && !record.why.is_empty()
                    && serde_json::to_string(record).is_ok_and(|text| text.contains(accounts))
            };
            if let Some(record) = records.iter().find(fits) {
                return Ok(record.clone());
            }
            tries += 1;
            if tries > ACCOUNT_TRIES_MAX {
                let said = |record: &AuditRecord| format!("{}: {}", record.what, record.why);
                return Err(records.iter().map(said).collect());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Everything of this nation that is or may be outside: its logs' entries, the objects in
    /// them, and the outgoing forms.
    pub(crate) async fn outside(&self) -> String {
        let read = self.kz.node.read(|store| {
            let mut text = String::new();
            let mut collections = vec![Collection::Forms];
            for (log, head) in store.heads()? {
                if log.origin != "KZ" || log.accord == "local" {
                    continue;
                }
                collections.push(log.collection());
                for bundle in 0..head.size.div_ceil(256) {
                    let path = TilePath::at(Kind::Entries, bundle, head.size);
                    let bytes = match path {
                        Some(path) => store.tile(&log, &path)?,
                        None => None,
                    };
                    text += &String::from_utf8_lossy(&bytes.unwrap_or_default());
                }
            }
            for collection in collections {
                let mut query = Query {
                    all_versions: true,
                    limit: 1_000,
                    ..Query::default()
                };
                loop {
                    let page = store.page(&collection, &query)?;
                    query.after = page.records.last().map(|record| record.seq);
                    let own = page
                        .records
                        .into_iter()
                        .filter(|record| record.log.as_ref().is_none_or(|log| log.origin == "KZ"));
                    let own: Vec<_> = own.collect();
                    for body in store.bodies(&own)? {
                        text += &String::from_utf8_lossy(&body);
                    }
                    if !page.more {
                        break;
                    }
                }
            }
            Ok(text)
        });
        read.await.expect("reads")
    }

    /// What the partner has got over the real transport holds nothing of it either.
    pub(crate) async fn partner_holds_nothing_protected(&mut self) {
        let mut got = String::new();
        for channel in [ALERTS, REGION, DRILL, FEED, QUIET] {
            if let Some(head) = self.kz.held(channel, "KZ").await {
                self.kg
                    .until(async || {
                        let held = self.kg.held(channel, "KZ").await;
                        held.is_some_and(|held| held.size == head.size)
                    })
                    .await;
                let path = TilePath::at(Kind::Entries, (head.size - 1) / 256, head.size);
                let path = format!("/log/{channel}/{}", path.expect("a path"));
                let door = self.kg.peer_of(&self.kz);
                let raw = door.get(&path, 1 << 20).await.expect("entries");
                got += &String::from_utf8_lossy(&raw);
            }
            let records = self.kg.shown(&collection(channel)).await;
            let theirs = records
                .into_iter()
                .filter(|record| record.log.as_ref().is_some_and(|log| log.origin == "KZ"));
            let theirs: Vec<_> = theirs.collect();
            let bodies = self.kg.node.read(move |store| store.bodies(&theirs)).await;
            for body in bodies.expect("bodies") {
                got += &String::from_utf8_lossy(&body);
            }
        }
        // Something has left, or this would prove nothing.
        assert!(got.contains("leaves-rightly"), "{}", got.len());
        for (secret, name) in std::mem::take(&mut self.book.protected) {
            if got.contains(&secret) {
                let failure = format!("- {name}: the partner holds {secret:?}");
                self.book.failures.push(failure);
            }
        }
    }

    /// One request to the admin API: as the operator's socket, or as whoever the header proves.
    pub(crate) async fn ask(
        &self,
        who: Option<&str>,
        method: Method,
        path: &str,
        body: impl Into<Body>,
    ) -> Answer {
        let (status, body) = match who {
            Some(who) => self.kz.ask_as(who, method, path, body).await,
            None => {
                let (status, _, body) = self.kz.ask(method, path, body).await;
                (status, body)
            }
        };
        Answer::of(status, &body)
    }

    pub(crate) async fn post(
        &self,
        who: Option<&str>,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Answer {
        let body = serde_json::to_vec(body).expect("json");
        self.ask(who, Method::POST, path, body).await
    }

    /// Adds objects at the socket; intake's refusals are an answer like any other.
    pub(crate) async fn add(&self, objects: &[String], label: &str) -> Answer {
        let label = label.replace('/', "%2F").replace(' ', "%20");
        let path = format!(
            "/objects?label={}",
            label.replace('+', "%2B").replace('&', "%26")
        );
        let answer = self.ask(None, Method::POST, &path, bundle(objects)).await;
        let Ok(report) = serde_json::from_str::<AddReport>(&answer.words) else {
            return answer;
        };
        match report.refusals.first() {
            Some(refusal) => Answer {
                kind: "not taken in".into(),
                words: format!("{}: {}", refusal.pointer, refusal.reason),
            },
            None => Answer {
                kind: "taken in".into(),
                words: answer.words,
            },
        }
    }

    /// Asks for the release of these ids; answers with what became of the first that was named.
    pub(crate) async fn release(&self, who: &str, channel: &str, ids: &[&str]) -> Answer {
        let selection = Selection {
            ids: ids.iter().map(ToString::to_string).collect(),
            ..Selection::default()
        };
        self.release_selected(who, channel, selection).await
    }

    pub(crate) async fn release_selected(
        &self,
        who: &str,
        channel: &str,
        selection: Selection,
    ) -> Answer {
        let named = selection.ids.first().cloned();
        let request = ReleaseRequest {
            channel: channel.into(),
            selection,
            ..ReleaseRequest::default()
        };
        let answer = self.post(Some(who), "/release", &request).await;
        let Ok(report) = serde_json::from_str::<ReleaseReport>(&answer.words) else {
            return answer;
        };
        let first = |result: &&ObjectResult| named.as_ref().is_none_or(|id| *id == result.id);
        let found = report.results.iter().find(first);
        match found.or(report.results.first()) {
            Some(result) => Answer {
                kind: format!("{:?}", result.outcome).to_lowercase(),
                words: result.why.join("; "),
            },
            None => Answer {
                kind: "nothing".into(),
                words: answer.words,
            },
        }
    }

    /// Adds the case's indicator and asks for its release into alerts.
    pub(crate) async fn try_out(&self, objects: &[String], label: &str, id: &str) -> Answer {
        let added = self.add(objects, label).await;
        if added.kind != "taken in" {
            return added;
        }
        self.release(&self.aida, ALERTS, &[id]).await
    }

    /// Proposes a person's release; answers with the proposal's name and digest.
    pub(crate) async fn propose(&self, case: &Case) -> (String, String) {
        let added = self.add(&[case.person(0)], BASIS).await;
        assert_eq!(added.kind, "taken in", "{added:?}");
        let id = case.id("identity");
        let answer = self.release(&self.aida, ALERTS, &[&id]).await;
        assert_eq!(answer.kind, "proposed", "{answer:?}");
        self.open_proposal_of(&id).await
    }

    /// The open proposal in which an object waits.
    pub(crate) async fn open_proposal_of(&self, id: &str) -> (String, String) {
        let open: Vec<node::admin::types::ProposalInfo> = self.kz.get("/approvals").await;
        for info in open.iter().filter(|info| info.state == "open") {
            let view: ProposalView = self.kz.get(&format!("/approvals/{}", info.id)).await;
            if view.items.iter().any(|item| item.id == id) {
                return (info.id.clone(), info.digest.clone());
            }
        }
        panic!("{id} waits in no proposal");
    }

    pub(crate) async fn approve(
        &self,
        who: Option<&str>,
        (id, digest): &(String, String),
    ) -> Answer {
        let request = ApprovalRequest {
            digest: digest.clone(),
            ..ApprovalRequest::default()
        };
        let answer = self
            .post(who, &format!("/approvals/{id}/approve"), &request)
            .await;
        match serde_json::from_str::<node::admin::types::ProposalInfo>(&answer.words) {
            Ok(info) => Answer {
                kind: info.state,
                words: format!("{} {}", info.why, info.missing),
            },
            Err(_) => answer,
        }
    }

    /// One request to the national listener.
    pub(crate) async fn national(
        &self,
        method: &str,
        path: &str,
        who: Option<&str>,
        body: &str,
    ) -> Answer {
        let mut stream = TcpStream::connect(self.kz.national).await.expect("connect");
        let who = who.map(|who| format!("Authorization: {who}\r\n"));
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/taxii+json;version=2.1\r\nContent-Type: application/taxii+json;version=2.1\r\nContent-Length: {}\r\n{}Connection: close\r\n\r\n{body}",
            body.len(),
            who.unwrap_or_default()
        );
        stream.write_all(request.as_bytes()).await.expect("write");
        let mut answer = Vec::new();
        within(stream.read_to_end(&mut answer)).await.expect("read");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let kind = answer.split(' ').nth(1).unwrap_or_default().to_owned();
        Answer {
            kind,
            words: answer,
        }
    }

    /// The partner releases these of its own into alerts, and the nation has got them.
    pub(crate) async fn partner_publishes(&self, objects: &[String], label: &str, ids: &[String]) {
        self.kg.add(&bundle(objects), label).await;
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let report = self.kg.release(ALERTS, &ids).await;
        assert!(report.released > 0, "{report:?}");
        let size = report.size;
        self.kz
            .until(async || {
                let held = self.kz.held(ALERTS, "KG").await;
                held.is_some_and(|held| held.size >= size)
            })
            .await;
    }

    /// A token of a user with these scopes: made by the operator, or by the person where it would
    /// decide in their name.
    pub(crate) async fn token(&self, name: &str, scopes: &[&str]) -> String {
        let body = serde_json::json!({"scopes": scopes});
        let decides = scopes
            .iter()
            .any(|scope| ["release", "approve"].contains(scope));
        let answer = match decides {
            false => {
                self.post(None, &format!("/users/{name}/token"), &body)
                    .await
            }
            true => {
                self.post(Some(&password_of(name)), "/auth/tokens", &body)
                    .await
            }
        };
        let reply = serde_json::from_str::<node::admin::types::TokenReply>(&answer.words);
        let Ok(reply) = reply else {
            panic!("{name}: {answer:?}");
        };
        format!("Bearer {}", reply.token)
    }

    /// The nation after a restart of its node.
    pub(crate) async fn restarted(self) -> Nation {
        let ahead = Arc::clone(&self.ahead);
        let kz = self.kz.restart_at(ahead).await;
        Nation { kz, ..self }
    }
}
