//! Tokens: scopes can only lose, and an end is an end.

use super::*;

fn scoped(scopes: &[Scope]) -> TokenRequest {
    TokenRequest {
        scopes: Some(scopes.iter().copied().collect()),
        ..TokenRequest::default()
    }
}

async fn by(world: &World, token: &str) -> Result<Arc<Caller>, AuthError> {
    world.auth.authenticate(Some(&bearer(token)), &home()).await
}

#[tokio::test]
async fn tokens_let_in_until_they_end() {
    let world = world();
    world.user("misp", "some sentence");
    let missing = world
        .auth
        .issue_token(&operator(), "nobody", &TokenRequest::default());
    assert!(matches!(missing, Err(AuthError::UnknownUser { .. })));
    let endless = TokenRequest {
        endless: true,
        ..TokenRequest::default()
    };
    let lasting = world
        .auth
        .issue_token(&operator(), "misp", &endless)
        .unwrap()
        .token;
    let day = TokenRequest {
        days: Some(1),
        ..TokenRequest::default()
    };
    let short = world
        .auth
        .issue_token(&operator(), "misp", &day)
        .unwrap()
        .token;
    assert_ne!(lasting, short);
    assert_eq!(world.auth.users().unwrap()[0].tokens, 2);
    for token in [&lasting, &short] {
        assert_eq!(name_of(&world.auth, bearer(token)).await.unwrap(), "misp");
    }
    let as_token = HeaderValue::try_from(format!("token  {lasting}")).unwrap();
    assert_eq!(name_of(&world.auth, as_token).await.unwrap(), "misp");
    assert!(wrong(name_of(&world.auth, bearer(&lasting[1..])).await));
    assert!(wrong(name_of(&world.auth, bearer("")).await));

    world.later(86_400 - 1);
    assert_eq!(name_of(&world.auth, bearer(&short)).await.unwrap(), "misp");
    world.later(1);
    assert!(
        wrong(name_of(&world.auth, bearer(&short)).await),
        "also when the proof is remembered"
    );
    assert_eq!(
        name_of(&world.auth, bearer(&lasting)).await.unwrap(),
        "misp"
    );
    let left = world.auth.tokens("misp").unwrap();
    assert_eq!(left.len(), 1);

    world
        .auth
        .revoke_token(&operator(), "misp", &left[0].id)
        .unwrap();
    assert!(
        world
            .auth
            .revoke_token(&operator(), "misp", &left[0].id)
            .is_err()
    );
    assert!(wrong(name_of(&world.auth, bearer(&lasting)).await));

    let token = world.token("misp");
    world.auth.remove_user(&operator(), "misp", false).unwrap();
    assert!(wrong(name_of(&world.auth, bearer(&token)).await));
    world.user("misp", "some sentence");
    assert!(
        wrong(name_of(&world.auth, bearer(&token)).await),
        "a new user of the name does not inherit it"
    );
}

#[tokio::test]
async fn scopes_cannot_exceed_the_user_nor_grow_with_it() {
    let world = world();
    world.enrolled("anna", &[Duty::Analyst, Duty::Releaser]);
    let anna = world.auth.caller("anna", Proof::Password).unwrap();
    for scope in [Scope::Approve, Scope::Admin, Scope::Audit] {
        let made = world
            .auth
            .issue_token(&anna, "anna", &scoped(&[Scope::Read, scope]));
        assert!(matches!(made, Err(AuthError::NotTheirs { .. })), "{scope}");
    }
    let made = world
        .auth
        .issue_token(&anna, "anna", &scoped(&[Scope::Release]))
        .unwrap();
    let caller = by(&world, &made.token).await.unwrap();
    assert_eq!(
        (caller.duties.clone(), caller.reads()),
        ([Duty::Analyst, Duty::Releaser].into(), false)
    );
    assert!(!caller.writes() && caller.require_scope(Scope::Add).is_err());
    assert!(caller.require_scope(Scope::Release).is_ok());
    assert_eq!(caller.proof, Proof::Token);
    // The user gets more: the token does not.
    let more = UserChange {
        duties: Some([Duty::Analyst, Duty::Releaser, Duty::Approver].into()),
        ..UserChange::default()
    };
    world.auth.put_user(&operator(), "anna", &more).unwrap();
    assert_eq!(
        by(&world, &made.token).await.unwrap().duties,
        [Duty::Analyst, Duty::Releaser].into()
    );
    // The user loses it: the token does at once.
    let less = UserChange {
        duties: Some([Duty::Approver].into()),
        ..UserChange::default()
    };
    world.auth.put_user(&operator(), "anna", &less).unwrap();
    assert!(by(&world, &made.token).await.unwrap().duties.is_empty());
    // A token makes no tokens, not even weaker ones.
    let caller = by(&world, &made.token).await.unwrap();
    let again = world
        .auth
        .issue_token(&caller, "anna", &scoped(&[Scope::Read]));
    assert!(matches!(again, Err(AuthError::NotTheirs { .. })));
}

#[tokio::test]
async fn only_the_person_makes_tokens_that_decide() {
    let world = world();
    world.enrolled("anna", &[Duty::Releaser, Duty::Approver]);
    world.enrolled("omar", &[Duty::Operator]);
    let omar = world.auth.caller("omar", Proof::Passkey).unwrap();
    for maker in [&omar, &operator()] {
        let made = world
            .auth
            .issue_token(maker, "anna", &scoped(&[Scope::Approve]));
        assert!(matches!(made, Err(AuthError::NotTheirs { .. })));
        assert!(
            world
                .auth
                .issue_token(maker, "anna", &scoped(&[Scope::Read]))
                .is_ok()
        );
    }
    // Nor do they come by it by rotating hers: whoever rotates sees the new secret.
    let anna = world.auth.caller("anna", Proof::Password).unwrap();
    let made = world
        .auth
        .issue_token(&anna, "anna", &scoped(&[Scope::Approve]))
        .unwrap();
    for maker in [&omar, &operator()] {
        let rotated = world.auth.rotate_token(maker, "anna", &made.id, None);
        assert!(matches!(rotated, Err(AuthError::NotTheirs { .. })));
    }
    assert!(
        world
            .auth
            .rotate_token(&anna, "anna", &made.id, None)
            .is_ok()
    );
    // And nobody reaches another's token by its id.
    let foreign = world.auth.revoke_token(&omar, "omar", &made.id);
    assert!(matches!(foreign, Err(AuthError::UnknownId { .. })));
}

#[tokio::test]
async fn collections_of_a_token_are_never_more_than_the_users() {
    let world = world();
    let change = |collections: &[&str]| UserChange {
        collections: Some(collections.iter().map(|name| (*name).into()).collect()),
        ..UserChange::default()
    };
    world
        .auth
        .put_user(&operator(), "siem", &change(&["steppe/a", "steppe/b"]))
        .unwrap();
    let request = |collections: &[&str]| TokenRequest {
        collections: collections.iter().map(|name| (*name).into()).collect(),
        ..TokenRequest::default()
    };
    let hidden = world
        .auth
        .issue_token(&operator(), "siem", &request(&["national"]));
    assert!(matches!(hidden, Err(AuthError::NotTheirs { .. })));
    assert!(
        world
            .auth
            .issue_token(&operator(), "siem", &request(&["x"]))
            .is_err()
    );
    let made = world
        .auth
        .issue_token(&operator(), "siem", &request(&["steppe/a"]))
        .unwrap();
    let caller = by(&world, &made.token).await.unwrap();
    assert!(caller.sees("steppe/a") && !caller.sees("steppe/b") && !caller.sees("national"));
    // When the user loses the token's last collection, the token sees none: not all.
    world
        .auth
        .put_user(&operator(), "siem", &change(&["steppe/b"]))
        .unwrap();
    assert!(wrong(by(&world, &made.token).await));
}

#[tokio::test]
async fn rotation_leaves_the_old_one_good_for_a_while_and_no_longer() {
    let world = world();
    world.user("siem", "some sentence");
    let week = TokenRequest {
        days: Some(7),
        note: "the SIEM".into(),
        ..TokenRequest::default()
    };
    let old = world.auth.issue_token(&operator(), "siem", &week).unwrap();
    world.later(6 * 86_400);
    let new = world
        .auth
        .rotate_token(&operator(), "siem", &old.id, Some(2))
        .unwrap();
    let listed = world.auth.tokens("siem").unwrap();
    assert!(
        listed.iter().all(|token| token.note == "the SIEM"),
        "{listed:?}"
    );
    world.later(2 * 3600 - 1);
    assert!(by(&world, &old.token).await.is_ok() && by(&world, &new.token).await.is_ok());
    world.later(1);
    assert!(wrong(by(&world, &old.token).await));
    assert!(
        world
            .auth
            .rotate_token(&operator(), "siem", &old.id, None)
            .is_err(),
        "what has ended stays so"
    );
    world.later(7 * 86_400 - 2 * 3600 - 1);
    assert!(
        by(&world, &new.token).await.is_ok(),
        "as long as the old one was made for"
    );
    world.later(1);
    assert!(wrong(by(&world, &new.token).await));
    // The grace never lengthens the old one.
    let old = world.auth.issue_token(&operator(), "siem", &week).unwrap();
    world.later(7 * 86_400 - 60);
    world
        .auth
        .rotate_token(&operator(), "siem", &old.id, Some(GRACE_HOURS_MAX))
        .unwrap();
    world.later(60);
    assert!(wrong(by(&world, &old.token).await));
    assert!(
        world
            .auth
            .rotate_token(&operator(), "siem", &old.id, Some(GRACE_HOURS_MAX + 1))
            .is_err()
    );
}

#[test]
fn an_end_is_given_or_refused_in_so_many_words() {
    let world = world();
    world.user("siem", "some sentence");
    let ends = |days, endless| {
        let request = TokenRequest {
            days,
            endless,
            ..TokenRequest::default()
        };
        world
            .auth
            .issue_token(&operator(), "siem", &request)
            .map(|made| made.expires)
    };
    assert!(ends(None, false).unwrap().is_some(), "90 days unless said");
    assert_eq!(ends(None, true).unwrap(), None);
    for (days, endless) in [
        (Some(0), false),
        (Some(TOKEN_DAYS_MAX + 1), false),
        (Some(1), true),
        (Some(u32::MAX), false),
    ] {
        assert!(matches!(
            ends(days, endless),
            Err(AuthError::Unusable { .. })
        ));
    }
    for _ in 2..TOKENS_MAX {
        ends(None, false).unwrap();
    }
    assert!(ends(None, false).is_err(), "bounded");
}

#[tokio::test]
async fn the_last_use_is_told_and_nothing_secret_is() {
    let world = world();
    world.user("siem", "some sentence");
    let made = world
        .auth
        .issue_token(&operator(), "siem", &TokenRequest::default())
        .unwrap();
    assert_eq!(world.auth.tokens("siem").unwrap()[0].used, None);
    by(&world, &made.token).await.unwrap();
    // Noted without waiting; the store works in order, so one more command waits for it.
    world
        .auth
        .start_session("siem", Proof::Password, &none())
        .unwrap();
    let listed = world.auth.tokens("siem").unwrap();
    assert_eq!(listed[0].used.as_deref(), Some(world.auth.now().as_str()));
    assert!(
        !serde_json::to_string(&listed)
            .unwrap()
            .contains(&made.token["kurultai_".len()..])
    );
}

#[tokio::test]
async fn tokens_of_earlier_versions_stay_good_and_do_not_grow() {
    let world = world();
    world.enrolled("anna", &[Duty::Analyst, Duty::Releaser, Duty::Approver]);
    let text = "kurultai_from-an-earlier-version";
    let key = format!("token/{}", secret::digest(text.as_bytes()));
    let value = br#"{"user":"anna","created":"2026-01-01T00:00:00Z","expires":null}"#.to_vec();
    let put = store::Command::Put {
        key,
        value: Some(value),
    };
    world.auth.store.execute(put).unwrap();
    let caller = by(&world, text).await.unwrap();
    assert_eq!(
        (caller.duties.clone(), caller.reads()),
        ([Duty::Analyst].into(), true)
    );
}
