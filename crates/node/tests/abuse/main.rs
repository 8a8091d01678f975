//! What a hostile client of the national listener meets: floods of connections and requests, slow
//! and endless bodies, bombs. The node stays up and goes on serving everybody else meanwhile.
//!
//! Loopback has sixteen million addresses, so `127.0.0.2` is an attacker and `127.0.0.3` somebody
//! else. Pace and patience of one connection are tested by a clock that runs ahead, in `src/http`.

extern crate kurultai_node as node;

mod bombs;
mod flood;
mod proxy;
mod slow;
#[path = "../world/mod.rs"]
mod world;

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use world::within;

const ATTACKER: &str = "127.0.0.2";
const OTHER: &str = "127.0.0.3";

/// A connection from this address of the loopback network.
async fn connect(from: &str, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::new(from.parse().expect("an address"), 0))?;
    socket.connect(to).await
}

/// Sends a whole request on a connection of its own; answers with the status and everything.
async fn send(from: &str, to: SocketAddr, request: &[u8]) -> (u16, String) {
    let exchange = async {
        let mut stream = connect(from, to).await?;
        // A node that refuses a request need not read all of it.
        drop(stream.write_all(request).await);
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes).await;
        if bytes.is_empty() {
            read?;
        }
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = within(exchange).await.unwrap_or_default();
    let status = text.get(9..12).and_then(|status| status.parse().ok());
    (status.unwrap_or_default(), text)
}

/// A request that asks for the connection to be closed.
fn request(line: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{line} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += &format!("content-length: {}\r\n\r\n", body.len());
    [text.as_bytes(), body].concat()
}

/// Whether somebody at this address is served, and in good time.
async fn is_served(from: &str, to: SocketAddr) -> bool {
    send(from, to, &request("GET /healthz", &[], b"")).await.0 == 200
}
