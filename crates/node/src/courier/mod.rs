//! Logs by hand: what may go into a courier file, and what comes out of one.
//!
//! How files are written and believed is `sync::courier`'s. This file decides who may have what:
//! what a member may read over its connection ([`crate::members::serves`]) and nothing else, of
//! this node's own logs only. Exporting is an act of release to the named members' media: it is
//! accounted for before anything is written (I10).
//!
//! Files are named by path and read and written by the node itself, so these resources are on the
//! operator's socket alone and never under `/api`.

mod export;
mod import;
mod key;
mod publish;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use axum::{Extension, Json, Router};
use policy::Duty;

use crate::admin::types::{
    CourierExported, CourierImported, CourierKey, CourierKeyInfo, CourierPublished,
};
use crate::admin::{As, json};
use crate::error::NodeError;
use crate::node::Node;
use crate::problem::Fault;

/// The routes below `/courier`.
pub(crate) fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/courier/export", post(export))
        .route("/courier/import", post(import))
        .route("/courier/key", post(key))
        .route("/courier/publish", post(publish))
}

/// Who may let material out.
const RELEASERS: [Duty; 2] = [Duty::Releaser, Duty::Operator];

async fn export(
    State(node): State<Arc<Node>>,
    Extension(caller): As,
    body: Bytes,
) -> Result<Json<CourierExported>, Fault> {
    caller.require_one_of(&RELEASERS)?;
    let request = json(&body)?;
    Ok(Json(export::run(&node, &caller, request).await?))
}

async fn import(
    State(node): State<Arc<Node>>,
    Extension(caller): As,
    body: Bytes,
) -> Result<Json<CourierImported>, Fault> {
    caller.require(Duty::Operator)?;
    let request = json(&body)?;
    Ok(Json(import::run(&node, &caller, request).await?))
}

async fn key(
    State(node): State<Arc<Node>>,
    Extension(caller): As,
    body: Bytes,
) -> Result<Json<CourierKeyInfo>, Fault> {
    caller.require(Duty::Operator)?;
    let request: CourierKey = json(&body)?;
    Ok(Json(key::run(&node, &caller, request).await?))
}

async fn publish(
    State(node): State<Arc<Node>>,
    Extension(caller): As,
    body: Bytes,
) -> Result<Json<CourierPublished>, Fault> {
    caller.require(Duty::Releaser)?;
    let request = json(&body)?;
    Ok(Json(publish::run(&node, &caller, request).await?))
}

/// Writes a new file whole and durably, or none.
fn write_new(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<u64> {
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let written = (|| {
        let mut out = BufWriter::with_capacity(1 << 18, file);
        write(&mut out)?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(file.metadata()?.len())
    })();
    if written.is_err() {
        // What is not whole must not be carried anywhere.
        drop(std::fs::remove_file(path));
    }
    written
}

fn absolute(path: &str) -> Result<&Path, NodeError> {
    let path = Path::new(path);
    if !path.is_absolute() {
        return Err(NodeError::request(format!(
            "the file {} must be named by its absolute path",
            path.display()
        )));
    }
    Ok(path)
}

fn cannot(path: &Path, error: io::Error) -> NodeError {
    match error.kind() {
        io::ErrorKind::AlreadyExists => NodeError::request(format!(
            "{} exists already; name another file, nothing is overwritten",
            path.display()
        )),
        _ => NodeError::io(format!("{} cannot be written", path.display()), error),
    }
}
