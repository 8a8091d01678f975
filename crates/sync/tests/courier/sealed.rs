//! Sealed files: for their readers, in place, and with a plain word for everybody else.

use std::io::Cursor;
use std::sync::Arc;

use sync::courier::seal::{self, Identity, SealError};
use sync::courier::{self, Outcome, Shelf};

use super::common::{Origin, Receiver, clock};
use super::{exported, sync};

fn sealed(file: &[u8], readers: &[&Identity]) -> Vec<u8> {
    let readers: Vec<_> = readers.iter().map(|one| one.recipient()).collect();
    seal::seal(&readers, Vec::new(), |out| out.write_all(file)).expect("sealed")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_reader_opens_it_and_nobody_else_does() {
    let origin = Origin::new();
    origin.release(0..600);
    let plain = exported(&origin, 0);
    let (kg, uz, other) = (
        Identity::generate(),
        Identity::generate(),
        Identity::generate(),
    );
    let file = sealed(&plain, &[&kg, &uz]);
    assert!(file.len() as u64 <= plain.len() as u64 + seal::overhead(2, plain.len() as u64));

    for reader in [&kg, &uz] {
        let opened = seal::open(Cursor::new(file.clone()), Some(reader));
        let Ok((medium, was_sealed)) = opened else {
            panic!("it is for them")
        };
        assert!(was_sealed);
        let mut shelf = Shelf::default();
        let report = shelf.add(medium).expect("a courier file");
        assert_eq!((report.damaged, report.cut), (0, None));
        let receiver = Receiver::new();
        let shelf = Arc::new(shelf.finish());
        let done = courier::import(&shelf, &receiver.store, &receiver.view, &clock()).await;
        assert!(matches!(done.outcome, Outcome::Whole), "{done:?}");
        assert_eq!(receiver.state().shown.len(), 600);
    }
    let refused = |identity| seal::open(Cursor::new(file.clone()), identity).err();
    assert!(matches!(refused(Some(&other)), Some(SealError::NotForUs)));
    assert!(matches!(refused(None), Some(SealError::NoKey)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_or_cut_sealed_file_gives_what_came_before_or_nothing() {
    let origin = Origin::new();
    origin.release(0..600);
    let kg = Identity::generate();
    let file = sealed(&exported(&origin, 0), &[&kg]);
    for place in [30, 100, 250, file.len() / 2, file.len() - 1] {
        let mut flipped = file.clone();
        flipped[place] ^= 1;
        for damaged in [flipped, file[..place].to_vec()] {
            let Ok((medium, _)) = seal::open(Cursor::new(damaged), Some(&kg)) else {
                continue;
            };
            let mut shelf = Shelf::default();
            if let Ok(report) = shelf.add(medium) {
                assert!(report.cut.is_some() || report.damaged > 0, "{report:?}");
            }
        }
    }
}

#[test]
fn a_key_is_read_back_and_other_text_is_not() {
    let key = Identity::generate();
    let again = Identity::parse(&key.to_secret_text()).expect("its own text");
    assert_eq!(again.recipient().to_string(), key.recipient().to_string());
    assert!(key.recipient().to_string().starts_with("age1"));
    assert!(Identity::parse("AGE-SECRET-KEY-1").is_none());
    assert!(seal::Recipient::parse("age1").is_none());
}
