//! Status resources: what became of the objects of one POST (TAXII 2.1 section 4.3).
//!
//! An answer is given when everything is durable, so a status is `complete` from the start and
//! never changes. Two kinds exist:
//!
//! - Without failures, time and count are all there is to tell. They stand in the id itself (UUID
//!   version 8) under a MAC that binds the user, so nothing is written or kept, the status never
//!   expires, and heavy ingest costs no second commit.
//! - With failures, the resource is a store setting `status/<id>`, written before the answer; its
//!   id is a UUID version 7, so ids sort by age. Count, bytes and age of these are bounded.
//!
//! Successes are counted and not listed, which the standard leaves to the server. A status can be
//! read by the user who sent the objects and by operators; to others it does not exist.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use axum::response::Response;
use model::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Command, Seq, Store, StoreError};
use uuid::Uuid;

use super::fault::Fault;
use super::limits::{STATUS_BYTES_MAX, STATUS_SECS_MAX, STATUSES_MAX};
use super::{blocking, reply};
use policy::Duty;

use crate::auth::{Caller, secret};

const PREFIX: &str = "status/";

/// The status resource.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Status {
    id: String,
    status: Complete,
    request_timestamp: String,
    total_count: usize,
    success_count: usize,
    failure_count: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    failures: Vec<Failure>,
    pending_count: usize,
}

/// There is no other state here.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Complete {
    Complete,
}

/// One object that was not taken: the `status-details` type.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    /// The object's id, or its place in the body where it has none that can be read.
    pub(super) id: String,
    /// Its version.
    pub(super) version: String,
    /// Why it was not taken.
    pub(super) message: String,
}

/// A status with failures as the store keeps it.
#[derive(Serialize, Deserialize)]
struct Kept {
    user: String,
    status: Status,
}

/// Makes, keeps and shows status resources.
pub(super) struct Statuses {
    store: Store,
    key: secret::Key,
    kept: Mutex<Shelf>,
}

/// Which statuses are kept, oldest first, and how large each is.
#[derive(Default)]
struct Shelf {
    sizes: BTreeMap<Uuid, usize>,
    bytes: usize,
}

impl Statuses {
    /// The statuses that the store holds.
    pub(super) fn load(store: Store, key: secret::Key) -> Result<Arc<Statuses>, StoreError> {
        let mut shelf = Shelf::default();
        for (name, value) in store.scan(PREFIX)? {
            if let Some(id) = name
                .strip_prefix(PREFIX)
                .and_then(|id| Uuid::try_parse(id).ok())
            {
                shelf.put(id, value.len());
            }
        }
        Ok(Arc::new(Statuses {
            store,
            key,
            kept: Mutex::new(shelf),
        }))
    }

    /// The status of a request of `total` objects by `user`, of which `failures` were not taken.
    /// Blocks until it is durable.
    pub(super) fn make(
        &self,
        user: &str,
        at: Seq,
        total: usize,
        failures: Vec<Failure>,
    ) -> Result<Status, StoreError> {
        let millis = u64::try_from(at.div_euclid(1000)).unwrap_or(0);
        if failures.is_empty() {
            return Ok(Status::new(
                seal(&self.key, user, millis, total),
                millis,
                total,
                failures,
            ));
        }
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &secret::random()).into_uuid();
        let kept = Kept {
            user: user.into(),
            status: Status::new(id, millis, total, failures),
        };
        let value = serde_json::to_vec(&kept).map_err(|cause| StoreError::Corrupt {
            place: "A status".into(),
            problem: cause.to_string(),
        })?;
        let given_up = {
            let mut shelf = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            shelf.put(id, value.len());
            shelf.overflow(millis)
        };
        self.store.execute(Command::Put {
            key: format!("{PREFIX}{id}"),
            value: Some(value),
        })?;
        for id in given_up {
            // Not waited for: one that survives a crash is given up again after the restart.
            self.store.submit(
                Command::Put {
                    key: format!("{PREFIX}{id}"),
                    value: None,
                },
                |_| {},
            );
        }
        Ok(kept.status)
    }

    /// The answer to `GET status/{id}/`.
    pub(super) async fn show(
        self: &Arc<Self>,
        caller: &Caller,
        id: &str,
    ) -> Result<Response, Fault> {
        let missing = || Fault::missing("status");
        let id = Uuid::try_parse(id).map_err(|_| missing())?;
        if id.get_version_num() == 8 {
            let (millis, total) = open(&self.key, &caller.name, id).ok_or_else(missing)?;
            return Ok(reply::json(
                StatusCode::OK,
                &Status::new(id, millis, total, Vec::new()),
            ));
        }
        let statuses = self.clone();
        let value = blocking(move || Ok(statuses.store.get(&format!("{PREFIX}{id}"))?))
            .await?
            .ok_or_else(missing)?;
        let kept: Kept = serde_json::from_slice(&value)
            .map_err(|cause| Fault::ours(format!("status {id}: {cause}")))?;
        if kept.user != caller.name && !caller.has(Duty::Operator) {
            return Err(missing());
        }
        Ok(reply::json(StatusCode::OK, &kept.status))
    }
}

impl Status {
    fn new(id: Uuid, millis: u64, total: usize, failures: Vec<Failure>) -> Status {
        let micros = i64::try_from(millis).unwrap_or(0).saturating_mul(1000);
        Status {
            id: id.to_string(),
            status: Complete::Complete,
            request_timestamp: Timestamp::from_unix_micros(micros).to_micros_string(),
            total_count: total,
            success_count: total - failures.len(),
            failure_count: failures.len(),
            failures,
            pending_count: 0,
        }
    }
}

impl Shelf {
    fn put(&mut self, id: Uuid, size: usize) {
        self.bytes += size;
        self.bytes -= self.sizes.insert(id, size).unwrap_or(0);
    }

    /// Takes down what is beyond the bounds, the oldest first, but never the newest.
    fn overflow(&mut self, now_millis: u64) -> Vec<Uuid> {
        let old = now_millis.saturating_sub(STATUS_SECS_MAX.unsigned_abs() * 1000);
        let mut given_up = Vec::new();
        while let Some((id, size)) = self.sizes.first_key_value().map(|(id, size)| (*id, *size)) {
            let beyond = self.sizes.len() > STATUSES_MAX || self.bytes > STATUS_BYTES_MAX;
            if self.sizes.len() == 1 || !(beyond || millis_of(id) < old) {
                break;
            }
            self.sizes.remove(&id);
            self.bytes -= size;
            given_up.push(id);
        }
        given_up
    }
}

/// The first 48 bits of an id of version 7 or 8.
fn millis_of(id: Uuid) -> u64 {
    (id.as_u128() >> 80) as u64
}

// The bits of a sealed id, from the top: 48 milliseconds, 4 version, 12 of the count, 2 variant,
// 8 of the count, 54 of the MAC. A forger, who would gain nothing but a status saying what he
// made up, needs 2^53 requests.
const MAC_BITS: u32 = 54;

fn seal(key: &secret::Key, user: &str, millis: u64, total: usize) -> Uuid {
    let count = total as u128;
    let mac = secret::mac(
        key,
        &[
            b"taxii status",
            user.as_bytes(),
            &millis.to_be_bytes(),
            &(total as u64).to_be_bytes(),
        ],
    );
    let mac = u128::from(u64::from_be_bytes(std::array::from_fn(|at| mac[at])) >> (64 - MAC_BITS));
    let millis = u128::from(millis & ((1 << 48) - 1));
    Uuid::from_u128(
        millis << 80
            | 8 << 76
            | (count >> 8 & 0xfff) << 64
            | 0b10 << 62
            | (count & 0xff) << 54
            | mac,
    )
}

fn open(key: &secret::Key, user: &str, id: Uuid) -> Option<(u64, usize)> {
    let bits = id.as_u128();
    let total = ((bits >> 64 & 0xfff) << 8 | bits >> 54 & 0xff) as usize;
    let millis = millis_of(id);
    secret::same(seal(key, user, millis, total).as_bytes(), id.as_bytes())
        .then_some((millis, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_ids_say_time_and_count_to_their_user_only() {
        let key = [5; 32];
        for (millis, total) in [
            (0, 0),
            (1_795_000_000_123, 500),
            ((1 << 48) - 1, (1 << 20) - 1),
        ] {
            let id = seal(&key, "anna", millis, total);
            assert_eq!(
                (id.get_version_num(), id.get_variant()),
                (8, uuid::Variant::RFC4122)
            );
            assert_eq!(open(&key, "anna", id), Some((millis, total)));
            assert_eq!(open(&key, "boris", id), None);
            assert_eq!(open(&[6; 32], "anna", id), None);
            for bit in 0..128 {
                assert_eq!(
                    open(&key, "anna", Uuid::from_u128(id.as_u128() ^ 1 << bit)),
                    None,
                    "bit {bit}"
                );
            }
        }
    }

    #[test]
    fn the_shelf_gives_up_the_oldest() {
        let id =
            |millis: u64| uuid::Builder::from_unix_timestamp_millis(millis, &[1; 10]).into_uuid();
        let mut shelf = Shelf::default();
        for at in 1..=3 {
            shelf.put(id(at), STATUS_BYTES_MAX / 3);
        }
        assert!(shelf.overflow(10).is_empty());
        shelf.put(id(4), STATUS_BYTES_MAX / 3);
        assert_eq!(shelf.overflow(10), [id(1)]);
        shelf.put(id(5), 2 * STATUS_BYTES_MAX);
        assert_eq!(
            shelf.overflow(10),
            [id(2), id(3), id(4)],
            "the newest stays whatever its size"
        );
        let later = STATUS_SECS_MAX.unsigned_abs() * 1000 + 100;
        shelf.put(id(later), 1);
        assert_eq!(shelf.overflow(later), [id(5)]);
        for at in 0..STATUSES_MAX as u64 {
            shelf.put(id(later + 1 + at), 1);
        }
        assert_eq!(shelf.overflow(later), [id(later)]);
        assert_eq!(
            (shelf.sizes.len(), shelf.bytes),
            (STATUSES_MAX, STATUSES_MAX)
        );
    }
}
