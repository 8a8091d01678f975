//! What feeds are kept from: links out of their folder, pipes, and addresses behind redirections.

use std::path::Path;

use hyper::StatusCode;
use node::admin::types::{FeedHealth, WhatIfReport, WhatIfRequest};
use serde_json::json;

use super::files::put;
use super::outside::{Outside, status, taxii};
use super::push::{ALERTS, kz};
use super::world::{bundle, indicator, indicator_id};
use super::{add, assert_failing, assert_healthy, national, node, run};

#[tokio::test]
async fn links_and_pipes_in_a_folder_are_said_and_not_read() {
    let (at, folder) = (node().await, tempfile::tempdir().unwrap());
    let elsewhere = tempfile::tempdir().unwrap();
    let secret = elsewhere.path().join("secret");
    put(&secret, bundle(&[indicator(9, "")]).as_bytes());
    let file = |name: &str| folder.path().join(name);
    put(&file("a.json"), bundle(&[indicator(1, "")]).as_bytes());
    std::os::unix::fs::symlink(&secret, file("link.json")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(file("pipe.json"))
        .status()
        .expect("mkfifo");
    assert!(made.success());
    let touched = std::process::Command::new("touch")
        .args(["-h", "-d", "2024-01-01"])
        .args([file("link.json"), file("pipe.json")])
        .status()
        .expect("touch");
    assert!(touched.success());
    let source = json!({"kind": "file", "path": folder.path()});
    add(&at, "folder", source).await;
    // Opened as usual, the pipe would hold the run until somebody writes into it.
    let info = super::world::within(run(&at, "folder")).await;
    assert_failing(
        &info,
        "2 of 3 files cannot be read; link.json: it is a link",
    );
    assert_eq!(national(&at).await, [indicator_id(1)]);
    std::fs::remove_file(file("link.json")).unwrap();
    let info = super::world::within(run(&at, "folder")).await;
    assert_failing(&info, "pipe.json: it is no plain file");
    std::fs::remove_file(file("pipe.json")).unwrap();
    assert_healthy(&run(&at, "folder").await);
    // A path that an operator names may have links in it, and the node's folder is still none.
    let link = elsewhere.path().join("folder");
    std::os::unix::fs::symlink(folder.path(), &link).unwrap();
    add(&at, "named", json!({"kind": "file", "path": link})).await;
    let info = run(&at, "named").await;
    assert_healthy(&info);
    assert_eq!(info.known, 1);
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(at.node.config().data.join("keys"), &link).unwrap();
    assert_failing(&run(&at, "named").await, "data folder is no feed");
}

#[tokio::test]
async fn a_redirection_does_not_lead_to_a_clouds_credentials() {
    for to in [
        "http://169.254.169.254/latest/",
        "http://[64:ff9b::a9fe:a9fe]/latest/",
        "http://[fd00:ec2::254]/latest/",
    ] {
        let outside = Outside::taxii(move |_| {
            let mut response = status(StatusCode::FOUND);
            response
                .headers_mut()
                .insert("location", to.parse().unwrap());
            response
        })
        .await;
        let at = node().await;
        let url = format!("{}/api1/", outside.base);
        add(&at, "led", json!({"kind": "taxii", "url": url})).await;
        assert_failing(
            &run(&at, "led").await,
            "is where a cloud keeps its machines' credentials",
        );
    }
    // Nor do the server's own documents.
    let outside = Outside::serve(|_| {
        taxii(r#"{"title":"t","api_roots":["http://169.254.169.254/latest/"]}"#)
    })
    .await;
    let at = node().await;
    let url = format!("{}/taxii2/", outside.base);
    add(&at, "named", json!({"kind": "taxii", "url": url})).await;
    let info = run(&at, "named").await;
    assert_eq!(info.health, FeedHealth::Failing, "{info:?}");
    assert!(info.why.contains("where a cloud keeps"), "{}", info.why);
}

#[tokio::test]
async fn what_if_counts_the_labels_of_feeds_too() {
    let (at, folder) = (kz().await, tempfile::tempdir().unwrap());
    let file = |name: &str| -> std::path::PathBuf { Path::new(folder.path()).join(name) };
    put(&file("a.json"), bundle(&[indicator(1, "")]).as_bytes());
    let clear =
        r#","object_marking_refs":["marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"]"#;
    put(&file("b.json"), bundle(&[indicator(2, clear)]).as_bytes());
    let spec = json!({
        "name": "folder", "every_secs": 3600, "label": "TLP:RED//REL KZ",
        "source": {"kind": "file", "path": folder.path()},
    });
    let _: serde_json::Value = at.post("/feeds", &spec).await;
    assert_healthy(&run(&at, "folder").await);
    let ask = async |to: &str| {
        let mut request = WhatIfRequest {
            limit: 100,
            ..WhatIfRequest::default()
        };
        request.labels.insert("TLP:RED//REL KZ".into(), to.into());
        let report: WhatIfReport = at.post("/policy/what-if", &request).await;
        let counted: u64 = report.changes.iter().map(|change| change.objects).sum();
        let alerts = report.ids.iter().filter(|one| one.channel == ALERTS);
        let mut ids: Vec<String> = alerts.map(|one| one.id.clone()).collect();
        ids.sort();
        assert_eq!(counted as usize, report.ids.len());
        ids
    };
    // Both would flow, also the one that calls itself clear: the feed's word is the least.
    let both = [indicator_id(1), indicator_id(2)];
    assert_eq!(ask("TLP:GREEN//REL KZ,KG").await, both);
    // Still only the least: under another label that is too strict nothing moves.
    assert!(ask("TLP:AMBER+STRICT//REL KZ").await.is_empty());
}
