//! Ten thousand connections at once against a real process: it stays up, grows little, and goes on
//! serving somebody else.

#![allow(
    clippy::disallowed_methods,
    reason = "it measures how long others wait"
)]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Server, member};
use node::limits::{HEADER_SECS_MAX, NATIONAL_CONNECTIONS_EACH_MAX, NATIONAL_CONNECTIONS_MAX};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;

/// Connections at once, as far as this process may have so many.
const CONNECTIONS: usize = 10_000;
/// The addresses that they come from: together they have fewer places than there are.
const ATTACKERS: usize = 7;
/// What the node may grow by: 1,024 connections of some 30 kB, and an allocator that keeps it.
const GROWTH_BYTES_MAX: u64 = 128 << 20;
/// A lone person's longest wait on a busy machine; without the attack it is a millisecond.
const WAIT_MAX: Duration = Duration::from_secs(10);

const _: () = assert!(ATTACKERS * NATIONAL_CONNECTIONS_EACH_MAX < NATIONAL_CONNECTIONS_MAX);

async fn connect(from: &str, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from.parse().expect("an address"), 0))?;
    socket.connect(to).await
}

/// Asks for something small on a new connection; says how long it took.
async fn served(from: &str, to: SocketAddr) -> std::io::Result<Duration> {
    let begun = Instant::now();
    let mut stream = connect(from, to).await?;
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    match text.starts_with("HTTP/1.1 200 ") {
        true => Ok(begun.elapsed()),
        false => Err(std::io::Error::other(text)),
    }
}

/// As many descriptors as the system lets this process have; how many connections that allows.
fn allowed() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        println!("the limit of open files stays: {error}");
        limit = getrlimit(Resource::Nofile);
    }
    let most = limit.current.unwrap_or(u64::MAX);
    usize::try_from(most)
        .unwrap_or(usize::MAX)
        .saturating_sub(200)
        .min(CONNECTIONS)
}

#[test]
fn ten_thousand_connections_leave_the_node_up_small_and_serving() {
    let root = tempfile::tempdir().unwrap();
    let data = member(root.path(), "KZ");
    let text = std::fs::read_to_string(data.join("kurultai.toml")).unwrap();
    let config: toml::Table = text.parse().unwrap();
    let to: SocketAddr = config["listen"]["national"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let server = Arc::new(Server::start(&data));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(attack(server, to, allowed()));
}

async fn attack(server: Arc<Server>, to: SocketAddr, connections: usize) {
    served("127.0.0.3", to).await.unwrap();
    let before = server.memory();
    let over = Arc::new(AtomicBool::new(false));
    // Somebody else, with a new connection each time, and the node's memory meanwhile.
    let (watched, ended) = (Arc::clone(&server), Arc::clone(&over));
    let bystander = tokio::spawn(async move {
        let (mut waits, mut most) = (Vec::new(), 0);
        while !ended.load(Ordering::Relaxed) {
            waits.push(served("127.0.0.3", to).await.expect("served meanwhile"));
            most = most.max(watched.memory());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        waits.sort();
        (waits, most)
    });
    let begun = Instant::now();
    let (let_in, turned_away) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    // What one system opens in parallel; every connection that is not turned away stays open.
    let at_once = Arc::new(Semaphore::new(512));
    let tasks: Vec<_> = (0..connections)
        .map(|number| {
            let counts = (Arc::clone(&let_in), Arc::clone(&turned_away));
            let at_once = Arc::clone(&at_once);
            tokio::spawn(async move {
                let turn = at_once.acquire_owned().await;
                let from = format!("127.0.2.{}", 1 + number % ATTACKERS);
                let Ok(mut stream) = connect(&from, to).await else {
                    counts.1.fetch_add(1, Ordering::Relaxed);
                    return;
                };
                drop(turn);
                drop(
                    stream
                        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n")
                        .await,
                );
                let opened = Instant::now();
                let mut answer = Vec::new();
                drop(stream.read_to_end(&mut answer).await);
                // The headers never end: whoever was let in is closed when their time is over.
                let early = opened.elapsed() < Duration::from_secs(HEADER_SECS_MAX / 2);
                let count = if early { &counts.1 } else { &counts.0 };
                count.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let took = begun.elapsed();
    over.store(true, Ordering::Relaxed);
    let (waits, most) = bystander.await.unwrap();
    let (let_in, turned_away) = (
        let_in.load(Ordering::Relaxed),
        turned_away.load(Ordering::Relaxed),
    );
    println!(
        "{connections} connections in {:.1} s: {let_in} let in, {turned_away} turned away; memory {:.1} MB, \
         at most {:.1} MB; {} requests of somebody else meanwhile: median {:.1} ms, worst {:.1} ms",
        took.as_secs_f64(),
        before as f64 / 1e6,
        most as f64 / 1e6,
        waits.len(),
        waits[waits.len() / 2].as_secs_f64() * 1e3,
        waits[waits.len() - 1].as_secs_f64() * 1e3,
    );
    assert!(let_in > 0, "the attack was one");
    assert!(turned_away + ATTACKERS * 4 * NATIONAL_CONNECTIONS_EACH_MAX >= connections);
    assert!(
        most.saturating_sub(before) < GROWTH_BYTES_MAX,
        "grew to {most} bytes"
    );
    assert!(
        waits[waits.len() - 1] < WAIT_MAX,
        "{:?}",
        waits[waits.len() - 1]
    );
    assert!(waits.len() > 20, "served all the time: {}", waits.len());
    served("127.0.2.1", to)
        .await
        .expect("an attacker who stops is a client again");
}
