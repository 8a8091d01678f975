//! The transport over real sockets, with both ends pinned.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::node::{identity, serve};
use common::{Handmade, Receiver};
use kurultai_sync as sync;
use sync::events::Wake;
use sync::https::{Patience, Peer};
use sync::tls::{Identity, Pins};
use sync::{FetchError, PullError, pull};

struct World {
    server: Identity,
    client: Identity,
    pins: Pins,
    address: SocketAddr,
}

async fn world(log: Handmade, alpn: &[&str]) -> World {
    let (server, client) = (identity(), identity());
    let pins = Pins::new([(client.pin(), "KG".to_owned())]);
    let address = serve(&server, pins.clone(), log, alpn).await;
    World {
        server,
        client,
        pins,
        address,
    }
}

impl World {
    fn peer(&self) -> Peer {
        self.peer_as(&self.client, self.server.pin())
    }

    fn peer_as(&self, client: &Identity, pin: sync::tls::Pin) -> Peer {
        Peer::new(client, &format!("https://{}", self.address), pin).expect("a peer")
    }

    /// A peer that loses patience at once; only for answers that never come.
    fn hasty(&self) -> Peer {
        self.peer().with_patience(Patience {
            grace: Duration::from_millis(300),
            rate: 1 << 30,
            events_idle: Duration::from_millis(300),
        })
    }
}

#[tokio::test]
async fn a_log_is_pulled_over_https() {
    let log = Handmade::of(600);
    for alpn in [&[][..], &["http/1.1"]] {
        let world = world(log.clone(), alpn).await;
        let receiver = Receiver::new();
        let source = world.peer().log("steppe", "alerts");
        let clock = common::clock();
        let progress = pull(&source, &receiver.store, &receiver.view, &clock)
            .await
            .expect("pulled");
        assert_eq!((progress.to, progress.shown), (600, 600));
        assert_eq!(receiver.assert_prefix_of(&log).shown.len(), 600);
        // This node does not take cosignatures; the pull is a success all the same.
        assert_eq!(progress.cosign_failure, Some(FetchError::NotFound));
    }
}

#[tokio::test]
async fn the_server_knows_the_member() {
    let world = world(Handmade::of(1), &[]).await;
    let who = world.peer().get("/who", 100).await.expect("an answer");
    assert_eq!(who, "KG");
}

#[tokio::test]
async fn strangers_are_not_let_in() {
    let world = world(Handmade::of(1), &[]).await;
    let stranger = identity();
    let refused = |result: Result<bytes::Bytes, FetchError>| {
        assert!(
            matches!(
                &result,
                Err(FetchError::Unreachable { .. } | FetchError::Broken { .. })
            ),
            "{result:?}"
        );
    };
    refused(
        world
            .peer_as(&stranger, world.server.pin())
            .get("/who", 100)
            .await,
    );
    refused(
        world
            .peer_as(&world.client, stranger.pin())
            .get("/who", 100)
            .await,
    );

    // A member that the accord drops is a stranger from the next connection on.
    let pinned = world.peer().get("/who", 100).await;
    assert!(pinned.is_ok());
    world.pins.replace([]);
    refused(world.peer().get("/who", 100).await);
}

#[tokio::test]
async fn answers_are_bounded() {
    let world = world(Handmade::of(300), &[]).await;
    let peer = world.peer();
    let too_large = |limit| Err(FetchError::TooLarge { limit });
    assert_eq!(peer.get("/endless", 100_000).await, too_large(100_000));
    let entries = "/log/steppe/alerts/tile/entries/000";
    let size = peer.get(entries, 1 << 20).await.expect("an answer").len();
    assert_eq!(
        peer.get(entries, size).await.expect("an answer").len(),
        size
    );
    assert_eq!(peer.get(entries, size - 1).await, too_large(size - 1));
    assert_eq!(peer.get("/nothing", 100).await, Err(FetchError::NotFound));
    assert_eq!(
        peer.get("/refused", 100).await,
        Err(FetchError::Status { code: 403 })
    );
}

#[tokio::test]
async fn slow_answers_are_given_up() {
    let world = world(Handmade::of(1), &[]).await;
    let peer = world.hasty();
    assert_eq!(
        peer.get("/stall", 100_000).await,
        Err(FetchError::Slow { bytes: 1 })
    );
    // It never pauses for long, but it never gets anywhere either.
    let trickle = peer.get("/trickle", 100_000).await;
    assert!(
        matches!(trickle, Err(FetchError::Slow { bytes: 2.. })),
        "{trickle:?}"
    );

    // A peer that accepts connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!("https://{}", silent.local_addr().expect("bound"));
    let peer = Peer::new(&world.client, &url, world.server.pin()).expect("a peer");
    let peer = peer.with_patience(Patience {
        grace: Duration::from_millis(300),
        ..Patience::default()
    });
    assert_eq!(
        peer.get("/who", 100).await,
        Err(FetchError::Slow { bytes: 0 })
    );
}

/// While one peer stalls, another is pulled on the same thread.
#[tokio::test]
async fn a_stalling_peer_holds_only_its_own_task() {
    let good = world(Handmade::of(300), &[]).await;
    let stalling = world(Handmade::of(300), &[]).await;
    let stalled = stalling.peer();
    let waiting = tokio::spawn(async move { stalled.get("/stall", 100).await });
    let receiver = Receiver::new();
    let source = good.peer().log("steppe", "alerts");
    let clock = common::clock();
    let progress = pull(&source, &receiver.store, &receiver.view, &clock)
        .await
        .expect("pulled");
    assert_eq!(progress.shown, 300);
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test]
async fn a_pull_from_nobody_says_so() {
    let world = world(Handmade::of(1), &[]).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr();
    let url = format!("https://{}", closed.expect("bound"));
    let peer = Peer::new(&world.client, &url, world.server.pin()).expect("a peer");
    let receiver = Receiver::new();
    let clock = common::clock();
    let source = peer.log("steppe", "alerts");
    let error = pull(&source, &receiver.store, &receiver.view, &clock)
        .await
        .expect_err("nobody");
    let unreachable = matches!(
        &error,
        PullError::Fetch {
            error: FetchError::Unreachable { .. },
            ..
        }
    );
    assert!(unreachable, "{error}");
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}

#[tokio::test]
async fn events_wake() {
    let world = world(Handmade::of(1), &[]).await;
    let mut events = world.hasty().events().await.expect("a stream");
    let wake = |channel: &str, size| Wake {
        accord: "steppe".to_owned(),
        channel: channel.to_owned(),
        size,
    };
    assert_eq!(events.next().await, Ok(Some(wake("alerts", 17))));
    assert_eq!(events.next().await, Ok(Some(wake("pair", 3))));
    assert_eq!(
        events.next().await,
        Err(FetchError::Slow { bytes: 0 }),
        "then silence"
    );
}
