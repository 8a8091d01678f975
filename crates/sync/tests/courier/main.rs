//! Logs by hand: what a node takes from files is what it would take from the origin, whatever
//! happened to the files on the way.

#[path = "../common/mod.rs"]
mod common;

mod damage;
mod history;
mod sealed;
mod whole;

use std::io::{self, Cursor};
use std::sync::Arc;

use common::{Origin, Receiver, accord, clock};
use kurultai_sync as sync;
use sync::courier::{self, Imported, Order, OrderedLog, PackError, Shelf};

/// An order for KG of all that `origin` has from `since` on.
fn order(origin: &Origin, since: u64, part_bytes: Option<u64>) -> Order {
    Order {
        from: "KZ".into(),
        to: vec!["KG".into()],
        logs: vec![OrderedLog {
            log: origin.log.clone(),
            digest: accord().digest(),
            since,
        }],
        receipts: Vec::new(),
        part_bytes,
    }
}

/// The parts that an order makes.
fn packed(origin: &Origin, order: &Order) -> Result<Vec<Vec<u8>>, PackError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut parts = Vec::new();
    courier::pack(&origin.store, order, folder.path(), |part| {
        let mut file = Vec::new();
        part.write_to(&mut file)?;
        assert_eq!(part.bytes(), file.len() as u64);
        parts.push(file);
        Ok::<_, io::Error>(())
    })?;
    Ok(parts)
}

/// One file of all that `origin` has from `since` on.
fn exported(origin: &Origin, since: u64) -> Vec<u8> {
    let mut parts = packed(origin, &order(origin, since, None)).expect("exported");
    assert_eq!(parts.len(), 1);
    parts.remove(0)
}

fn shelf(files: &[Vec<u8>]) -> Arc<Shelf> {
    let mut shelf = Shelf::default();
    for file in files {
        shelf
            .add(Box::new(Cursor::new(file.clone())))
            .expect("a courier file");
    }
    Arc::new(shelf.finish())
}

async fn import(receiver: &Receiver, files: &[Vec<u8>]) -> Imported {
    courier::import(&shelf(files), &receiver.store, &receiver.view, &clock()).await
}
