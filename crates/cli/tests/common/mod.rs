//! What the tests of the binary share: running it, making members, and a client for its socket.

// Each test file uses its own part of this.
#![allow(dead_code, clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;

use serde_json::Value;

/// The binary under test.
pub(crate) const KURULTAI: &str = env!("CARGO_BIN_EXE_kurultai");

/// What a run of the binary gave.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// The output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}\n{}", self.out, self.err))
    }

    /// Fails unless the exit code is this one.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Run {
        assert_eq!(self.code, code, "out: {}\nerr: {}", self.out, self.err);
        self
    }
}

fn command(data: Option<&Path>, args: &[&str]) -> Command {
    let mut command = Command::new(KURULTAI);
    command.args(args).env_remove("KURULTAI_HOME");
    if let Some(data) = data {
        command.arg("--data").arg(data);
    }
    command
}

fn run_of(output: Output) -> Run {
    Run {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs the binary on a data folder.
pub(crate) fn on(data: &Path, args: &[&str]) -> Run {
    run_of(
        command(Some(data), args)
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs"),
    )
}

/// Runs the binary without a data folder.
pub(crate) fn run(args: &[&str]) -> Run {
    run_of(
        command(None, args)
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs"),
    )
}

/// Runs the binary with something on its standard input.
pub(crate) fn fed(data: &Path, args: &[&str], input: &[u8]) -> Run {
    let mut child = command(Some(data), args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(input)
        .expect("the binary reads");
    run_of(child.wait_with_output().expect("the binary ends"))
}

/// Two addresses of this machine that nothing listens on just now, and that no other test of this
/// process was given: the system hands out a port again as soon as nobody listens on it.
fn free_addresses() -> (String, String) {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().expect("no panic while it is held");
    let mut fresh = || {
        loop {
            let held = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
            let address = held.local_addr().expect("an address");
            if given.insert(address.port()) {
                return address.to_string();
            }
        }
    };
    (fresh(), fresh())
}

/// Makes a member.
pub(crate) fn member(root: &Path, code: &str) -> PathBuf {
    let data = root.join(code);
    let (members, national) = free_addresses();
    let domain = format!("{}.example", code.to_lowercase());
    on(
        &data,
        &[
            "init",
            "--code",
            code,
            "--name",
            code,
            "--domain",
            &domain,
            "--listen-members",
            &members,
            "--listen-national",
            &national,
        ],
    )
    .code(0);
    data
}

/// Two members with an accord in force: channel `all` for both. Gives their folders and the note.
pub(crate) fn pair(root: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let (a, b) = (member(root, "AA"), member(root, "BB"));
    let mut files = Vec::new();
    for (data, name) in [(&a, "a.json"), (&b, "b.json")] {
        let file = root.join(name);
        std::fs::write(&file, on(data, &["accord", "member"]).code(0).out).unwrap();
        files.push(file.display().to_string());
    }
    let note = root.join("pact.note");
    let note_name = note.display().to_string();
    run(&[
        "accord",
        "new",
        "pact",
        "--member",
        &files[0],
        "--member",
        &files[1],
        "--channel",
        "all:ceiling=amber",
        "--channel",
        "drill:exercise",
        "--out",
        &note_name,
    ])
    .code(0);
    on(&a, &["accord", "sign", &note_name]).code(0);
    on(&b, &["accord", "sign", &note_name]).code(0);
    on(&a, &["accord", "install", &note_name]).code(0);
    (a, b, note)
}

/// A small note, canonical, as bytes.
pub(crate) fn note(number: u64) -> String {
    format!(
        "{{\"content\":\"Number {number}.\",\"created\":\"2026-11-01T00:00:00.000Z\",\"id\":\"{}\",\
         \"modified\":\"2026-11-01T00:00:00.000Z\",\"object_refs\":[\"{}\"],\"spec_version\":\"2.1\",\"type\":\"note\"}}",
        note_id(number),
        note_id(number)
    )
}

/// The id of [`note`] `number`.
pub(crate) fn note_id(number: u64) -> String {
    format!("note--5f3b1c00-0000-4000-8000-{number:012x}")
}

/// Notes `from..to` as an envelope.
pub(crate) fn envelope(from: u64, to: u64) -> String {
    let notes: Vec<String> = (from..to).map(note).collect();
    format!("{{\"objects\":[{}]}}", notes.join(","))
}

/// A node that serves. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    data: PathBuf,
}

impl Server {
    /// Starts `kurultai serve` and waits until its admin socket answers.
    pub(crate) fn start(data: &Path) -> Server {
        let child = command(Some(data), &["serve"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut server = Server {
            child,
            data: data.to_owned(),
        };
        // Its log is read to the end by a thread, so that it never waits for the pipe; each line
        // is a reason to try the socket.
        let log = server.child.stderr.take().expect("a pipe");
        let (lines, arrived) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
        let mut seen = Vec::new();
        while server.post("GET", "/status", "").is_none() {
            match arrived.recv_timeout(std::time::Duration::from_millis(20)) {
                Ok(line) => seen.push(line),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                Err(error) => panic!("the node ended ({error}): {seen:?}"),
            }
            assert!(seen.len() < 1_000, "the node does not answer: {seen:?}");
        }
        // An operator sees that it runs: the start is logged before anything is answered.
        if seen.is_empty() {
            seen.extend(arrived.recv_timeout(std::time::Duration::from_secs(20)));
        }
        assert!(seen.iter().any(|line| line.contains("serving")), "{seen:?}");
        server
    }

    /// One request on the admin socket. `None` when the node is not there or the answer breaks off.
    pub(crate) fn post(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        ask(&self.data.join("admin.sock"), method, path, body)
    }

    /// Bytes of memory that the node has at this moment.
    pub(crate) fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the node runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kib.expect("a number of kB") << 10
    }

    /// Ends the node as a power cut would.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One HTTP request over a unix socket.
pub(crate) fn ask(socket: &Path, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = UnixStream::connect(socket).ok()?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}
