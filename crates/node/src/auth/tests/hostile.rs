//! Bursts of guesses, and stolen proofs that would become ways in that last.

use super::*;

#[tokio::test]
async fn another_authenticator_takes_a_code_of_the_one_until_now() {
    let world = world();
    world.enrolled("anna", &[Duty::Analyst]);
    let (secret, recovery) = world.with_codes("anna").await;
    let anna = Arc::new(world.auth.caller("anna", Proof::PasswordAndTotp).unwrap());
    let begin = async |code: Option<&str>| world.auth.new_totp(&anna, code, &home()).await;
    for code in [None, Some(""), Some(" ")] {
        assert!(matches!(
            begin(code).await,
            Err(AuthError::NotTheirs { .. })
        ));
    }
    assert!(matches!(
        begin(Some("no code")).await,
        Err(AuthError::Wrong)
    ));
    assert!(
        wrong(
            world
                .auth
                .confirm_totp(&anna, &world.code(&secret), &home())
                .await
        ),
        "nothing was begun"
    );
    let new = begin(Some(&recovery[0])).await.unwrap();
    world
        .auth
        .confirm_totp(&anna, &world.code(&new.secret), &home())
        .await
        .unwrap();
    assert_ne!(new.secret, secret);
    assert!(
        wrong(world.auth.check_code("anna", &recovery[1])),
        "those of the old one"
    );
}

#[tokio::test]
async fn a_new_second_factor_cannot_be_guessed_and_does_not_wait_for_ever() {
    let world = world();
    world.enrolled("anna", &[Duty::Analyst]);
    let anna = Arc::new(world.auth.caller("anna", Proof::Password).unwrap());
    let begin = async || {
        let new = world.auth.new_totp(&anna, None, &home()).await.unwrap();
        new.secret
    };
    let confirm = async |code: &str| world.auth.confirm_totp(&anna, code, &home()).await;
    // What an authenticator never shows.
    let guess = "no code";
    let secret = begin().await;
    for _ in 0..FAILURES_FREE {
        assert!(wrong(confirm(guess).await));
    }
    assert!(
        matches!(confirm(guess).await, Err(AuthError::Later { .. })),
        "failures count"
    );
    world.later(PAUSE_SECS_MAX);
    assert!(
        wrong(confirm(&world.code(&secret)).await),
        "gone after so many wrong codes"
    );
    world.later(PAUSE_SECS_MAX);
    let secret = begin().await;
    world.later(NEW_TOTP_SECS_MAX);
    assert!(
        wrong(confirm(&world.code(&secret)).await),
        "gone after a while"
    );
    world.later(PAUSE_SECS_MAX);
    let secret = begin().await;
    world.later(NEW_TOTP_SECS_MAX - 1);
    assert!(confirm(&world.code(&secret)).await.is_ok());
}

#[tokio::test]
async fn whoever_set_a_password_for_somebody_sets_up_no_second_factor_beside_it() {
    let world = world();
    let change = UserChange {
        password: Some("a given password".into()),
        ..UserChange::default()
    };
    world.auth.put_user(&operator(), "anna", &change).unwrap();
    let given = Arc::new(world.auth.caller("anna", Proof::Password).unwrap());
    assert!(given.held_back.is_some());
    let begun = world.auth.new_totp(&given, None, &home()).await;
    let Err(AuthError::NotTheirs { why }) = begun else {
        panic!("it was begun")
    };
    assert!(why.contains("change your password first"), "{why}");
    let confirmed = world.auth.confirm_totp(&given, "123456", &home()).await;
    assert!(matches!(confirmed, Err(AuthError::NotTheirs { .. })));
}

#[tokio::test]
async fn a_burst_of_guesses_is_bounded_like_guesses_one_by_one() {
    let world = world();
    world.enrolled("anna", &[Duty::Analyst]);
    let looked_at = async |guesses: usize| {
        let tries = (0..guesses).map(|number| {
            let auth = Arc::clone(&world.auth);
            tokio::spawn(async move {
                let password = format!("guess number {number}");
                auth.sign_in("anna", password.as_bytes(), &home()).await
            })
        });
        let mut wrong = 0;
        for attempt in tries.collect::<Vec<_>>() {
            wrong += usize::from(matches!(attempt.await.unwrap(), Err(AuthError::Wrong)));
        }
        wrong
    };
    let looked = looked_at(30).await;
    assert!(
        looked <= FAILURES_FREE as usize,
        "{looked} guesses of one burst were looked at"
    );
    assert!(looked > 0);
}

#[tokio::test]
async fn codes_of_one_ticket_are_few_also_at_once() {
    let world = world();
    world.enrolled("anna", &[Duty::Analyst]);
    let (secret, _) = world.with_codes("anna").await;
    let ticket = world.ticket("anna").await;
    for place in 0..TICKET_TRIES_MAX {
        let from = Source::of(std::net::IpAddr::from([192, 0, 2, place as u8]));
        let tried = world.auth.second_factor(&ticket, "no code", &from).await;
        assert!(matches!(tried, Err(AuthError::Wrong)));
    }
    // A code of a step that has not been used.
    world.later(60);
    let right = world.code(&secret);
    let from = Source::of(std::net::IpAddr::from([198, 51, 100, 1]));
    let late = world.auth.second_factor(&ticket, &right, &from).await;
    assert!(
        matches!(late, Err(AuthError::Wrong)),
        "the ticket is worn out"
    );
    let ticket = world.ticket("anna").await;
    assert!(
        world
            .auth
            .second_factor(&ticket, &right, &from)
            .await
            .is_ok()
    );
    assert!(
        world
            .auth
            .second_factor(&ticket, &right, &from)
            .await
            .is_err(),
        "once"
    );
}

#[tokio::test]
async fn a_token_ends_no_way_in_of_its_user() {
    let world = world();
    world.enrolled("anna", &[Duty::Analyst]);
    let header = bearer(&world.token("anna"));
    let token = world
        .auth
        .authenticate(Some(&header), &home())
        .await
        .unwrap();
    let id = world.auth.tokens("anna").unwrap()[0].id.clone();
    let revoked = world.auth.revoke_token(&token, "anna", &id);
    assert!(matches!(revoked, Err(AuthError::NotTheirs { .. })));
    let ended = world.auth.end_sessions(&token, "anna");
    assert!(matches!(ended, Err(AuthError::NotTheirs { .. })));
    let anna = world.auth.caller("anna", Proof::Password).unwrap();
    world.auth.end_sessions(&anna, "anna").unwrap();
    world.auth.revoke_token(&anna, "anna", &id).unwrap();
}
