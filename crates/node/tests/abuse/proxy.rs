//! Clients behind a reverse proxy are told apart by what the proxy says, and by nothing that they
//! say themselves.

use base64::Engine;
use node::limits::NATIONAL_CONNECTIONS_EACH_MAX;

use super::world::prepare;
use super::{ATTACKER, OTHER, connect, is_served, request, send};

/// The proxy's address in these tests.
const PROXIES: &str = "[people]\nproxies = [\"127.0.0.2\"]\n";

/// The status of one wrong password for anna, sent from an address in the name of another.
async fn guess(from: &str, to: std::net::SocketAddr, client: &str) -> u16 {
    let pair = base64::engine::general_purpose::STANDARD.encode("anna:not the right one");
    let basic = format!("Basic {pair}");
    let headers = [
        ("authorization", basic.as_str()),
        ("x-forwarded-for", client),
    ];
    send(from, to, &request("GET /auth/me", &headers, b""))
        .await
        .0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_through_a_proxy_lock_out_their_own_client_only() {
    let kz = prepare("KZ", PROXIES).await.start(None).await;
    kz.person("anna", &["analyst"]).await;
    for _ in 0..5 {
        assert_eq!(guess(ATTACKER, kz.national, "192.0.2.1").await, 401);
    }
    assert_eq!(guess(ATTACKER, kz.national, "192.0.2.1").await, 429);
    assert_eq!(
        guess(ATTACKER, kz.national, "192.0.2.2").await,
        401,
        "another client"
    );
    let forged = "192.0.2.2, 192.0.2.1";
    assert_eq!(
        guess(ATTACKER, kz.national, forged).await,
        429,
        "what the proxy added counts"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_no_proxy_cannot_say_who_it_is() {
    let kz = prepare("KZ", PROXIES).await.start(None).await;
    kz.person("anna", &["analyst"]).await;
    for number in 0..5 {
        assert_eq!(
            guess(OTHER, kz.national, &format!("192.0.2.{number}")).await,
            401
        );
    }
    assert_eq!(guess(OTHER, kz.national, "192.0.2.9").await, 429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_may_open_more_connections_than_one_client() {
    let kz = prepare("KZ", PROXIES).await.start(None).await;
    let mut held = Vec::new();
    for _ in 0..NATIONAL_CONNECTIONS_EACH_MAX + 8 {
        held.push(connect(ATTACKER, kz.national).await.unwrap());
    }
    assert!(is_served(ATTACKER, kz.national).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_not_open_through_a_proxy() {
    let kz = prepare("KZ", PROXIES).await.start(None).await;
    let anna = kz.person("anna", &[]).await;
    let ask = async |from: &str, headers: &[(&str, &str)]| {
        send(from, kz.national, &request("GET /metrics", headers, b""))
            .await
            .0
    };
    assert_eq!(ask("127.0.0.1", &[]).await, 200);
    assert_eq!(ask(ATTACKER, &[]).await, 401, "the proxy");
    for name in [
        "x-forwarded-for",
        "forwarded",
        "via",
        "x-real-ip",
        "x-forwarded-proto",
    ] {
        assert_eq!(
            ask("127.0.0.1", &[(name, "127.0.0.1")]).await,
            401,
            "{name}"
        );
    }
    let known = [
        ("authorization", anna.as_str()),
        ("x-forwarded-for", "192.0.2.1"),
    ];
    assert_eq!(ask(ATTACKER, &known).await, 200);
}
