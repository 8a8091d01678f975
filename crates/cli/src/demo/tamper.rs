//! Proof 4: a log that was tampered with is refused, and the evidence convicts.
//!
//! Two ways of tampering. The fork: a member restores an old backup after its partners have seen
//! more, and publishes on; it now has signed two histories. The flipped byte: a file of a log is
//! changed where it is served from; the signature still holds but the tree does not.

// A demonstration copies folders and writes into them.
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};

use node::admin::types::EvidenceInfo;

use super::Proof;
use super::cluster::{Cluster, until};
use super::proofs::{Seen, claim, proof};
use super::scenario::{ACCORD, SIX, note, note_id};
use crate::exit::Failure;
use crate::verify;

/// The member that forks, and the channel. The others keep exchanging everything else.
const FORKER: &str = "TJ";
const CHANNEL: &str = "drill";

/// The proof.
pub(crate) async fn tampered(cluster: &mut Cluster) -> Proof {
    let mut seen = Vec::new();
    let mut outcome = forked(cluster, &mut seen).await;
    if outcome.is_ok() {
        outcome = flipped(cluster, &mut seen).await;
    }
    proof(
        "a tampered log is refused, and kept as evidence",
        seen,
        outcome,
    )
}

/// The fork.
async fn forked(cluster: &mut Cluster, seen: &mut Vec<String>) -> Seen {
    let label = format!("TLP:GREEN//{SIX}//EXERCISE");
    let (before, first, second) = (note_id(1_000), note_id(1_001), note_id(1_002));
    cluster
        .party(FORKER)?
        .publish(
            CHANNEL,
            &label,
            &note(1_000, "EXERCISE. Before the backup."),
            &before,
        )
        .await?;
    cluster.settle().await?;
    let backup = backup(cluster).await?;
    cluster
        .party(FORKER)?
        .publish(
            CHANNEL,
            &label,
            &note(1_001, "EXERCISE. After the backup."),
            &first,
        )
        .await?;
    cluster.settle().await?;
    let collection = format!("{ACCORD}.{CHANNEL}");
    for party in &cluster.parties {
        let shown = party.taxii().await?.object(&collection, &first).await?;
        claim(shown.is_some(), || {
            format!("{} does not show {first}", party.code)
        })?;
    }
    restore(cluster, &backup).await?;
    cluster
        .party(FORKER)?
        .publish(
            CHANNEL,
            &label,
            &note(1_002, "EXERCISE. After the restore."),
            &second,
        )
        .await?;
    cluster.party_mut(FORKER)?.start().await?;
    seen.push(format!("{FORKER} backs up, releases one object, restores the backup and releases another: two histories of one size"));
    let accord = cluster.accord_file();
    let folder = cluster.folder.join("evidence");
    std::fs::create_dir_all(&folder).map_err(|error| Failure::file("make", &folder, &error))?;
    let mut refusing = Vec::new();
    for party in cluster.parties.iter().filter(|party| party.code != FORKER) {
        // The partner would come by itself, on the wake-up or its next poll.
        party.pull(FORKER, CHANNEL).await?;
        until(
            &format!("{} refuses {FORKER}'s log", party.code),
            async || {
                let logs = party.logs().await?;
                Ok(logs.iter().any(|log| {
                    log.channel == CHANNEL && log.origin == FORKER && log.refused.is_some()
                }))
            },
        )
        .await?;
        let shown = party.taxii().await?.object(&collection, &second).await?;
        claim(shown.is_none(), || {
            format!("{} took the second history in", party.code)
        })?;
        let kept: Vec<EvidenceInfo> = party.admin().await?.get("/evidence").await?;
        let piece = kept
            .iter()
            .find(|piece| piece.text.starts_with("kurultai-evidence/"))
            .ok_or_else(|| {
                Failure::refused(format!("{} keeps no evidence of the fork", party.code))
            })?;
        let path = folder.join(format!("{}.txt", party.code));
        std::fs::write(&path, &piece.text)
            .map_err(|error| Failure::file("write", &path, &error))?;
        let report = verify::folder(&path, std::slice::from_ref(&accord)).await?;
        claim(report.holds, || {
            format!(
                "the evidence of {} convicts nobody: {:?}",
                party.code, report.papers
            )
        })?;
        if refusing.is_empty() {
            seen.push(format!("{} says: {}", party.code, piece.reason));
            seen.extend(
                report
                    .papers
                    .iter()
                    .flat_map(|paper| &paper.statements)
                    .map(|statement| format!("  {statement}")),
            );
        }
        refusing.push(party.code);
    }
    seen.push(format!(
        "{} refuse the log from now on and keep both checkpoints in {}; `kurultai verify` convicts offline",
        refusing.join(", "),
        folder.display()
    ));
    Ok(())
}

/// Stops the forking member, copies its folder, and starts it again.
async fn backup(cluster: &mut Cluster) -> Result<PathBuf, Failure> {
    let backup = cluster.folder.join(format!("{FORKER}.backup"));
    let party = cluster.party_mut(FORKER)?;
    if let Some(mut server) = party.server.take() {
        server.stop().await;
    }
    copy(&party.folder, &backup)?;
    party.start().await?;
    Ok(backup)
}

/// Kills the forking member and puts the old copy in the place of its folder. It stays down, so
/// that partners meet the second history and not merely the shorter first one.
async fn restore(cluster: &mut Cluster, backup: &Path) -> Result<(), Failure> {
    let party = cluster.party_mut(FORKER)?;
    if let Some(mut server) = party.server.take() {
        server.kill();
    }
    std::fs::remove_dir_all(&party.folder)
        .map_err(|error| Failure::file("remove", &party.folder, &error))?;
    std::fs::rename(backup, &party.folder).map_err(|error| Failure::file("move", backup, &error))
}

/// The flipped byte.
async fn flipped(cluster: &mut Cluster, seen: &mut Vec<String>) -> Seen {
    let (origin, reader, channel) = ("KG", "UZ", "relief");
    if let Some(mut server) = cluster.party_mut(reader)?.server.take() {
        server.stop().await;
    }
    let id = note_id(1_010);
    let label = format!("TLP:GREEN//{SIX}");
    cluster
        .party(origin)?
        .publish(
            channel,
            &label,
            &note(1_010, "The road is open again."),
            &id,
        )
        .await?;
    cluster.settle().await?;
    let tile = newest_entries(&cluster.party(origin)?.log_folder(channel, origin))?;
    flip(&tile)?;
    cluster.party_mut(reader)?.start().await?;
    let party = cluster.party(reader)?;
    let error = party.pull(origin, channel).await?;
    let shown = party
        .taxii()
        .await?
        .object(&format!("{ACCORD}.{channel}"), &id)
        .await?;
    let checked = verify::folder(&cluster.party(origin)?.folder, &[cluster.accord_file()]).await?;
    flip(&tile)?;
    let error =
        error.ok_or_else(|| Failure::refused(format!("{reader} took a changed tile for true")))?;
    claim(shown.is_none(), || {
        format!("{reader} shows an object from a changed tile")
    })?;
    seen.push(format!(
        "one byte of {} is flipped where {origin} serves it; {reader} refuses it: {error}",
        tile.display()
    ));
    let found = checked.logs.iter().flat_map(|log| &log.findings).next();
    let found =
        found.ok_or_else(|| Failure::refused("`kurultai verify` overlooked the flipped byte"))?;
    seen.push(format!(
        "`kurultai verify` names the file: {}: {}",
        found.file, found.problem
    ));
    until(
        &format!("{reader} has the object once the byte is put right"),
        async || {
            party.pull(origin, channel).await?;
            Ok(party
                .taxii()
                .await?
                .object(&format!("{ACCORD}.{channel}"), &id)
                .await?
                .is_some())
        },
    )
    .await?;
    seen.push(format!(
        "with the byte put right, {reader} takes the object in"
    ));
    Ok(())
}

/// The entry bundle that was written last.
fn newest_entries(log: &Path) -> Result<PathBuf, Failure> {
    let mut newest: Option<(std::time::SystemTime, PathBuf)> = None;
    let mut folders = vec![log.join("tile/entries")];
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).map_err(|error| Failure::file("list", &folder, &error))?;
        for entry in entries.filter_map(Result::ok) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(time) = entry.metadata().and_then(|meta| meta.modified())
                && newest.as_ref().is_none_or(|(best, _)| time >= *best)
            {
                newest = Some((time, path));
            }
        }
    }
    newest
        .map(|(_, path)| path)
        .ok_or_else(|| Failure::refused(format!("{} holds no entries", log.display())))
}

/// Flips one bit in the last byte of a file's first entry; doing it twice undoes it.
fn flip(path: &Path) -> Result<(), Failure> {
    let mut bytes = std::fs::read(path).map_err(|error| Failure::file("read", path, &error))?;
    let middle = bytes.len() / 2;
    let byte = bytes
        .get_mut(middle)
        .ok_or_else(|| Failure::refused(format!("{} is empty", path.display())))?;
    *byte ^= 1;
    std::fs::write(path, bytes).map_err(|error| Failure::file("write", path, &error))
}

/// Copies a folder with its rights. Sockets stay behind: they belong to a process.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::file("copy", from, &error);
    std::fs::create_dir_all(to).map_err(failed)?;
    let rights = std::fs::metadata(from).map_err(failed)?.permissions();
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), target).map_err(failed)?;
        }
    }
    std::fs::set_permissions(to, rights).map_err(failed)
}
