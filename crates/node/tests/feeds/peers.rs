//! Against medallion and OpenTAXII as they are on PyPI, started by the scripts in `bench/peers`.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::outside::ask;
use super::world::{Running, indicator, indicator_id};
use super::{add, assert_healthy, national, node, run};

/// A server of somebody else's.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) discovery: String,
    pub(crate) collection: String,
    _folder: tempfile::TempDir,
    // Ends the server: it stops when its input closes, and is killed if it does not.
    _process: Child,
}

/// Starts the servers that this machine can run.
pub(crate) async fn peers() -> Vec<Peer> {
    let Some(python) = std::env::var_os("KURULTAI_PYTHON") else {
        let required = std::env::var_os("KURULTAI_REQUIRE_ALL").is_some_and(|value| value == "1");
        assert!(
            !required,
            "KURULTAI_PYTHON must name a Python that bench/peers/install.sh has prepared"
        );
        println!("skipped: KURULTAI_PYTHON names no Python with medallion and OpenTAXII");
        return Vec::new();
    };
    let mut peers = Vec::new();
    for name in ["medallion", "opentaxii"] {
        peers.push(start(&python, name).await);
    }
    peers
}

async fn start(python: &std::ffi::OsStr, name: &'static str) -> Peer {
    let folder = tempfile::tempdir().expect("temporary folder");
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../bench/peers")
        .join(format!("serve_{name}.py"));
    // The port is free now; should somebody take it meanwhile, another one is tried.
    for _ in 0..5 {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
        let port = listener.local_addr().expect("address").port();
        drop(listener);
        let mut command = Command::new(python);
        command.arg(&script).arg(port.to_string());
        match name {
            "opentaxii" => command.arg(folder.path()),
            _ => command.args(["--page-size", "100"]),
        };
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the interpreter starts");
        let output = process.stdout.take().expect("piped");
        let mut lines = BufReader::new(output).lines();
        let line = super::world::within(lines.next_line())
            .await
            .expect("output");
        // Its later lines are of no use, and must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let Some(line) = line else { continue };
        let base = format!("http://127.0.0.1:{port}");
        let collection = match name {
            "opentaxii" => line,
            _ => format!("{base}/root/collections/91a7b528-80eb-42ed-a74d-c6fbd5a26116/"),
        };
        let address = format!("127.0.0.1:{port}");
        let up = super::world::within(async {
            loop {
                if tokio::net::TcpStream::connect(&address).await.is_ok() {
                    return true;
                }
                if process.try_wait().expect("a process").is_some() {
                    return false;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        });
        if up.await {
            return Peer {
                name,
                discovery: format!("{base}/taxii2/"),
                collection,
                _folder: folder,
                _process: process,
            };
        }
    }
    panic!("{name} does not start");
}

impl Peer {
    /// Adds objects by hand.
    pub(crate) async fn write(&self, objects: &[String]) {
        let body = format!("{{\"objects\":[{}]}}", objects.join(","));
        let url = format!("{}objects/", self.collection);
        let (status, body) = ask("POST", &url, &body).await;
        assert!(
            (200..300).contains(&status),
            "{}: {status} {body}",
            self.name
        );
    }

    /// The ids that it shows.
    pub(crate) async fn ids(&self) -> Vec<String> {
        let (mut ids, mut next) = (Vec::new(), String::new());
        loop {
            let url = format!("{}objects/?limit=100{next}", self.collection);
            let (status, body) = ask("GET", &url, "").await;
            assert_eq!(status, 200, "{body}");
            let page: Value = serde_json::from_str(&body).expect("JSON");
            let objects = page["objects"].as_array().cloned().unwrap_or_default();
            ids.extend(
                objects
                    .iter()
                    .map(|object| object["id"].as_str().expect("an id").to_owned()),
            );
            if page["more"] != true {
                break;
            }
            let token = page["next"].as_str().expect("a place to go on");
            next = format!("&next={}", token.replace('=', "%3D"));
        }
        ids.sort();
        ids
    }
}

/// Puts the password into the node's folder and gives what proves it to the server.
pub(crate) fn access(at: &Running) -> Value {
    use std::os::unix::fs::PermissionsExt;
    let folder = at.node.config().data.join("secrets");
    std::fs::create_dir_all(&folder).expect("folder");
    let file = folder.join("outside");
    std::fs::write(&file, "pass\n").expect("secret");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("rights");
    json!({"user": "admin", "password": "outside"})
}

fn numbered(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| indicator(number, "")).collect()
}

fn ids(range: std::ops::Range<u32>) -> Vec<String> {
    let mut ids: Vec<String> = range.map(indicator_id).collect();
    ids.sort();
    ids
}

async fn held(at: &Running) -> Vec<String> {
    let mut ids = national(at).await;
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_pulled_while_a_writer_adds() {
    for peer in peers().await {
        let at = node().await;
        for part in numbered(0..250).chunks(50) {
            peer.write(part).await;
        }
        let source = json!({
            "kind": "taxii", "url": peer.discovery, "collection": "exchange", "access": access(&at),
        });
        // OpenTAXII has aliases, medallion shows them as well.
        add(&at, "outside", source).await;
        let peer = Arc::new(peer);
        let writer = tokio::spawn({
            let peer = Arc::clone(&peer);
            async move {
                for part in numbered(250..350).chunks(10) {
                    peer.write(part).await;
                }
            }
        });
        while !writer.is_finished() {
            let info = run(&at, "outside").await;
            assert_healthy(&info);
        }
        writer.await.expect("written");
        let info = run(&at, "outside").await;
        assert_healthy(&info);
        assert_eq!(held(&at).await, ids(0..350), "{}", peer.name);
        assert_eq!((info.accepted, info.refused), (350, 0), "{}", peer.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_that_was_broken_off_is_taken_up_after_a_restart() {
    for peer in peers().await {
        let at = node().await;
        for part in numbered(0..300).chunks(50) {
            peer.write(part).await;
        }
        let source = json!({
            "kind": "taxii", "url": peer.collection, "access": access(&at),
        });
        add(&at, "outside", source).await;
        // Wherever it is when the node stops, nothing is lost and nothing is there twice.
        at.until(async || !national(&at).await.is_empty()).await;
        let at = at.restart().await;
        peer.write(&numbered(300..320)).await;
        let info = run(&at, "outside").await;
        assert_healthy(&info);
        assert_eq!(held(&at).await, ids(0..320), "{}", peer.name);
        // What was taken in when it was broken off may not have been counted.
        assert!((20..=320).contains(&info.accepted), "{}", peer.name);
    }
}
