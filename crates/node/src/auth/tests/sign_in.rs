//! Signing in: enrolment, one-time codes, sessions and slowing down guesses, by a clock of the test.

use super::*;

#[tokio::test]
async fn an_enrolment_code_is_good_once_for_one_person_and_for_a_while() {
    let world = world();
    let invite = |name: &str| {
        let change = UserChange {
            duties: Some([Duty::Approver].into()),
            ..UserChange::default()
        };
        world
            .auth
            .invite(&operator(), name, &change, Some(2))
            .unwrap()
            .code
    };
    let enrol = async |name: &str, code: &str| world.auth.enrol(name, code, OWN, &home()).await;
    let first = invite("anna");
    let boris = invite("boris");
    assert!(world.auth.users().unwrap()[0].invited);
    assert!(
        wrong(world.by("anna", "").await),
        "no password is a password"
    );
    assert!(wrong(enrol("boris", &first).await), "another person's");
    assert!(wrong(enrol("carla", &first).await));
    assert!(wrong(enrol("anna", "").await));
    let second = invite("anna");
    assert!(
        wrong(enrol("anna", &first).await),
        "replaced by the next one"
    );
    let bad = world.auth.enrol("anna", &second, "short", &home()).await;
    assert!(matches!(bad, Err(AuthError::BadPassword { .. })));
    enrol("anna", &second).await.unwrap();
    assert!(wrong(enrol("anna", &second).await), "used");
    let anna = world.by("anna", OWN).await.unwrap();
    assert!(
        anna.require(Duty::Approver).is_ok(),
        "nobody else has known this password"
    );
    world.later(2 * 3600);
    assert!(wrong(enrol("boris", &boris).await), "over");
    for hours in [0, ENROLMENT_HOURS_MAX + 1] {
        let made = world
            .auth
            .invite(&operator(), "dina", &UserChange::default(), Some(hours));
        assert!(made.is_err());
    }
}

#[tokio::test]
async fn two_at_once_cannot_both_use_a_code() {
    let world = world();
    let code = world
        .auth
        .invite(&operator(), "anna", &UserChange::default(), None)
        .unwrap()
        .code;
    let tries: Vec<_> = (0..6)
        .map(|at| {
            let (auth, code) = (world.auth.clone(), code.clone());
            std::thread::spawn(move || {
                auth.redeem(
                    "anna",
                    &code,
                    Redeem::Password(format!("sentence number {at}")),
                )
            })
        })
        .collect();
    let done = tries.into_iter().map(|one| one.join().unwrap());
    assert_eq!(done.filter(Result::is_ok).count(), 1);
}

#[tokio::test]
async fn enrolling_again_ends_everything_from_before() {
    let world = world();
    world.enrolled("anna", &[Duty::Approver]);
    let (secret, _) = world.with_codes("anna").await;
    let token = world.token("anna");
    let session = world
        .auth
        .start_session("anna", Proof::PasswordAndTotp, &none())
        .unwrap();
    let key = "passkey/anna/one".to_owned();
    let put = store::Command::Put {
        key: key.clone(),
        value: Some(b"{}".to_vec()),
    };
    world.auth.store.execute(put).unwrap();
    let code = world
        .auth
        .invite(&operator(), "anna", &UserChange::default(), None)
        .unwrap()
        .code;
    assert!(
        world.auth.session(&session.value).is_err(),
        "a change of the user ends sessions"
    );
    assert!(
        name_of(&world.auth, bearer(&token)).await.is_ok(),
        "an invitation alone takes nothing away"
    );
    world
        .auth
        .redeem(
            "anna",
            &code,
            Redeem::Password("after the loss of it".into()),
        )
        .unwrap();
    assert!(wrong(name_of(&world.auth, bearer(&token)).await));
    assert!(wrong(world.by("anna", OWN).await));
    assert_eq!(world.auth.store.get(&key).unwrap(), None);
    let signed_in = world
        .auth
        .sign_in("anna", b"after the loss of it", &home())
        .await
        .unwrap();
    assert_eq!(
        signed_in,
        SignIn::Proved(Proof::Password),
        "the lost authenticator does not count"
    );
    assert!(wrong(world.auth.check_code("anna", &world.code(&secret))));
}

#[tokio::test]
async fn one_time_codes_are_a_second_step_and_count_once() {
    let world = world();
    world.enrolled("anna", &[Duty::Approver]);
    let (secret, _) = world.with_codes("anna").await;
    assert!(matches!(
        world.by("anna", OWN).await,
        Err(AuthError::SecondFactor)
    ));
    assert!(wrong(world.by("anna", "another sentence").await));
    let ticket = world.ticket("anna").await;
    assert!(
        wrong(
            world
                .auth
                .second_factor(&ticket, &world.code(&secret), &home())
                .await
        ),
        "the code that set it up"
    );
    world.later(30);
    let code = world.code(&secret);
    for bad in ["", "000000", "12345", &code[..5], "１２３４５６"] {
        world.auth.guards().unlock("anna");
        assert!(
            code == bad || wrong(world.auth.second_factor(&ticket, bad, &home()).await),
            "{bad}"
        );
    }
    world.auth.guards().unlock("anna");
    let proved = world
        .auth
        .second_factor(&ticket, &code, &home())
        .await
        .unwrap();
    assert_eq!(proved, ("anna".to_owned(), Proof::PasswordAndTotp));
    assert!(
        wrong(world.auth.second_factor(&ticket, &code, &home()).await),
        "the ticket is used"
    );
    let ticket = world.ticket("anna").await;
    assert!(
        wrong(world.auth.second_factor(&ticket, &code, &home()).await),
        "the code is used"
    );
    // A clock that is one step off passes, two do not; and an earlier step never after a later one.
    let at = |steps: i64| {
        totp::code_at(
            &secret,
            (world.auth.clock.secs() as i64 + 30 * steps) as u64,
        )
    };
    for steps in [-2, 2] {
        assert!(wrong(world.auth.check_code("anna", &at(steps))));
    }
    world.auth.check_code("anna", &at(1)).unwrap();
    assert!(wrong(world.auth.check_code("anna", &at(1))));
    assert!(wrong(world.auth.check_code("anna", &at(0))));
    assert!(wrong(world.auth.check_code("boris", &at(1))));
}

#[tokio::test]
async fn tickets_end_and_belong_to_the_state_they_were_given_in() {
    let world = world();
    world.enrolled("anna", &[]);
    let (secret, _) = world.with_codes("anna").await;
    world.later(30);
    let late = world.ticket("anna").await;
    world.later(TICKET_SECS_MAX);
    assert!(wrong(
        world
            .auth
            .second_factor(&late, &world.code(&secret), &home())
            .await
    ));
    let stale = world.ticket("anna").await;
    world.auth.credential_changed("anna", "something").unwrap();
    assert!(wrong(
        world
            .auth
            .second_factor(&stale, &world.code(&secret), &home())
            .await
    ));
    assert!(wrong(
        world
            .auth
            .second_factor("made up", &world.code(&secret), &home())
            .await
    ));
}

#[tokio::test]
async fn recovery_codes_count_once_each() {
    let world = world();
    world.enrolled("anna", &[]);
    let (_, recovery) = world.with_codes("anna").await;
    assert_eq!(recovery.len(), RECOVERY_CODES);
    for code in &recovery {
        let ticket = world.ticket("anna").await;
        world
            .auth
            .second_factor(&ticket, code, &home())
            .await
            .unwrap();
        assert!(wrong(world.auth.check_code("anna", code)));
    }
    assert!(
        world
            .written()
            .iter()
            .any(|line| line.ends_with("a recovery code was used; 0 are left"))
    );
}

#[tokio::test]
async fn codes_are_set_up_by_the_person_and_sealed() {
    let world = world();
    world.enrolled("anna", &[Duty::Analyst]);
    let token = world
        .auth
        .authenticate(Some(&bearer(&world.token("anna"))), &home())
        .await
        .unwrap();
    for caller in [&Arc::new(operator()), &token] {
        let begun = world.auth.new_totp(caller, None, &home()).await;
        assert!(matches!(begun, Err(AuthError::NotTheirs { .. })));
    }
    let anna = Arc::new(world.auth.caller("anna", Proof::Password).unwrap());
    assert!(
        wrong(world.auth.confirm_totp(&anna, "123456", &home()).await),
        "none was begun"
    );
    let new = world.auth.new_totp(&anna, None, &home()).await.unwrap();
    assert!(
        new.uri.starts_with("otpauth://totp/Kurultai:anna?secret=")
            && new.uri.contains(&new.secret)
    );
    let right = world.code(&new.secret);
    let other = if right == "000000" {
        "000001"
    } else {
        "000000"
    };
    assert!(wrong(world.auth.confirm_totp(&anna, other, &home()).await));
    assert!(
        world.by("anna", OWN).await.is_ok(),
        "not in force before it is confirmed"
    );
    let codes = world
        .auth
        .confirm_totp(&anna, &right, &home())
        .await
        .unwrap();
    assert!(
        wrong(world.auth.confirm_totp(&anna, &right, &home()).await),
        "confirmed once"
    );
    let all: Vec<u8> = world
        .auth
        .store
        .scan("")
        .unwrap()
        .into_iter()
        .flat_map(|(_, value)| value)
        .collect();
    let all = String::from_utf8_lossy(&all).into_owned();
    assert!(
        !all.contains(&new.secret) && !all.contains(&codes[0]),
        "{all}"
    );
    // Another node's key opens nothing, and says so rather than let in.
    let book: Book = Arc::new(|_| Ok(()));
    let other = Arc::new(Auth::new(
        world.auth.store.clone(),
        world.auth.clock.clone(),
        &[8; 32],
        book,
    ));
    world.later(30);
    let refused = other.check_code("anna", &world.code(&new.secret));
    assert!(matches!(
        refused,
        Err(AuthError::Store(StoreError::Corrupt { .. }))
    ));
    // Removing takes a code, too.
    assert!(wrong(world.auth.remove_totp(&anna, &right, &home()).await));
    world
        .auth
        .remove_totp(&anna, &world.code(&new.secret), &home())
        .await
        .unwrap();
    assert!(world.by("anna", OWN).await.is_ok());
}

#[test]
fn sessions_end_by_time_by_change_and_by_will() {
    let world = world();
    world.enrolled("anna", &[Duty::Releaser]);
    let start = || {
        world
            .auth
            .start_session("anna", Proof::PasswordAndTotp, &none())
            .unwrap()
    };
    let ends = |value: &str| assert!(wrong(world.auth.session(value).map(drop)));
    let session = start();
    let caller = world.auth.session(&session.value).unwrap();
    assert_eq!(
        (caller.name.as_str(), caller.proof),
        ("anna", Proof::PasswordAndTotp)
    );
    assert!(caller.require(Duty::Releaser).is_ok());
    for bad in [
        "",
        "kurultai-session_",
        &session.value[..session.value.len() - 1],
        &session.value[1..],
    ] {
        ends(bad);
    }
    // Idle.
    world.later(SESSION_IDLE_SECS - 1);
    world.auth.session(&session.value).unwrap();
    world.settle();
    world.later(SESSION_IDLE_SECS - 1);
    world.auth.session(&session.value).unwrap();
    world.settle();
    world.later(SESSION_IDLE_SECS);
    ends(&session.value);
    // However busy.
    let session = start();
    for _ in 0..SESSION_SECS_MAX / 1000 {
        world.later(1000);
        world.auth.session(&session.value).unwrap();
        world.settle();
    }
    world.later(SESSION_SECS_MAX % 1000);
    ends(&session.value);
    // Any change of the user.
    let session = start();
    let change = UserChange {
        clearance: Some(model::Tlp::Green),
        ..UserChange::default()
    };
    world.auth.put_user(&operator(), "anna", &change).unwrap();
    ends(&session.value);
    // One's own will, and the operator's.
    let (one, other) = (start(), start());
    assert!(
        world.auth.end_session(&one.value).unwrap() && !world.auth.end_session(&one.value).unwrap()
    );
    ends(&one.value);
    assert_eq!(world.auth.sessions("anna").unwrap().len(), 1);
    world.auth.end_sessions(&operator(), "anna").unwrap();
    ends(&other.value);
    // A user that is removed and made anew.
    let session = start();
    world.auth.remove_user(&operator(), "anna", false).unwrap();
    world.enrolled("anna", &[Duty::Releaser]);
    ends(&session.value);
}

#[test]
fn sessions_are_new_each_time_bounded_and_kept_as_digests() {
    let world = world();
    world.enrolled("anna", &[]);
    let started: Vec<Started> = (0..SESSIONS_MAX + 3)
        .map(|_| {
            world.later(1);
            world
                .auth
                .start_session("anna", Proof::Password, &none())
                .unwrap()
        })
        .collect();
    assert_eq!(world.auth.sessions("anna").unwrap().len(), SESSIONS_MAX);
    assert!(
        world.auth.session(&started[2].value).is_err(),
        "the oldest made room"
    );
    assert!(world.auth.session(&started[3].value).is_ok());
    let values: std::collections::BTreeSet<&str> =
        started.iter().map(|one| one.value.as_str()).collect();
    assert_eq!(values.len(), started.len());
    let settings = world.auth.store.scan("session/").unwrap();
    assert!(settings.iter().all(|(key, value)| {
        let text = format!("{key}{}", String::from_utf8_lossy(value));
        values
            .iter()
            .all(|one| !text.contains(&one["kurultai-session_".len()..]))
    }));
}

#[tokio::test]
async fn a_session_is_shown_as_a_bearer_and_never_remembered_past_its_end() {
    let world = world();
    world.enrolled("anna", &[]);
    let session = world
        .auth
        .start_session("anna", Proof::Password, &none())
        .unwrap();
    let header = bearer(&session.value);
    assert_eq!(name_of(&world.auth, header.clone()).await.unwrap(), "anna");
    world.auth.end_session(&session.value).unwrap();
    assert!(wrong(name_of(&world.auth, header).await));
}

#[tokio::test]
async fn guesses_have_to_wait_whether_or_not_the_user_exists() {
    let world = world();
    world.enrolled("anna", &[]);
    for name in ["anna", "nobody"] {
        for _ in 0..FAILURES_FREE {
            assert!(wrong(world.by(name, "a guess of hers").await));
        }
        let refused = world.by(name, OWN).await;
        assert!(
            matches!(
                refused,
                Err(AuthError::Later {
                    secs: PAUSE_SECS_MIN
                })
            ),
            "{name}: {refused:?}"
        );
    }
    let lines = world.written();
    let failed: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("sign-in-failed"))
        .collect();
    assert_eq!(
        failed.len(),
        1,
        "made-up names stay out of the log: {failed:?}"
    );
    assert!(failed[0].contains("5 failed attempts to sign in as anna from 192.0.2.1"));
    world.later(PAUSE_SECS_MIN);
    assert!(
        world.by("anna", OWN).await.is_ok(),
        "the right password after the pause"
    );
    // The operator's unlocking ends a pause at once.
    for _ in 0..FAILURES_FREE {
        assert!(wrong(world.by("anna", "another guess").await));
    }
    assert!(matches!(
        world.by("anna", "yet another guess").await,
        Err(AuthError::Later { .. })
    ));
    world
        .auth
        .lock_user(&operator(), "anna", false, false)
        .unwrap();
    assert!(wrong(world.by("anna", "yet another guess").await));
}

#[tokio::test]
async fn an_outsider_cannot_lock_anybody_out() {
    let world = world();
    world.enrolled("anna", &[Duty::Analyst]);
    assert!(world.by("anna", OWN).await.is_ok());
    world.settle();
    let token = world.token("anna");
    // As from very many addresses; each by itself stays below its own limit.
    for place in 0..FAILURES_UNKNOWN + 50 {
        let from = Source::of((0x0a00_0000 + place).to_be_bytes().into());
        world.auth.guards().failed("anna", &from, false, NOW);
    }
    let elsewhere = Source::of([203, 0, 113, 9].into());
    let guess = basic("anna", "one guess a minute");
    let from_elsewhere =
        async |source: &Source| world.auth.authenticate(Some(&guess), source).await;
    let refused = from_elsewhere(&elsewhere).await;
    assert!(
        matches!(refused, Err(AuthError::Later { .. })),
        "{refused:?}"
    );
    world.later(PAUSE_UNKNOWN_SECS);
    assert!(wrong(from_elsewhere(&elsewhere).await), "one attempt");
    let next = Source::of([203, 0, 113, 10].into());
    let refused = from_elsewhere(&next).await;
    assert!(
        matches!(refused, Err(AuthError::Later { .. })),
        "{refused:?}"
    );
    // She, from where she has been before, and her tools.
    world.auth.forget();
    assert!(world.by("anna", OWN).await.is_ok());
    assert!(name_of(&world.auth, bearer(&token)).await.is_ok());
    // And from the operator's socket.
    let local = world
        .auth
        .authenticate(Some(&basic("anna", OWN)), &Source::local())
        .await;
    assert!(local.is_ok());
}

#[tokio::test]
async fn a_right_password_does_not_clear_the_failures_of_codes() {
    let world = world();
    world.enrolled("anna", &[]);
    world.with_codes("anna").await;
    for _ in 0..FAILURES_FREE {
        let ticket = world.ticket("anna").await;
        assert!(wrong(
            world.auth.second_factor(&ticket, "000000", &home()).await
        ));
    }
    let again = world.auth.sign_in("anna", OWN.as_bytes(), &home()).await;
    assert!(matches!(again, Err(AuthError::Later { .. })), "{again:?}");
}
