//! Small bodies that unpack into what no memory holds.

use std::io::Write;

use super::world::prepare;
use super::{ATTACKER, OTHER, is_served, request, send};

const GIB: usize = 1 << 30;
/// What each bomb unpacks to.
const UNPACKED: usize = 10 * GIB;
/// What one frame or member of it unpacks to.
const PART: usize = UNPACKED / 160;
/// Above what the process grows by in any of these tests.
const GROWTH_BYTES_MAX: u64 = 300 << 20;

/// A part of a bomb, repeated: both formats allow several frames or members in a row.
fn bomb(part: Vec<u8>) -> Vec<u8> {
    part.repeat(UNPACKED / PART)
}

fn zeros(mut into: impl Write) {
    let block = vec![b' '; 1 << 20];
    for _ in 0..PART >> 20 {
        into.write_all(&block).unwrap();
    }
}

fn zstd_bomb() -> Vec<u8> {
    let mut frame = zstd::stream::write::Encoder::new(Vec::new(), 19).unwrap();
    zeros(&mut frame);
    bomb(frame.finish().unwrap())
}

fn gzip_bomb() -> Vec<u8> {
    let best = flate2::Compression::best();
    let mut member = flate2::write::GzEncoder::new(Vec::new(), best);
    zeros(&mut member);
    bomb(member.finish().unwrap())
}

/// Bytes of memory that the process has, now and at most so far.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compression_bombs_are_refused_in_bounded_memory() {
    let kz = prepare("KZ", "").await.start(None).await;
    let anna = kz.person("anna", &["analyst"]).await;
    let bombs = [("zstd", zstd_bomb()), ("gzip", gzip_bomb())];
    let path = "POST /taxii2/kurultai/collections/national/objects/";
    let before = memory();
    for (coding, body) in &bombs {
        assert!(body.len() < 16 << 20, "{coding}: {} bytes", body.len());
        let headers = [
            ("authorization", anna.as_str()),
            ("content-type", "application/taxii+json;version=2.1"),
            ("accept", "application/taxii+json;version=2.1"),
            ("content-encoding", coding),
        ];
        let sent = request(path, &headers, body);
        let attack = tokio::spawn(async move { send(ATTACKER, kz.national, &sent).await });
        let mut most = 0;
        while !attack.is_finished() {
            assert!(is_served(OTHER, kz.national).await);
            most = most.max(memory());
        }
        let (status, text) = attack.await.unwrap();
        println!(
            "{coding}: {} bytes, answered {status}, grew by {} MB",
            body.len(),
            most.saturating_sub(before) >> 20
        );
        assert_eq!(status, 413, "{coding}: {text}");
        assert!(
            most.saturating_sub(before) < GROWTH_BYTES_MAX,
            "{coding}: {} MB",
            most >> 20
        );
    }
    // Intake knows zstd by its first bytes, and has a bound of its own.
    let headers = [("authorization", anna.as_str())];
    let sent = request("POST /api/objects", &headers, &bombs[0].1);
    let (status, text) = send(ATTACKER, kz.national, &sent).await;
    assert_eq!(status, 413, "{text}");
}
