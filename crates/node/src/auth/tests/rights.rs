//! Who may change whom, and that each change is written down first.

use super::*;

fn with(duties: &[Duty]) -> UserChange {
    UserChange {
        duties: Some(duties.iter().copied().collect()),
        ..UserChange::default()
    }
}

#[test]
fn duties_that_must_stay_apart_are_refused_and_change_nothing() {
    let world = world();
    let put = |duties: &[Duty]| world.auth.put_user(&operator(), "anna", &with(duties));
    assert!(matches!(
        put(&[Duty::Operator, Duty::Approver]),
        Err(AuthError::Apart {
            one: Duty::Operator,
            other: Duty::Approver
        })
    ));
    assert!(put(&[Duty::Auditor, Duty::Analyst]).is_err());
    assert!(world.auth.users().unwrap().is_empty() && world.written().is_empty());
    put(&[Duty::Releaser, Duty::Approver]).unwrap();
    // Also when the second duty comes later.
    assert!(put(&[Duty::Releaser, Duty::Operator]).is_err());
    let held = world.auth.users().unwrap().remove(0);
    assert_eq!(held.duties, [Duty::Releaser, Duty::Approver].into());
}

#[test]
fn nobody_changes_their_own_rights() {
    let world = world();
    world.enrolled("omar", &[Duty::Operator]);
    let omar = world.auth.caller("omar", Proof::Password).unwrap();
    let own = |result: Result<(), AuthError>| assert!(matches!(result, Err(AuthError::OwnRights)));
    own(world
        .auth
        .put_user(&omar, "omar", &with(&[Duty::Releaser]))
        .map(drop));
    own(world
        .auth
        .put_user(&omar, "omar", &UserChange::default())
        .map(drop));
    own(world
        .auth
        .invite(&omar, "omar", &UserChange::default(), None)
        .map(drop));
    own(world.auth.remove_user(&omar, "omar", true).map(drop));
    own(world.auth.lock_user(&omar, "omar", true, true));
    own(world.auth.lock_user(&omar, "omar", false, true));
    let held = world.auth.users().unwrap().remove(0);
    assert_eq!((held.duties, held.locked), ([Duty::Operator].into(), None));
    world
        .auth
        .put_user(&omar, "anna", &with(&[Duty::Analyst]))
        .unwrap();
}

#[test]
fn the_last_operator_stays_unless_it_is_meant() {
    let world = world();
    world.enrolled("omar", &[Duty::Operator]);
    let last = |result: Result<(), AuthError>| {
        assert!(matches!(result, Err(AuthError::LastOperator { name }) if name == "omar"));
    };
    let socket = operator();
    last(world.auth.remove_user(&socket, "omar", false).map(drop));
    last(world.auth.lock_user(&socket, "omar", true, false));
    last(world.auth.put_user(&socket, "omar", &with(&[])).map(drop));
    // A locked one does not count, and one more does.
    world.enrolled("olga", &[Duty::Operator]);
    world.auth.lock_user(&socket, "olga", true, false).unwrap();
    last(world.auth.remove_user(&socket, "omar", false).map(drop));
    world.auth.lock_user(&socket, "olga", false, false).unwrap();
    assert!(world.auth.remove_user(&socket, "omar", false).unwrap());
    assert!(world.auth.remove_user(&socket, "olga", true).unwrap());
}

#[test]
fn what_is_not_given_stays() {
    let world = world();
    let change = UserChange {
        clearance: Some(model::Tlp::Amber),
        collections: Some(vec!["steppe/cyber".into()]),
        ..with(&[Duty::Analyst])
    };
    world.auth.put_user(&operator(), "anna", &change).unwrap();
    world
        .auth
        .put_user(&operator(), "anna", &with(&[Duty::Releaser]))
        .unwrap();
    let anna = world.auth.users().unwrap().remove(0);
    assert_eq!(anna.duties, [Duty::Releaser].into());
    assert_eq!(
        (anna.clearance.as_str(), anna.collections.len()),
        ("TLP:AMBER", 1)
    );
    assert!(anna.password);
}

#[test]
fn changes_at_the_same_time_do_not_undo_each_other() {
    let world = world();
    world.enrolled("anna", &[]);
    std::thread::scope(|scope| {
        for round in 0..8 {
            let auth = &world.auth;
            scope.spawn(move || {
                let change = match round % 2 {
                    0 => with(&[Duty::Analyst]),
                    _ => UserChange {
                        clearance: Some(model::Tlp::Green),
                        ..UserChange::default()
                    },
                };
                auth.put_user(&operator(), "anna", &change).unwrap();
            });
        }
    });
    let anna = world.auth.users().unwrap().remove(0);
    assert_eq!(
        (anna.duties, anna.clearance.as_str()),
        ([Duty::Analyst].into(), "TLP:GREEN")
    );
}

#[test]
fn every_change_is_written_down_by_whom_and_first() {
    let world = world();
    world.enrolled("omar", &[Duty::Operator]);
    world.enrolled("anna", &[Duty::Analyst]);
    let omar = world.auth.caller("omar", Proof::Password).unwrap();
    let before = world.written().len();
    world
        .auth
        .put_user(&omar, "anna", &with(&[Duty::Releaser]))
        .unwrap();
    let token = world
        .auth
        .issue_token(&omar, "anna", &TokenRequest::default())
        .unwrap();
    world.auth.revoke_token(&omar, "anna", &token.id).unwrap();
    world.auth.lock_user(&omar, "anna", true, false).unwrap();
    world.auth.remove_user(&omar, "anna", false).unwrap();
    let written = world.written().split_off(before);
    let starts = [
        "user omar: user anna changed; duties releaser",
        &format!(
            "token omar: token {} for user anna made; scopes read; ends 2027-",
            token.id
        ),
        &format!("token omar: token {} of user anna revoked", token.id),
        "user omar: user anna locked",
        "user omar: user anna removed",
    ];
    assert_eq!(written.len(), starts.len(), "{written:?}");
    for (line, start) in written.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
    // What cannot be written down does not happen.
    world.disk_full(true);
    assert!(
        world
            .auth
            .put_user(&operator(), "omar", &with(&[]))
            .is_err()
    );
    assert!(world.auth.put_user(&operator(), "new", &with(&[])).is_err());
    assert!(world.auth.remove_user(&operator(), "omar", true).is_err());
    assert!(
        world
            .auth
            .issue_token(&operator(), "omar", &TokenRequest::default())
            .is_err()
    );
    assert!(
        world
            .auth
            .start_session("omar", Proof::Password, &none())
            .is_err()
    );
    world.disk_full(false);
    let users = world.auth.users().unwrap();
    assert_eq!((users.len(), users[0].tokens), (1, 0));
    assert_eq!(users[0].duties, [Duty::Operator].into());
    assert!(world.auth.sessions("omar").unwrap().is_empty());
}

#[tokio::test]
async fn a_password_that_another_knows_decides_nothing_until_it_is_changed() {
    let world = world();
    let change = UserChange {
        password: Some("known to the operator".into()),
        ..with(&[Duty::Analyst, Duty::Releaser, Duty::Approver])
    };
    world.auth.put_user(&operator(), "anna", &change).unwrap();
    let held_back = world.by("anna", "known to the operator").await.unwrap();
    assert_eq!(held_back.duties, [Duty::Analyst].into());
    let denied = held_back.require(Duty::Approver).unwrap_err();
    assert!(
        denied.why.contains("change your password first"),
        "{}",
        denied.why
    );
    let denied = held_back.require_scope(Scope::Release).unwrap_err();
    assert!(
        denied.why.contains("change your password first"),
        "{}",
        denied.why
    );
    // Nor may a token be made with it that does, not even what her remaining duty is open to.
    for scope in [Scope::Approve, Scope::Release, Scope::Requests] {
        let request = TokenRequest {
            scopes: Some([scope].into()),
            ..TokenRequest::default()
        };
        let made = world.auth.issue_token(&held_back, "anna", &request);
        assert!(matches!(made, Err(AuthError::NotTheirs { .. })), "{scope}");
    }

    let new = "known to nobody else";
    let changed = world.change("anna", "known to the operator", new).await;
    changed.unwrap();
    let anna = world.by("anna", new).await.unwrap();
    assert!(anna.require(Duty::Approver).is_ok() && anna.held_back.is_none());
    assert!(wrong(world.by("anna", "known to the operator").await));
    // And again once it is over a year old.
    world.later(PASSWORD_DAYS_MAX * 86_400);
    let stale = world.by("anna", new).await.unwrap();
    assert_eq!(stale.duties, [Duty::Analyst].into());
    assert!(
        stale
            .require(Duty::Releaser)
            .unwrap_err()
            .why
            .contains("over a year old")
    );
}

#[tokio::test]
async fn changing_a_password_takes_the_one_until_now_and_another_one() {
    let world = world();
    world.enrolled("anna", &[]);
    assert!(wrong(
        world
            .change("anna", "not the password", "a fine new sentence")
            .await
    ));
    assert!(wrong(
        world.change("nobody", OWN, "a fine new sentence").await
    ));
    for bad in [OWN, "short", "anna likes long names"] {
        let refused = world.change("anna", OWN, bad).await;
        assert!(
            matches!(refused, Err(AuthError::BadPassword { .. })),
            "{bad}"
        );
    }
    assert!(world.by("anna", OWN).await.is_ok());
    world
        .change("anna", OWN, "a fine new sentence")
        .await
        .unwrap();
    assert!(wrong(world.by("anna", OWN).await));
}

#[tokio::test]
async fn a_locked_user_has_no_way_in_until_unlocked() {
    let world = world();
    world.enrolled("anna", &[Duty::Analyst]);
    let token = world.token("anna");
    let session = world
        .auth
        .start_session("anna", Proof::Password, &none())
        .unwrap();
    assert!(world.by("anna", OWN).await.is_ok());
    world
        .auth
        .lock_user(&operator(), "anna", true, false)
        .unwrap();
    assert!(
        wrong(world.by("anna", OWN).await),
        "not even what was remembered"
    );
    assert!(wrong(name_of(&world.auth, bearer(&token)).await));
    assert!(wrong(world.auth.session(&session.value).map(drop)));
    assert!(wrong(
        world
            .auth
            .start_session("anna", Proof::Passkey, &none())
            .map(drop)
    ));
    assert!(wrong(
        world.auth.caller("anna", Proof::Certificate).map(drop)
    ));
    let code = world
        .auth
        .invite(&operator(), "anna", &UserChange::default(), None)
        .unwrap();
    assert!(wrong(world.auth.redeem(
        "anna",
        &code.code,
        Redeem::Passkey
    )));
    world
        .auth
        .lock_user(&operator(), "anna", false, false)
        .unwrap();
    assert!(world.by("anna", OWN).await.is_ok());
    assert!(
        wrong(world.auth.session(&session.value).map(drop)),
        "sessions do not come back"
    );
}
