//! Who is let in, and when a change takes effect.

mod hostile;
mod rights;
mod sign_in;
mod tokens;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use axum::http::HeaderValue;
use base64::Engine;
use policy::Duty;
use store::{Options, Store};

use super::limits::*;
use super::*;
use crate::admin::types::TokenRequest;

const NOW: i64 = 1_795_000_000_000_000;

struct World {
    auth: Arc<Auth>,
    now: Arc<AtomicI64>,
    written: Arc<Mutex<Vec<String>>>,
    full: Arc<AtomicBool>,
    _dir: tempfile::TempDir,
}

fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicI64::new(NOW));
    let clock = Clock::from_fn({
        let now = now.clone();
        move || now.load(Ordering::Relaxed)
    });
    let store = Store::open(dir.path(), Options::new(clock.as_fn())).unwrap();
    let written = Arc::new(Mutex::new(Vec::new()));
    let full = Arc::new(AtomicBool::new(false));
    let book: Book = Arc::new({
        let written = written.clone();
        let full = full.clone();
        move |record: AuditRecord| {
            if full.load(Ordering::Relaxed) {
                return Err(StoreError::Full {
                    what: "the audit log".into(),
                });
            }
            written
                .lock()
                .unwrap()
                .push(format!("{} {}: {}", record.what, record.who, record.why));
            Ok(())
        }
    });
    World {
        auth: Arc::new(Auth::new(store, clock, &[7; 32], book)),
        now,
        written,
        full,
        _dir: dir,
    }
}

/// The password that [`World::enrolled`] sets.
const OWN: &str = "five blue horses graze";

impl World {
    /// A user who has set their own password.
    fn enrolled(&self, name: &str, duties: &[Duty]) {
        let change = UserChange {
            duties: Some(duties.iter().copied().collect()),
            ..UserChange::default()
        };
        let invited = self.auth.invite(&operator(), name, &change, None).unwrap();
        self.auth
            .redeem(name, &invited.code, Redeem::Password(OWN.into()))
            .unwrap();
    }

    /// Sets up one-time codes; answers with their secret and the recovery codes.
    async fn with_codes(&self, name: &str) -> (String, Vec<String>) {
        let caller = Arc::new(self.auth.caller(name, Proof::Password).unwrap());
        let new = self.auth.new_totp(&caller, None, &home()).await.unwrap();
        let code = self.code(&new.secret);
        let confirmed = self.auth.confirm_totp(&caller, &code, &home()).await;
        (new.secret, confirmed.unwrap())
    }

    /// What an authenticator shows now.
    fn code(&self, secret: &str) -> String {
        totp::code_at(secret, self.auth.clock.secs())
    }

    /// The ticket that the right password gives somebody with one-time codes.
    async fn ticket(&self, name: &str) -> String {
        match self
            .auth
            .sign_in(name, OWN.as_bytes(), &home())
            .await
            .unwrap()
        {
            SignIn::CodeNeeded { ticket } => ticket,
            other => panic!("{other:?}"),
        }
    }

    async fn by(&self, name: &str, password: &str) -> Result<Arc<Caller>, AuthError> {
        let header = basic(name, password);
        self.auth.authenticate(Some(&header), &home()).await
    }

    async fn change(&self, name: &str, old: &str, new: &str) -> Result<(), AuthError> {
        self.auth
            .change_password(name, old, None, new, &home())
            .await
    }

    fn written(&self) -> Vec<String> {
        self.written.lock().unwrap().clone()
    }

    fn disk_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    /// Waits until what was given to the store without waiting is done.
    fn settle(&self) {
        let key = "settled".into();
        let put = store::Command::Put { key, value: None };
        self.auth.store.execute(put).unwrap();
    }

    fn user(&self, name: &str, password: &str) {
        let change = UserChange {
            password: Some(password.into()),
            ..UserChange::default()
        };
        assert_eq!(
            self.auth.put_user(&operator(), name, &change).unwrap(),
            None
        );
    }

    fn token(&self, name: &str) -> String {
        let request = TokenRequest::default();
        self.auth
            .issue_token(&operator(), name, &request)
            .unwrap()
            .token
    }

    fn later(&self, secs: i64) {
        self.now.fetch_add(secs * 1_000_000, Ordering::Relaxed);
    }
}

fn operator() -> Caller {
    Caller::socket()
}

/// No duties but the user's own.
fn none() -> std::collections::BTreeSet<Duty> {
    Default::default()
}

fn home() -> Source {
    Source::of([192, 0, 2, 1].into())
}

fn basic(name: &str, password: &str) -> HeaderValue {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    HeaderValue::try_from(format!("Basic {pair}")).unwrap()
}

fn bearer(token: &str) -> HeaderValue {
    HeaderValue::try_from(format!("Bearer {token}")).unwrap()
}

async fn name_of(auth: &Arc<Auth>, header: HeaderValue) -> Result<String, AuthError> {
    auth.authenticate(Some(&header), &home())
        .await
        .map(|caller| caller.name.clone())
}

fn wrong<T>(result: Result<T, AuthError>) -> bool {
    matches!(result, Err(AuthError::Wrong))
}

#[tokio::test]
async fn passwords_let_in_and_changes_take_effect_at_once() {
    let world = world();
    world.user("anna", "first sentence");
    assert!(matches!(
        world.auth.authenticate(None, &home()).await,
        Err(AuthError::Missing)
    ));
    assert_eq!(
        name_of(&world.auth, basic("anna", "first sentence"))
            .await
            .unwrap(),
        "anna"
    );
    assert!(wrong(
        name_of(&world.auth, basic("anna", "First sentence")).await
    ));
    assert!(wrong(name_of(&world.auth, basic("anna", "")).await));
    assert!(wrong(
        name_of(&world.auth, basic("boris", "first sentence")).await
    ));

    world.user("anna", "second sentence");
    assert!(wrong(
        name_of(&world.auth, basic("anna", "first sentence")).await
    ));
    assert_eq!(
        name_of(&world.auth, basic("anna", "second sentence"))
            .await
            .unwrap(),
        "anna"
    );

    let change = UserChange {
        duties: Some([Duty::Operator, Duty::Analyst].into()),
        collections: Some(vec!["steppe/cyber".into()]),
        ..UserChange::default()
    };
    assert_eq!(
        world.auth.put_user(&operator(), "anna", &change).unwrap(),
        None,
        "the password stays"
    );
    let caller = world
        .auth
        .authenticate(Some(&basic("anna", "second sentence")), &home())
        .await
        .unwrap();
    assert!(caller.writes() && caller.sees("steppe/cyber") && !caller.sees("national"));

    assert!(world.auth.remove_user(&operator(), "anna", true).unwrap());
    assert!(!world.auth.remove_user(&operator(), "anna", true).unwrap());
    assert!(wrong(
        name_of(&world.auth, basic("anna", "second sentence")).await
    ));
}

#[tokio::test]
async fn generated_passwords_are_shown_once_and_work() {
    let world = world();
    let password = world
        .auth
        .put_user(&operator(), "siem", &UserChange::default())
        .unwrap()
        .unwrap();
    assert_eq!(
        name_of(&world.auth, basic("siem", &password))
            .await
            .unwrap(),
        "siem"
    );
    assert_eq!(
        world
            .auth
            .put_user(&operator(), "siem", &UserChange::default())
            .unwrap(),
        None,
        "not made anew"
    );
}

#[tokio::test]
async fn a_removal_that_stopped_in_between_leaves_no_way_in() {
    let world = world();
    world.user("misp", "some sentence");
    let token = world.token("misp");
    let key = "user/misp".to_owned();
    let removed = store::Command::Put { key, value: None };
    world.auth.store.execute(removed).unwrap();
    assert!(wrong(name_of(&world.auth, bearer(&token)).await));
    world.user("misp", "of another person");
    assert!(wrong(name_of(&world.auth, bearer(&token)).await));
}

#[tokio::test]
async fn secrets_are_not_kept_in_clear() {
    let world = world();
    world.user("anna", "a sentence of hers");
    let token = world.token("anna");
    let settings = world.auth.store.scan("").unwrap();
    let text: String = settings
        .iter()
        .map(|(key, value)| format!("{key}={}\n", String::from_utf8_lossy(value)))
        .collect();
    assert!(
        text.contains("user/anna=") && text.contains("$argon2id$"),
        "{text}"
    );
    assert!(
        !text.contains("a sentence of hers")
            && !text.contains(&token)
            && !text.contains(&token[9..])
    );
}

#[tokio::test]
async fn a_proof_is_remembered_for_a_while_only() {
    let world = world();
    world.user("anna", "some sentence");
    let header = basic("anna", "some sentence");
    assert_eq!(name_of(&world.auth, header.clone()).await.unwrap(), "anna");
    assert_eq!(world.auth.proofs().known.len(), 1);
    // The user changes behind the back of this instance, as by a restored backup: what is
    // remembered holds until it ends, and no longer; a clock that steps back ends it too.
    let book: Book = Arc::new(|_| Ok(()));
    let other = Auth::new(
        world.auth.store.clone(),
        world.auth.clock.clone(),
        &[7; 32],
        book,
    );
    let change = UserChange {
        password: Some("changed sentence".into()),
        ..UserChange::default()
    };
    other.put_user(&operator(), "anna", &change).unwrap();
    world.later(PROOF_SECS_MAX - 1);
    assert_eq!(name_of(&world.auth, header.clone()).await.unwrap(), "anna");
    world.later(-PROOF_SECS_MAX);
    assert!(wrong(name_of(&world.auth, header.clone()).await));
    world.later(PROOF_SECS_MAX + 1);
    assert!(wrong(name_of(&world.auth, header).await));
}

#[tokio::test]
async fn what_is_remembered_is_bounded() {
    let world = world();
    let caller = Arc::new(Caller {
        name: "anna".into(),
        proof: Proof::Password,
        ..Caller::socket()
    });
    for count in 0..2 * PROOFS_MAX as u64 {
        let digest = secret::mac(&[0; 32], &[&count.to_be_bytes()]);
        world.auth.remember(digest, 0, &caller, NOW, None);
        assert!(world.auth.proofs().known.len() <= PROOFS_MAX);
    }
    world.auth.remember([0; 32], 7, &caller, NOW, None);
    assert!(
        !world.auth.proofs().known.contains_key(&[0; 32]),
        "a proof from before a change is not kept"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_guesses_is_turned_away_and_disturbs_nobody() {
    let world = world();
    world.user("anna", "some sentence");
    let known = basic("anna", "some sentence");
    assert_eq!(name_of(&world.auth, known.clone()).await.unwrap(), "anna");
    let guesses: Vec<_> = (0..3 * HASHES_WAITING_MAX)
        .map(|count| {
            let auth = world.auth.clone();
            tokio::spawn(
                async move { name_of(&auth, basic("anna", &format!("guess {count}"))).await },
            )
        })
        .collect();
    assert_eq!(
        name_of(&world.auth, known).await.unwrap(),
        "anna",
        "no turn is needed for what is remembered"
    );
    let (mut busy, mut refused) = (0, 0);
    for guess in guesses {
        match guess.await.unwrap() {
            Err(AuthError::Busy) => busy += 1,
            Err(AuthError::Wrong | AuthError::Later { .. }) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(
        busy > 0 && refused >= HASHES_WAITING_MAX,
        "{busy} turned away, {refused} checked"
    );
    assert_eq!(world.auth.waiting.load(Ordering::Relaxed), 0);
    assert_eq!(world.auth.turns.available_permits(), HASHES_AT_ONCE);
}

#[tokio::test]
async fn malformed_headers_are_wrong_and_nothing_else() {
    let world = world();
    world.user("anna", "some sentence");
    let engine = &base64::engine::general_purpose::STANDARD;
    let mut headers: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"Basic".to_vec(),
        b"Basic ".to_vec(),
        b"Basic !!!".to_vec(),
        b"Digest username=anna".to_vec(),
        b"Bearer".to_vec(),
        b"Basic \xff\xfe".to_vec(),
        format!("Bearer {}", "x".repeat(HEADER_BYTES_MAX)).into_bytes(),
    ];
    for pair in [
        &b"anna"[..],
        b":",
        b"\xff:some sentence",
        b"../user:x",
        b"anna\0:some sentence",
        b"anna:\xff\xff",
    ] {
        headers.push(format!("Basic {}", engine.encode(pair)).into_bytes());
    }
    for header in headers {
        let header = HeaderValue::from_bytes(&header).unwrap();
        assert!(
            wrong(name_of(&world.auth, header.clone()).await),
            "{header:?}"
        );
    }
}

#[test]
fn unusable_users_are_refused() {
    let world = world();
    let change = |collections: &[&str]| UserChange {
        password: Some("some sentence".into()),
        collections: Some(collections.iter().map(|name| (*name).into()).collect()),
        ..UserChange::default()
    };
    for name in ["", "with space", "a:b", "a/b", "имя", &"x".repeat(65)] {
        assert!(
            matches!(
                world.auth.put_user(&operator(), name, &change(&[])),
                Err(AuthError::BadName)
            ),
            "{name}"
        );
    }
    for names in [
        &["steppe"][..],
        &["/cyber"],
        &["steppe/"],
        &["national", ""],
    ] {
        assert!(
            matches!(
                world.auth.put_user(&operator(), "anna", &change(names)),
                Err(AuthError::BadCollections)
            ),
            "{names:?}"
        );
    }
    assert!(
        world.auth.users().unwrap().is_empty(),
        "a refused change changes nothing"
    );
    world
        .auth
        .put_user(&operator(), "anna", &change(&["national", "steppe/cyber"]))
        .unwrap();
    let users = world.auth.users().unwrap();
    assert_eq!(
        (users.len(), users[0].name.as_str(), users[0].password),
        (1, "anna", true)
    );
    assert_eq!(users[0].collections, ["national", "steppe/cyber"]);
}
