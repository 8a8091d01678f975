//! People as the national listener meets them: passkeys, single sign-on, client certificates and
//! the console's pages, over the real store and, where a network belongs to it, a real connection.
//!
//! `passkey` uses a software authenticator, `oidc` a certified provider from the npm registry,
//! `certificate` a TLS client with certificates made on the spot, `console` and `hostile` a browser
//! without scripts (`browser`).

extern crate kurultai_node as node;

mod approvals;
mod browser;
mod certificate;
mod console;
mod hostile;
mod oidc;
mod passkey;
#[path = "../world/mod.rs"]
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use kurultai_node::Clock;
use kurultai_node::auth::Source;
use openidconnect::url::Url;
use store::{Options, Store};

/// The time at which every test begins: 2026-11-24, in microseconds since 1970.
const START: i64 = 1_795_478_400_000_000;

/// A clock that a test sets, and moves on by a microsecond at every look.
#[derive(Clone)]
struct Hand(Arc<AtomicI64>);

impl Hand {
    fn new() -> Hand {
        Hand(Arc::new(AtomicI64::new(START)))
    }

    fn clock(&self) -> Clock {
        let at = Arc::clone(&self.0);
        Clock::from_fn(move || at.fetch_add(1, Ordering::Relaxed))
    }

    /// Follows the real time, for peers that state it.
    fn set_to_now(&self) {
        self.0.store(Clock::system().micros(), Ordering::Relaxed);
    }

    fn pass(&self, secs: i64) {
        self.0.fetch_add(secs * 1_000_000, Ordering::Relaxed);
    }
}

/// A store in a folder that goes away.
fn store(clock: &Clock) -> (Store, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::new(clock.as_fn())).unwrap();
    (store, dir)
}

/// Where the browser of a test is.
fn here() -> Source {
    Source::of(std::net::IpAddr::from([192, 0, 2, 1]))
}

fn origin() -> Url {
    Url::parse("https://node.kz.example").unwrap()
}
