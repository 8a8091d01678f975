//! Passkeys, made and used by a software authenticator.

use kurultai_node::auth::passkey::{Asked, NoSite, PasskeyError, Passkeys};
use serde_json::Value;
use store::Command;
use webauthn_authenticator_rs::WebauthnAuthenticator;
use webauthn_authenticator_rs::prelude::Url;
use webauthn_authenticator_rs::softpasskey::SoftPasskey;

use super::{Hand, here, origin, store};

struct World {
    passkeys: Passkeys,
    hand: Hand,
    store: store::Store,
    _dir: tempfile::TempDir,
}

fn world() -> World {
    let hand = Hand::new();
    let (store, dir) = store(&hand.clock());
    let passkeys = Passkeys::new(store.clone(), hand.clock(), Some(&origin()), "Kurultai");
    World {
        passkeys,
        hand,
        store,
        _dir: dir,
    }
}

/// What the browser at `at` answers to a registration.
fn make(device: &mut SoftPasskey, asked: &Asked, at: &str) -> Vec<u8> {
    let options = serde_json::from_value(asked.options.clone()).unwrap();
    let answer = device.do_registration(Url::parse(at).unwrap(), options);
    serde_json::to_vec(&answer.unwrap()).unwrap()
}

/// What the browser at `at` answers to a sign-in.
fn show(device: &mut SoftPasskey, asked: &Asked, at: &str) -> Vec<u8> {
    let options = serde_json::from_value(asked.options.clone()).unwrap();
    let answer = device.do_authentication(Url::parse(at).unwrap(), options);
    serde_json::to_vec(&answer.unwrap()).unwrap()
}

const HERE: &str = "https://node.kz.example";

impl World {
    fn register(&self, user: &str, name: &str) -> SoftPasskey {
        let mut device = SoftPasskey::new(true);
        let asked = self.passkeys.begin_registration(user).unwrap();
        let answer = make(&mut device, &asked, HERE);
        let info = self
            .passkeys
            .finish_registration(user, &asked.ticket, name, &answer, || Ok(()))
            .unwrap();
        assert_eq!((info.name.as_str(), info.used), (name, None));
        device
    }

    /// The counter that the store holds for the only passkey of `user`, changed to `to`.
    fn set_counter(&self, user: &str, to: u64) {
        let rows = self.store.scan(&format!("passkey/{user}/")).unwrap();
        let [(key, value)] = rows.as_slice() else {
            panic!("{} passkeys", rows.len())
        };
        let mut kept: Value = serde_json::from_slice(value).unwrap();
        *kept.pointer_mut("/credential/cred/counter").unwrap() = to.into();
        let command = Command::Put {
            key: key.clone(),
            value: Some(serde_json::to_vec(&kept).unwrap()),
        };
        self.store.execute(command).unwrap();
    }
}

#[test]
fn a_user_registers_several_passkeys_and_signs_in_with_each() {
    let world = world();
    let mut devices = [
        world.register("anna", "blue key"),
        world.register("anna", "phone"),
    ];
    world.register("bolat", "key of Bolat");
    for which in [0, 1, 0] {
        let device = &mut devices[which];
        let asked = world.passkeys.begin_sign_in("anna", &here()).unwrap();
        // The browser offers the device those of the listed credentials that it has.
        let offered = &asked.options["publicKey"]["allowCredentials"];
        assert_eq!(offered.as_array().unwrap().len(), 2);
        let answer = [0, 1].into_iter().find_map(|at| {
            let mut one = asked.clone();
            let credential = asked.options["publicKey"]["allowCredentials"][at].clone();
            one.options["publicKey"]["allowCredentials"] = Value::Array(vec![credential]);
            let options = serde_json::from_value(one.options).unwrap();
            device
                .do_authentication(Url::parse(HERE).unwrap(), options)
                .ok()
        });
        let answer = serde_json::to_vec(&answer.unwrap()).unwrap();
        assert_eq!(
            world
                .passkeys
                .finish_sign_in(&asked.ticket, &answer)
                .unwrap(),
            "anna"
        );
    }
    let list = world.passkeys.list("anna").unwrap();
    let names: Vec<&str> = list.iter().map(|info| info.name.as_str()).collect();
    assert_eq!(names, ["blue key", "phone"]);
    assert!(list.iter().all(|info| info.used.is_some()));
}

#[test]
fn an_answer_counts_once_soon_and_for_its_own_challenge() {
    let world = world();
    let mut device = world.register("anna", "key");
    let asked = world.passkeys.begin_sign_in("anna", &here()).unwrap();
    let answer = show(&mut device, &asked, HERE);
    world
        .passkeys
        .finish_sign_in(&asked.ticket, &answer)
        .unwrap();
    // Again, and under the ticket of another challenge.
    let again = world.passkeys.finish_sign_in(&asked.ticket, &answer);
    assert!(matches!(again, Err(PasskeyError::Gone)), "{again:?}");
    let other = world.passkeys.begin_sign_in("anna", &here()).unwrap();
    let replayed = world.passkeys.finish_sign_in(&other.ticket, &answer);
    assert!(matches!(replayed, Err(PasskeyError::Wrong)), "{replayed:?}");
    // Too late.
    let late = world.passkeys.begin_sign_in("anna", &here()).unwrap();
    let answer = show(&mut device, &late, HERE);
    world.hand.pass(301);
    let late = world.passkeys.finish_sign_in(&late.ticket, &answer);
    assert!(matches!(late, Err(PasskeyError::Gone)), "{late:?}");
    // A sign-in's ticket registers nothing.
    let asked = world.passkeys.begin_sign_in("anna", &here()).unwrap();
    let mixed = world
        .passkeys
        .finish_registration("anna", &asked.ticket, "x", b"{}", || Ok(()));
    assert!(matches!(mixed, Err(PasskeyError::Gone)), "{mixed:?}");
}

#[test]
fn another_site_another_user_and_nonsense_are_refused() {
    let world = world();
    let mut device = world.register("anna", "key");
    // A page elsewhere that passes the challenge on.
    let asked = world.passkeys.begin_sign_in("anna", &here()).unwrap();
    let mut options = asked.options.clone();
    options["publicKey"]["rpId"] = "kz.example".into();
    let relayed = device.do_authentication(
        Url::parse("https://evil.kz.example").unwrap(),
        serde_json::from_value(options).unwrap(),
    );
    let relayed = serde_json::to_vec(&relayed.unwrap()).unwrap();
    let result = world.passkeys.finish_sign_in(&asked.ticket, &relayed);
    assert!(matches!(result, Err(PasskeyError::Wrong)), "{result:?}");
    // Anna's registration finished by Bolat.
    let asked = world.passkeys.begin_registration("anna").unwrap();
    let answer = make(&mut SoftPasskey::new(true), &asked, HERE);
    let result =
        world
            .passkeys
            .finish_registration("bolat", &asked.ticket, "mine", &answer, || Ok(()));
    assert!(matches!(result, Err(PasskeyError::Gone)), "{result:?}");
    for nonsense in [&b""[..], b"{}", b"[1]", &[0xff; 64], &vec![b'['; 100_000]] {
        let asked = world.passkeys.begin_sign_in("anna", &here()).unwrap();
        let result = world.passkeys.finish_sign_in(&asked.ticket, nonsense);
        assert!(matches!(result, Err(PasskeyError::Wrong)), "{result:?}");
    }
}

#[test]
fn a_device_that_did_not_verify_the_person_is_refused() {
    let world = world();
    let asked = world.passkeys.begin_registration("anna").unwrap();
    let options = serde_json::from_value(asked.options.clone()).unwrap();
    let mut careless = SoftPasskey::new(false);
    match careless.do_registration(Url::parse(HERE).unwrap(), options) {
        // The device may refuse by itself; if it answers, the node must refuse.
        Err(_) => {}
        Ok(answer) => {
            let answer = serde_json::to_vec(&answer).unwrap();
            let result =
                world
                    .passkeys
                    .finish_registration("anna", &asked.ticket, "x", &answer, || Ok(()));
            assert!(matches!(result, Err(PasskeyError::Wrong)), "{result:?}");
        }
    }
    assert!(world.passkeys.list("anna").unwrap().is_empty());
}

#[test]
fn a_counter_that_does_not_grow_is_refused_and_names_the_passkey() {
    let world = world();
    let mut device = world.register("anna", "key");
    world.set_counter("anna", 1_000);
    let asked = world.passkeys.begin_sign_in("anna", &here()).unwrap();
    let answer = show(&mut device, &asked, HERE);
    match world.passkeys.finish_sign_in(&asked.ticket, &answer) {
        Err(PasskeyError::Copied { user, passkey }) => {
            assert_eq!((user.as_str(), passkey.as_str()), ("anna", "key"));
        }
        other => panic!("{other:?}"),
    }
    // The counter may also have grown past the answer while the person was busy.
    world.set_counter("anna", 0);
    let asked = world.passkeys.begin_sign_in("anna", &here()).unwrap();
    let answer = show(&mut device, &asked, HERE);
    world.set_counter("anna", 1_000);
    let result = world.passkeys.finish_sign_in(&asked.ticket, &answer);
    assert!(
        matches!(result, Err(PasskeyError::Copied { .. })),
        "{result:?}"
    );
}

#[test]
fn a_removed_passkey_opens_nothing_even_when_already_asked_for() {
    let world = world();
    let mut device = world.register("anna", "key");
    let asked = world.passkeys.begin_sign_in("anna", &here()).unwrap();
    let answer = show(&mut device, &asked, HERE);
    let id = world.passkeys.list("anna").unwrap().remove(0).id;
    assert_eq!(world.passkeys.remove("bolat", &id).unwrap(), None);
    assert_eq!(
        world.passkeys.remove("anna", &id).unwrap().as_deref(),
        Some("key")
    );
    let result = world.passkeys.finish_sign_in(&asked.ticket, &answer);
    assert!(matches!(result, Err(PasskeyError::Wrong)), "{result:?}");
}

#[test]
fn a_name_without_passkeys_is_asked_like_any_other() {
    let world = world();
    world.register("anna", "key");
    let [anna, nobody, again] = ["anna", "nobody", "nobody"]
        .map(|name| world.passkeys.begin_sign_in(name, &here()).unwrap().options);
    let shape = |options: &Value| {
        let mut keys: Vec<String> = options["publicKey"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, _)| key.clone())
            .collect();
        keys.sort();
        let id = &options["publicKey"]["allowCredentials"][0];
        let mut of: Vec<&String> = id.as_object().unwrap().keys().collect();
        of.sort();
        (format!("{keys:?} {of:?}"), id["id"].as_str().unwrap().len())
    };
    assert_eq!(shape(&anna).0, shape(&nobody).0);
    let credential = |options: &Value| options["publicKey"]["allowCredentials"].clone();
    assert_eq!(credential(&nobody), credential(&again));
    assert_ne!(
        nobody["publicKey"]["challenge"],
        again["publicKey"]["challenge"]
    );
}

#[test]
fn challenges_and_passkeys_are_bounded() {
    let world = world();
    let first = world.passkeys.begin_sign_in("nobody", &here()).unwrap();
    for _ in 0..4_096 {
        world.passkeys.begin_sign_in("nobody", &here()).unwrap();
    }
    let result = world.passkeys.finish_sign_in(&first.ticket, b"{}");
    assert!(matches!(result, Err(PasskeyError::Gone)), "{result:?}");
    for number in 0..16 {
        world.register("anna", &format!("key {number}"));
    }
    let result = world.passkeys.begin_registration("anna");
    assert!(matches!(result, Err(PasskeyError::TooMany)), "{result:?}");
}

#[test]
fn without_an_origin_that_has_a_name_there_are_no_passkeys() {
    let hand = Hand::new();
    let (store, _dir) = store(&hand.clock());
    let of = |origin: Option<&str>| {
        let origin = origin.map(|text| Url::parse(text).unwrap());
        Passkeys::new(store.clone(), hand.clock(), origin.as_ref(), "x").available()
    };
    assert_eq!(of(None), Err(NoSite::NoOrigin));
    assert_eq!(of(Some("https://192.0.2.1")), Err(NoSite::NoName));
    assert_eq!(of(Some("http://localhost:8441")), Ok(()));
    let none = Passkeys::new(store.clone(), hand.clock(), None, "x");
    let error = none.begin_sign_in("anna", &here()).unwrap_err().to_string();
    assert!(error.contains("set origin under [people]"), "{error}");
}
