//! `kurultai feed` end to end, and kill -9 in the middle of a pull and of a push: nothing is lost and
//! nothing is there twice.

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use common::{Run, Server, envelope, fed, member, note, note_id, on, pair};
use serde_json::Value;

/// Objects in one page of the outside server.
const PAGE: u64 = 20;
/// Objects that it has.
const ALL: u64 = 400;

/// What an outside server was asked and told.
#[derive(Default)]
struct Seen {
    /// Pages that it was asked for, or requests that wrote.
    asked: u64,
    /// Objects that were written and not deleted, with how often they were written.
    held: BTreeMap<String, u64>,
}

/// A TAXII server with one collection.
struct Outside {
    base: String,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

impl Outside {
    fn start() -> Outside {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new((Mutex::new(Seen::default()), Condvar::new()));
        let kept = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                // One that breaks off is of no interest: the node was killed.
                std::thread::spawn(move || serve(stream, &kept));
            }
        });
        Outside { base, seen }
    }

    /// Waits until it was asked so often.
    fn until(&self, asked: u64) {
        let (seen, changed) = &*self.seen;
        let seen = seen.lock().unwrap();
        let limit = std::time::Duration::from_secs(120);
        let (seen, ended) = changed
            .wait_timeout_while(seen, limit, |seen| seen.asked < asked)
            .unwrap();
        assert!(!ended.timed_out(), "asked {} times", seen.asked);
    }

    fn asked(&self) -> u64 {
        self.seen.0.lock().unwrap().asked
    }

    fn held(&self) -> Vec<String> {
        self.seen.0.lock().unwrap().held.keys().cloned().collect()
    }
}

fn serve(stream: TcpStream, seen: &(Mutex<Seen>, Condvar)) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let mut words = line.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let header = header.to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if header.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let (status, dates, body) = answer(&method, &target, &body, seen);
        write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-type: application/taxii+json;version=2.1\r\n{dates}content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .ok()?;
    }
}

fn answer(
    method: &str,
    target: &str,
    body: &[u8],
    seen: &(Mutex<Seen>, Condvar),
) -> (&'static str, String, String) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let ok = |body: String| ("200 OK", String::new(), body);
    if path == "/taxii/" {
        return ok(r#"{"title":"r","versions":["application/taxii+json;version=2.1"],"max_content_length":4000}"#.into());
    }
    if path == "/taxii/collections/" {
        return ok(
            r#"{"collections":[{"id":"c0","title":"c","can_read":true,"can_write":true}]}"#.into(),
        );
    }
    let mut held = seen.0.lock().unwrap();
    held.asked += 1;
    seen.1.notify_all();
    let id = path
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    match method {
        "POST" => {
            let sent: Value = serde_json::from_slice(body).unwrap();
            for object in sent["objects"].as_array().unwrap() {
                let id = object["id"].as_str().unwrap().to_owned();
                *held.held.entry(id).or_default() += 1;
            }
            ok(r#"{"id":"00000000-0000-4000-8000-000000000001","status":"complete"}"#.into())
        }
        "DELETE" => {
            held.held.remove(id);
            ok("{}".into())
        }
        _ if id != "objects" => match held.held.contains_key(id) {
            true => ok(format!("{{\"objects\":[{{\"id\":\"{id}\"}}]}}")),
            false => ("404 Not Found", String::new(), "{}".into()),
        },
        _ => {
            // Each object a second after the one before; `next` is the number of the first one.
            let value = |name: &str| {
                let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
                pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
            };
            let from: u64 = match (value("next"), value("added_after")) {
                (Some(next), _) => next.parse().unwrap(),
                (None, Some(after)) => {
                    let after = after.replace("%3A", ":");
                    let after = model::Timestamp::parse(&after).unwrap().unix_micros();
                    let passed = (after / 1_000_000 - 1_700_000_000 + 1).max(0);
                    u64::try_from(passed).unwrap()
                }
                (None, None) => 0,
            };
            let to = (from + PAGE).min(ALL);
            let date = |number: u64| {
                let at = (1_700_000_000 + number as i64) * 1_000_000;
                model::Timestamp::from_unix_micros(at).to_string()
            };
            let objects: Vec<String> = (from..to).map(note).collect();
            let more = match to < ALL {
                true => format!("\"more\":true,\"next\":\"{to}\","),
                false => String::new(),
            };
            let dates = match objects.is_empty() {
                true => String::new(),
                false => format!(
                    "x-taxii-date-added-first: {}\r\nx-taxii-date-added-last: {}\r\n",
                    date(from),
                    date(to - 1)
                ),
            };
            let body = format!("{{{more}\"objects\":[{}]}}", objects.join(","));
            ("200 OK", dates, body)
        }
    }
}

/// Lets the feeds of a member speak to this machine.
fn local(data: &Path) {
    let file = data.join("kurultai.toml");
    let mut config = std::fs::OpenOptions::new().append(true).open(file).unwrap();
    config.write_all(b"\n[feeds]\nlocal = true\n").unwrap();
}

/// The notes that the nation has, in all their versions.
fn notes(data: &Path) -> Vec<String> {
    let page = on(data, &["objects", "--limit", "1000000", "--json"]).code(0);
    let page = page.json();
    let objects = page["objects"].as_array().unwrap().iter();
    let mut ids: Vec<String> = objects
        .map(|object| object["id"].as_str().unwrap().to_owned())
        .filter(|id| id.starts_with("note--"))
        .collect();
    ids.sort();
    ids
}

fn all_notes() -> Vec<String> {
    let mut ids: Vec<String> = (0..ALL).map(note_id).collect();
    ids.sort();
    ids
}

fn feed(data: &Path, args: &[&str]) -> Run {
    on(data, &[&["feed"], args].concat())
}

#[test]
fn a_feed_from_its_beginning_to_its_end() {
    let root = tempfile::tempdir().unwrap();
    let data = member(root.path(), "KZ");
    let drop_off = root.path().join("drop");
    std::fs::create_dir(&drop_off).unwrap();
    let file = drop_off.join("notes.json");
    std::fs::write(&file, envelope(0, 3)).unwrap();
    let long_ago =
        std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    let settle = |file: &Path| {
        let file = std::fs::File::options().write(true).open(file).unwrap();
        file.set_modified(long_ago).unwrap();
    };
    settle(&file);
    assert!(feed(&data, &["list"]).code(0).out.contains("no feeds yet"));
    let path = drop_off.display().to_string();
    let added = feed(
        &data,
        &[
            "add",
            "file",
            "drop",
            &path,
            "--label",
            "TLP:AMBER",
            "--every",
            "1m",
        ],
    );
    assert!(added.code(0).out.contains("feed drop:"));
    let again = feed(&data, &["add", "file", "drop", &path]);
    assert_ne!(again.code, 0);
    assert!(again.err.contains("already"), "{}", again.err);
    let list = feed(&data, &["list", "--json"]).code(0).json();
    assert_eq!(list[0]["spec"]["name"], "drop");
    assert_eq!(list[0]["spec"]["every_secs"], 60);
    let ran = feed(&data, &["run", "drop", "--json"]).code(0).json();
    assert_eq!(
        (&ran["health"], &ran["accepted"]),
        (&"healthy".into(), &3.into())
    );
    let status = feed(&data, &["status"]).code(0).out;
    assert!(
        status.contains("drop") && status.contains("healthy"),
        "{status}"
    );
    // One that is broken: the run and the status end with an error that says which.
    let bad = drop_off.join("bad.json");
    std::fs::write(&bad, "{").unwrap();
    settle(&bad);
    let ran = feed(&data, &["run", "drop"]);
    assert_ne!(ran.code, 0);
    assert!(ran.err.contains("bad.json"), "{}", ran.err);
    let status = feed(&data, &["status", "drop"]).code(1);
    assert!(status.out.contains("FAILING"), "{}", status.out);
    assert!(
        status.err.contains("1 feed is not working"),
        "{}",
        status.err
    );
    let held = feed(&data, &["quarantine", "drop", "--json"])
        .code(0)
        .json();
    assert_eq!(held["refusals"][0]["place"], "bad.json");
    assert!(
        feed(&data, &["quarantine", "drop"])
            .code(0)
            .out
            .contains("bad.json")
    );
    std::fs::remove_file(&bad).unwrap();
    // Paused it does not run, and resumed it does; the same with a node that serves.
    let server = Server::start(&data);
    assert!(
        feed(&data, &["pause", "drop"])
            .code(0)
            .out
            .contains("paused")
    );
    let ran = feed(&data, &["run", "drop"]);
    assert_ne!(ran.code, 0);
    assert!(ran.err.contains("is paused"), "{}", ran.err);
    let status = feed(&data, &["status", "--json"]).code(0).json();
    assert_eq!(status[0]["health"], "paused");
    feed(&data, &["resume", "drop"]).code(0);
    drop(server);
    let ran = feed(&data, &["run", "drop", "--json"]).code(0).json();
    assert_eq!(
        (&ran["health"], &ran["accepted"]),
        (&"healthy".into(), &3.into())
    );
    assert!(
        feed(&data, &["remove", "drop"])
            .code(0)
            .out
            .contains("removed")
    );
    assert!(
        feed(&data, &["status"])
            .code(0)
            .out
            .contains("no feeds yet")
    );
    assert_ne!(feed(&data, &["run", "drop"]).code, 0);
    assert_eq!(notes(&data).len(), 3, "what it brought stays");
    let audit = on(&data, &["audit", "--object", &note_id(1), "--json"]).code(0);
    assert!(audit.out.contains("feed drop"), "{}", audit.out);
}

#[test]
fn a_pull_survives_kill_9_wherever_it_was() {
    let outside = Outside::start();
    let root = tempfile::tempdir().unwrap();
    let data = member(root.path(), "KZ");
    local(&data);
    let url = format!("{}/taxii/", outside.base);
    feed(&data, &["add", "taxii", "far", &url, "--every", "10s"]).code(0);
    // Each time a few pages further, wherever the node is when it has asked for the next one.
    for more in [1, 3, 2, 5] {
        let wanted = outside.asked() + more;
        let mut server = Server::start(&data);
        outside.until(wanted);
        server.kill();
    }
    let ran = feed(&data, &["run", "far", "--json"]).code(0).json();
    assert_eq!(ran["health"], "healthy", "{ran}");
    assert_eq!(ran["refused"], 0);
    // None is lost, and none is there twice.
    assert_eq!(notes(&data), all_notes());
    feed(&data, &["run", "far"]).code(0);
    assert_eq!(notes(&data), all_notes());
}

#[test]
fn a_push_survives_kill_9_and_still_knows_what_it_pushed() {
    let outside = Outside::start();
    let root = tempfile::tempdir().unwrap();
    let (data, _, _) = pair(root.path());
    local(&data);
    fed(
        &data,
        &["add", "-", "--label", "TLP:CLEAR"],
        envelope(0, ALL).as_bytes(),
    )
    .code(0);
    on(&data, &["release", "pact/all", "--all"]).code(0);
    let url = format!("{}/taxii/", outside.base);
    feed(
        &data,
        &[
            "add",
            "taxii-push",
            "out",
            &url,
            "--channel",
            "pact/all",
            "--every",
            "10s",
        ],
    )
    .code(0);
    feed(&data, &["resume", "out"]).code(0);
    for more in [2, 5, 9] {
        let wanted = outside.asked() + more;
        let mut server = Server::start(&data);
        outside.until(wanted);
        server.kill();
    }
    let there = outside.held();
    assert!(there.len() > 1);
    // What was sent before the kill is known to have been, whatever was written down after it.
    on(
        &data,
        &["withdraw", "pact/all", &there[0], "--reason", "wrong"],
    )
    .code(0);
    let ran = feed(&data, &["run", "out", "--json"]).code(0).json();
    assert_eq!(ran["health"], "healthy", "{ran}");
    let wanted: Vec<String> = all_notes()
        .into_iter()
        .filter(|id| *id != there[0])
        .collect();
    assert_eq!(outside.held(), wanted);
    let refused = feed(&data, &["remove", "out"]);
    assert_ne!(refused.code, 0);
    assert!(refused.err.contains("still outside"), "{}", refused.err);
    feed(&data, &["remove", "out", "--force"]).code(0);
    let audit = on(&data, &["audit", "--object", &there[1], "--json"]).code(0);
    assert!(audit.out.contains("removed by force"), "{}", audit.out);
}
