//! Unmodified client libraries read and write over a real connection.

use std::process::Command as Process;

use super::*;

/// The interpreter that has `taxii2-client`, `cytaxii2` and `stix2`, if this machine has one.
fn python() -> Option<std::ffi::OsString> {
    let python = std::env::var_os("KURULTAI_PYTHON");
    if python.is_none() {
        let required = std::env::var_os("KURULTAI_REQUIRE_ALL").is_some_and(|value| value == "1");
        assert!(
            !required,
            "KURULTAI_PYTHON must name a Python that has taxii2-client, cytaxii2 and stix2"
        );
        println!(
            "skipped: KURULTAI_PYTHON names no Python that has taxii2-client, cytaxii2 and stix2"
        );
    }
    python
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taxii2_client_reads_every_object() {
    let Some(python) = python() else { return };
    let world = World::new();
    let seqs = world.add(
        &(0..250)
            .map(|number| indicator(number, 0))
            .collect::<Vec<_>>(),
    );
    world.add(&[address(1), indicator(0, 7)]);
    world.release(&seqs[..120]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/taxii2/", listener.local_addr().unwrap());
    let server = tokio::spawn(axum::serve(listener, world.router.clone()).into_future());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/taxii2_client.py");
    let mut client = Process::new(python);
    client.arg(script).args([
        &url,
        "writer",
        "correct horse",
        "--page",
        "37",
        "--write",
        "--stix2",
    ]);
    client.args(["--expect", "national=251", "--expect", "steppe.cyber=120"]);
    let output = tokio::task::spawn_blocking(move || client.output())
        .await
        .unwrap()
        .unwrap();
    server.abort();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}\n{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["collections"]["national"]["objects"], 251);
    assert_eq!(report["collections"]["national"]["versions"], 252);
    assert_eq!(report["written"], 2);
    assert_eq!(
        world
            .get(&format!("{NATIONAL}/objects/?match[type]=identity"))
            .await
            .ids()
            .len(),
        2
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_page_exactly_while_a_writer_adds_ten_thousand_objects() {
    let Some(python) = python() else { return };
    let world = World::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/taxii2/", listener.local_addr().unwrap());
    let server = tokio::spawn(axum::serve(listener, world.router.clone()).into_future());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/taxii_clients.py");
    let mut client = Process::new(python);
    client
        .arg(script)
        .args([&url, "writer", "correct horse", "--add", "10000"]);
    let output = tokio::task::spawn_blocking(move || client.output())
        .await
        .unwrap()
        .unwrap();
    server.abort();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    println!("objects seen in each passage: {out}");
    assert!(output.status.success(), "{out}\n{err}");
    let count = world.store.count(&Collection::National).unwrap();
    assert_eq!(count.objects, 10_000 + 2 + 3);
}
