//! Logs whose origin changes its keys: history goes on under the next key, the former one is
//! refused by its name, and what a thief added ends at the partners.

mod common;

use std::sync::Arc;

use common::{Handmade, LABEL, Receiver, Serve, Wire, accord, entry, indicator, key};
use kurultai_sync as sync;
use log::note::{KeyKind, SigningKey};
use log::{Action, Checkpoint};
use model::Timestamp;
use policy::{
    Fate, Former, KeyRole, KeyStatement, NodeKey, NodeKeys, Role, SignedAccord, SignedKeys, Stand,
};
use store::{Command, LogName};
use sync::{PullError, View};

const ORIGIN: &str = "kz.example/steppe/alerts";

fn next_key(role: Role, kind: KeyKind) -> SigningKey {
    SigningKey::from_seed(kind, &role.key_name("kz.example"), [77; 32]).expect("a test key")
}

/// The same log, signed by KZ's next log key.
struct Next(Handmade);

impl Serve for Next {
    fn serve(&self, path: &str) -> Option<Vec<u8>> {
        if path != "checkpoint" {
            return self.0.serve(path);
        }
        let size = self.0.size();
        let keys = [
            next_key(Role::Log, KeyKind::Ed25519),
            key("KZ", Role::LogPq),
        ];
        let named = keys.map(|key| key.renamed(ORIGIN).expect("a name"));
        let checkpoint = Checkpoint::new(ORIGIN, size, self.0.root(size)).expect("a checkpoint");
        let note = checkpoint.sign(&[&named[0], &named[1]]).expect("signed");
        Some(note.into_bytes())
    }
}

fn stated(fate: Fate, stands: Vec<Stand>) -> Arc<SignedAccord> {
    let base = accord();
    let old = NodeKeys::of(base.accord().member("KZ").expect("a member"));
    let statement = KeyStatement {
        member: "KZ".to_owned(),
        domain: "kz.example".to_owned(),
        serial: 1,
        at: Timestamp::from_unix_micros(common::NOW * 1_000_000),
        keys: NodeKeys {
            log: next_key(Role::Log, KeyKind::Ed25519).verifier().clone(),
            ..old.clone()
        },
        former: vec![Former {
            key: NodeKey::Signs(KeyRole::Log, old.log),
            since: Timestamp::from_unix_micros(common::NOW * 1_000_000),
            fate,
        }],
        stands,
    };
    let keys = SignedKeys::sign(statement, &key("KZ", Role::Root)).expect("a good statement");
    Arc::new(base.with_keys([&Arc::new(keys)]))
}

fn stolen(honest: &Handmade, size: u64) -> Arc<SignedAccord> {
    let fate = Fate::Revoked {
        reason: "a server was taken".to_owned(),
    };
    let stand = Stand {
        log: ORIGIN.to_owned(),
        size,
        root: honest.root(size),
    };
    stated(fate, vec![stand])
}

fn under(receiver: &mut Receiver, accord: Arc<SignedAccord>) {
    let cosigners = vec![key("KG", Role::Witness)];
    receiver.view = View::new(accord, "alerts", "KZ", cosigners).expect("in force");
}

/// The honest log's first `size` entries and then entries of somebody else's.
fn fork(size: u64, more: u64) -> Handmade {
    let mut fork = Handmade::of(size);
    for n in 0..more {
        let object = indicator(500_000 + n);
        fork.push(&entry(&object, Action::Release, LABEL), object.bytes());
    }
    fork
}

#[tokio::test]
async fn history_goes_on_under_the_next_key() {
    let mut receiver = Receiver::new();
    receiver.pulled(Handmade::of(300)).await;
    under(&mut receiver, stated(Fate::Retired, Vec::new()));
    // The former key is refused by its name, and nothing is lost or refused for good by that.
    let error = receiver
        .pull(&Wire::honest(Handmade::of(301)))
        .await
        .expect_err("the former key");
    assert!(
        matches!(&error, PullError::FormerKey { why, .. } if why.contains("exchanged")),
        "{error}"
    );
    let progress = receiver.pulled(Next(Handmade::of(310))).await;
    assert_eq!((progress.from, progress.to), (300, 310));
    receiver.assert_prefix_of(&Handmade::of(310));
}

#[tokio::test]
async fn a_next_key_does_not_excuse_another_history() {
    let mut receiver = Receiver::new();
    receiver.pulled(Handmade::of(20)).await;
    under(&mut receiver, stated(Fate::Retired, Vec::new()));
    let error = receiver
        .pull(&Wire::honest(Next(fork(15, 10))))
        .await
        .expect_err("it does not continue");
    assert!(matches!(error, PullError::Contradiction { .. }), "{error}");
}

#[tokio::test]
async fn what_a_thief_added_is_hidden_before_anybody_is_asked() {
    let honest = Handmade::of(300);
    let mut receiver = Receiver::new();
    receiver.pulled(fork(300, 5)).await;
    assert_eq!(receiver.state().shown.len(), 305);
    under(&mut receiver, stolen(&honest, 300));
    let wire = Wire::honest(fork(300, 6));
    let error = receiver.pull(&wire).await.expect_err("it begins anew");
    assert!(
        matches!(&error, PullError::Restarted { reason, .. } if reason.contains("a server was taken")),
        "{error}"
    );
    assert!(wire.requests.into_inner().expect("unpoisoned").is_empty());
    let state = receiver.state();
    assert_eq!((state.size, state.shown.len(), state.evidence), (0, 0, 1));
    // The thief goes on serving; nothing signed by the key is taken.
    let error = receiver
        .pull(&Wire::honest(fork(300, 6)))
        .await
        .expect_err("a revoked key");
    assert!(
        matches!(&error, PullError::FormerKey { why, .. } if why.contains("revoked")),
        "{error}"
    );
    let grown = Handmade::of(320);
    receiver.pulled(Next(grown.clone())).await;
    let state = receiver.assert_prefix_of(&grown);
    assert_eq!((state.size, state.shown.len()), (320, 320));
    // And so it is after the index was made anew from the journal.
    assert_eq!(receiver.rebuilt().state(), state);
}

#[tokio::test]
async fn a_fork_below_the_stand_is_found_when_the_origin_is_asked() {
    let honest = Handmade::of(40);
    let mut receiver = Receiver::new();
    receiver.pulled(fork(30, 5)).await;
    under(&mut receiver, stolen(&honest, 40));
    let error = receiver
        .pull(&Wire::honest(Next(honest.clone())))
        .await
        .expect_err("another history");
    assert!(matches!(error, PullError::Restarted { .. }), "{error}");
    receiver.pulled(Next(honest.clone())).await;
    let state = receiver.assert_prefix_of(&honest);
    assert_eq!((state.size, state.refused), (40, None));
}

#[tokio::test]
async fn a_log_refused_for_the_thiefs_sake_is_taken_up_again() {
    let honest = Handmade::of(40);
    let mut receiver = Receiver::new();
    receiver.pulled(Handmade::of(30)).await;
    // The thief signs another history before anybody knows: evidence, and the log ends here.
    let error = receiver.pull(&Wire::honest(fork(20, 20))).await;
    assert!(matches!(error, Err(PullError::Contradiction { .. })));
    under(&mut receiver, stolen(&honest, 40));
    let error = receiver.pull(&Wire::honest(Next(honest.clone()))).await;
    assert!(matches!(error, Err(PullError::Restarted { .. })));
    receiver.pulled(Next(honest.clone())).await;
    assert_eq!(receiver.assert_prefix_of(&honest).size, 40);
}

#[tokio::test]
async fn what_is_within_the_stand_stays_as_it_is() {
    let honest = Handmade::of(60);
    let mut receiver = Receiver::new();
    receiver.pulled(Handmade::of(50)).await;
    under(&mut receiver, stolen(&honest, 60));
    let progress = receiver.pulled(Next(honest.clone())).await;
    assert_eq!((progress.from, progress.to), (50, 60));
    receiver.assert_prefix_of(&honest);
}

#[test]
fn an_own_checkpoint_is_signed_again_and_stays_so() {
    let origin = common::Origin::new();
    origin.release(0..3);
    let before = origin
        .store
        .head(&origin.log)
        .expect("readable")
        .expect("one");
    let resign = |signer: store::Signer| Command::Resign {
        log: origin.log.clone(),
        signer,
    };
    let signer: store::Signer = Arc::new(|size, root| format!("signed anew {size} {root}"));
    origin.store.execute(resign(signer)).expect("signed");
    let after = origin
        .store
        .head(&origin.log)
        .expect("readable")
        .expect("one");
    assert_eq!((after.size, after.root), (before.size, before.root));
    assert!(after.checkpoint.starts_with("signed anew 3 "));
    let from = |size| Command::Restart {
        log: origin.log.clone(),
        from: size,
        reason: "no".to_owned(),
        evidence: String::new(),
    };
    origin
        .store
        .execute(from(3))
        .expect_err("the own log never begins anew");
    let unknown = Command::Restart {
        log: LogName::new("steppe", "alerts", "UZ"),
        from: 7,
        reason: "no".to_owned(),
        evidence: String::new(),
    };
    origin.store.execute(unknown).expect_err("another size");
}
