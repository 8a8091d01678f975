//! The raw limit of serving: the same web stack sending the same pages from memory, with no store,
//! no users and no labels behind it.
//!
//! It is a process of its own, as the node is, so that its processor time is read the same way.

// Starting a process, listening and reading clocks are what this module is for.
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use clap::Args;

use crate::exit::Failure;
use crate::process::{Usage, free_ports, usage};
use crate::taxii::{MEDIA, Taxii};

/// How long the process may take to answer.
const START_TRIES: u32 = 100;

/// Sends files of a folder from memory (used by `bench serve`).
#[derive(Args)]
pub(crate) struct Memory {
    /// Folder with the pages, files named 0, 1, 2 …
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// Port on 127.0.0.1
    #[arg(long)]
    port: u16,
}

impl Memory {
    /// Serves until it is killed.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let mut pages = Vec::new();
        while let Ok(page) = std::fs::read(self.folder.join(pages.len().to_string())) {
            pages.push(Bytes::from(page));
        }
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", self.port))
            .await
            .map_err(|error| {
                Failure::unavailable(format!("port {} is not free ({error})", self.port))
            })?;
        let router = Router::new().fallback(page).with_state(Arc::new(pages));
        axum::serve(listener, router).await.map_err(|error| {
            Failure::unavailable(format!("pages could not be served ({error}); try again"))
        })
    }
}

/// The page that the last part of the path numbers.
async fn page(State(pages): State<Arc<Vec<Bytes>>>, uri: Uri) -> Response {
    let number = uri.path().rsplit('/').next().unwrap_or_default();
    match number.parse::<usize>().ok().and_then(|at| pages.get(at)) {
        Some(page) => ([(header::CONTENT_TYPE, MEDIA)], page.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The process; it ends with this handle.
pub(crate) struct Serving {
    child: Child,
    authority: String,
}

impl Serving {
    /// Starts it on the pages of a folder and waits until it answers.
    pub(crate) async fn start(folder: &Path) -> Result<Serving, Failure> {
        let port = free_ports(1)?[0];
        let failed = |error: std::io::Error| {
            Failure::unavailable(format!(
                "the server of pages could not be started ({error}); close other programs"
            ))
        };
        let child = Command::new(std::env::current_exe().map_err(failed)?)
            .args(["bench", "memory", "--port", &port.to_string(), "--folder"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let serving = Serving {
            child,
            authority: format!("127.0.0.1:{port}"),
        };
        for _ in 0..START_TRIES {
            if tokio::net::TcpStream::connect(&serving.authority)
                .await
                .is_ok()
            {
                return Ok(serving);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(Failure::unavailable(
            "the server of pages does not answer; close other programs".to_owned(),
        ))
    }

    /// A client of it.
    pub(crate) async fn client(&self) -> Result<Taxii, Failure> {
        Taxii::at_root(&self.authority, "", String::new()).await
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> Usage {
        usage(&self.child.id().to_string())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
