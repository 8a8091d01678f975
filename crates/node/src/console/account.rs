//! The account page: what one may do here, and one's own ways to sign in.
//!
//! Changes of a credential end the user's sessions, this one too; the browser that made the change
//! gets a new one with the answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Form, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use openidconnect::url::form_urlencoded;
use serde::Deserialize;

use super::Console;
use super::pages::{
    AccountPage, PasskeyRow, Secret, SessionRow, TokenRow, TotpPage, answer, by, minute,
};
use super::sign_in::{TokenForm, status};
use super::visit::{Member, Visit};
use crate::admin::types::TokenRequest;
use crate::auth::{AuthError, Caller, PASSWORD_BYTES_MIN, Scope, TOKEN_DAYS_MAX};
use crate::config::tlp_word;
use crate::node::blocking;

type Shared = State<Arc<Console>>;

/// What a page says about what was just tried.
#[derive(Default)]
struct Said {
    status: StatusCode,
    problem: Option<String>,
    done: Option<String>,
    secret: Option<Secret>,
}

#[derive(Deserialize)]
pub(super) struct PasswordForm {
    token: String,
    old: String,
    #[serde(default)]
    code: String,
    new: String,
    again: String,
}

#[derive(Deserialize)]
pub(super) struct CodeForm {
    token: String,
    code: String,
}

#[derive(Deserialize)]
pub(super) struct IdForm {
    token: String,
    id: String,
}

pub(super) async fn page(State(console): Shared, member: Member) -> Response {
    console
        .account_page(&member.visit, &member.caller, Said::default())
        .await
}

pub(super) async fn password(
    State(console): Shared,
    member: Member,
    Form(form): Form<PasswordForm>,
) -> Response {
    let Member { visit, caller } = member;
    if let Err(stale) = visit.check(&console, &form.token) {
        return stale.into_response();
    }
    if form.new != form.again {
        let said = Said::problem("The two new passwords differ: type the same one twice.");
        return console.account_page(&visit, &caller, said).await;
    }
    let code = form.code.trim();
    let changed = console
        .node
        .auth()
        .change_password(
            &caller.name,
            &form.old,
            (!code.is_empty()).then_some(code),
            &form.new,
            &visit.source,
        )
        .await;
    match changed {
        Ok(()) => {
            let done = "Your password is changed. Other sessions have ended.";
            console
                .renewed_page(&visit, &caller, Said::done(done))
                .await
        }
        Err(error) => {
            console
                .account_page(&visit, &caller, Said::of(&error))
                .await
        }
    }
}

pub(super) async fn new_totp(
    State(console): Shared,
    member: Member,
    Form(form): Form<TokenForm>,
) -> Response {
    let Member { visit, caller } = member;
    if let Err(stale) = visit.check(&console, &form.token) {
        return stale.into_response();
    }
    let (auth, of) = (Arc::clone(console.node.auth()), Arc::clone(&caller));
    match blocking(move || auth.new_totp(&of)).await {
        Ok(new) => console.totp_page(&visit, &new.secret, new.uri),
        Err(error) => {
            console
                .account_page(&visit, &caller, Said::of(&error))
                .await
        }
    }
}

pub(super) async fn confirm_totp(
    State(console): Shared,
    member: Member,
    Form(form): Form<CodeForm>,
) -> Response {
    let Member { visit, caller } = member;
    if let Err(stale) = visit.check(&console, &form.token) {
        return stale.into_response();
    }
    let (auth, of) = (Arc::clone(console.node.auth()), Arc::clone(&caller));
    match blocking(move || auth.confirm_totp(&of, form.code.trim())).await {
        Ok(codes) => {
            let said = Said {
                secret: Some(Secret {
                    title: "Recovery codes",
                    text: "Each of these works once in place of a code, if you lose the app. Write \
                           them down and keep them apart from your password; they are not shown \
                           again.",
                    lines: codes,
                }),
                ..Said::done("Your password is now asked together with a code.")
            };
            console.renewed_page(&visit, &caller, said).await
        }
        Err(AuthError::Wrong) => {
            let text = "The code is not right: set up the app again, and check its clock.";
            console
                .account_page(&visit, &caller, Said::problem(text))
                .await
        }
        Err(error) => {
            console
                .account_page(&visit, &caller, Said::of(&error))
                .await
        }
    }
}

pub(super) async fn remove_totp(
    State(console): Shared,
    member: Member,
    Form(form): Form<CodeForm>,
) -> Response {
    let Member { visit, caller } = member;
    if let Err(stale) = visit.check(&console, &form.token) {
        return stale.into_response();
    }
    let auth = console.node.auth();
    match auth
        .remove_totp(&caller, form.code.trim(), &visit.source)
        .await
    {
        Ok(()) => {
            let said = Said::done("Codes are not asked any more.");
            console.renewed_page(&visit, &caller, said).await
        }
        Err(error) => {
            console
                .account_page(&visit, &caller, Said::of(&error))
                .await
        }
    }
}

pub(super) async fn remove_passkey(
    State(console): Shared,
    member: Member,
    Form(form): Form<IdForm>,
) -> Response {
    let Member { visit, caller } = member;
    if let Err(stale) = visit.check(&console, &form.token) {
        return stale.into_response();
    }
    let (passkeys, user) = (Arc::clone(&console.passkeys), caller.name.clone());
    let auth = Arc::clone(console.node.auth());
    let removed = blocking(move || {
        let removed = passkeys.remove(&user, &form.id);
        let removed = removed.map_err(|error| error.to_string())?;
        if let Some(name) = &removed {
            auth.credential_changed(&user, &format!("passkey {name:?} removed"))
                .map_err(|error| error.to_string())?;
        }
        Ok::<_, String>(removed)
    });
    match removed.await {
        Ok(Some(name)) => {
            let said = Said::done(&format!("The passkey {name} is removed."));
            console.renewed_page(&visit, &caller, said).await
        }
        Ok(None) => {
            let said = Said::problem("You have no such passkey (any more).");
            console.account_page(&visit, &caller, said).await
        }
        Err(why) => {
            console
                .account_page(&visit, &caller, Said::problem(&why))
                .await
        }
    }
}

pub(super) async fn end_sessions(
    State(console): Shared,
    member: Member,
    Form(form): Form<TokenForm>,
) -> Response {
    let Member { visit, caller } = member;
    if let Err(stale) = visit.check(&console, &form.token) {
        return stale.into_response();
    }
    let auth = Arc::clone(console.node.auth());
    match blocking(move || auth.end_sessions(&caller, &caller.name)).await {
        Ok(()) => {
            let set = [(header::SET_COOKIE, console.drop_session_cookie())];
            (set, Redirect::to("/console/sign-in")).into_response()
        }
        Err(error) => console.failed(&visit, &error),
    }
}

/// Makes a token. The form may name several scopes, so it is read by hand.
pub(super) async fn new_token(State(console): Shared, member: Member, body: Bytes) -> Response {
    let Member { visit, caller } = member;
    let (mut token, mut request) = (String::new(), TokenRequest::default());
    let mut scopes = BTreeSet::new();
    let mut wrong = None;
    for (key, value) in form_urlencoded::parse(&body) {
        match key.as_ref() {
            "token" => token = value.into_owned(),
            "note" => request.note = value.trim().to_owned(),
            "days" => match value.trim().parse() {
                Ok(days) => request.days = Some(days),
                Err(_) => wrong = Some("The days must be a whole number.".to_owned()),
            },
            "scope" => match value.parse::<Scope>() {
                Ok(scope) => {
                    scopes.insert(scope);
                }
                Err(why) => wrong = Some(why),
            },
            _ => {}
        }
    }
    if let Err(stale) = visit.check(&console, &token) {
        return stale.into_response();
    }
    if let Some(why) = wrong {
        return console
            .account_page(&visit, &caller, Said::problem(&why))
            .await;
    }
    request.scopes = Some(scopes);
    let (auth, of) = (Arc::clone(console.node.auth()), Arc::clone(&caller));
    let said = match blocking(move || auth.issue_token(&of, &of.name, &request)).await {
        Ok(made) => Said {
            secret: Some(Secret {
                title: "New token",
                text: "Copy it to where it is needed: it is not shown again.",
                lines: vec![made.token],
            }),
            ..Said::default()
        },
        Err(error) => Said::of(&error),
    };
    console.account_page(&visit, &caller, said).await
}

pub(super) async fn revoke_token(
    State(console): Shared,
    member: Member,
    Form(form): Form<IdForm>,
) -> Response {
    let Member { visit, caller } = member;
    if let Err(stale) = visit.check(&console, &form.token) {
        return stale.into_response();
    }
    let (auth, of) = (Arc::clone(console.node.auth()), Arc::clone(&caller));
    let said = match blocking(move || auth.revoke_token(&of, &of.name, &form.id)).await {
        Ok(()) => Said::done("The token is revoked."),
        Err(error) => Said::of(&error),
    };
    console.account_page(&visit, &caller, said).await
}

impl Said {
    fn problem(text: &str) -> Said {
        Said {
            status: StatusCode::BAD_REQUEST,
            problem: Some(text.to_owned()),
            ..Said::default()
        }
    }

    fn done(text: &str) -> Said {
        Said {
            done: Some(text.to_owned()),
            ..Said::default()
        }
    }

    fn of(error: &AuthError) -> Said {
        Said {
            status: status(error),
            ..Said::problem(&error.to_string())
        }
    }
}

impl Console {
    fn totp_page(&self, visit: &Visit, secret: &str, uri: String) -> Response {
        // In groups of four, for typing.
        let letters: Vec<char> = secret.chars().collect();
        let groups: Vec<String> = letters
            .chunks(4)
            .map(|group| group.iter().collect())
            .collect();
        let page = TotpPage {
            page: self.frame(visit, "account"),
            key: groups.join(" "),
            uri,
        };
        answer(StatusCode::OK, &page)
    }

    /// The page after a change that ended every session, with a new one in the browser.
    async fn renewed_page(&self, visit: &Visit, caller: &Arc<Caller>, said: Said) -> Response {
        let begun = self
            .begin(visit, &caller.name, caller.proof, BTreeSet::new())
            .await;
        let (value, set) = match begun {
            Ok(begun) => begun,
            Err(error) => return self.failed(visit, &error),
        };
        let auth = Arc::clone(self.node.auth());
        let of = value.clone();
        let caller = match blocking(move || auth.session(&of)).await {
            Ok(caller) => caller,
            Err(error) => return self.failed(visit, &error),
        };
        let visit = Visit {
            session: Some((value, Arc::clone(&caller))),
            ..visit.clone()
        };
        let mut response = self.account_page(&visit, &caller, said).await;
        let set: HeaderValue = set;
        response.headers_mut().append(header::SET_COOKIE, set);
        response
    }

    async fn account_page(&self, visit: &Visit, caller: &Arc<Caller>, said: Said) -> Response {
        let (auth, passkeys) = (Arc::clone(self.node.auth()), Arc::clone(&self.passkeys));
        let name = caller.name.clone();
        let read = blocking(move || {
            let passkeys = passkeys.list(&name).map_err(|error| error.to_string())?;
            let text = |error: AuthError| error.to_string();
            let mut users = auth.users().map_err(text)?.into_iter();
            let user = users.find(|user| user.name == name);
            let sessions = auth.sessions(&name).map_err(text)?;
            let tokens = auth.tokens(&name).map_err(text)?;
            Ok::<_, String>((passkeys, user, sessions, tokens))
        });
        let (passkeys, user, sessions, tokens) = match read.await {
            Ok(read) => read,
            Err(why) => {
                tracing::error!(why, "an account page could not be made");
                return self.failed(visit, &AuthError::Busy);
            }
        };
        let words = |duties: &BTreeSet<policy::Duty>| {
            let words: Vec<&str> = duties.iter().map(|duty| duty.word()).collect();
            match words.is_empty() {
                true => "none (reading only)".to_owned(),
                false => words.join(", "),
            }
        };
        let mut page = self.frame(visit, "account");
        page.problem = said.problem;
        page.done = said.done;
        let page = AccountPage {
            page,
            caller,
            duties: words(&caller.duties),
            clearance: tlp_word(caller.clearance),
            collections: match caller.collections.is_empty() {
                true => "all".to_owned(),
                false => caller.collections.join(", "),
            },
            proof: by(caller.proof),
            secret: said.secret,
            passkeys: passkeys
                .into_iter()
                .map(|info| PasskeyRow {
                    id: info.id,
                    name: info.name,
                    created: minute(&info.created),
                    used: info
                        .used
                        .map_or_else(|| "never".to_owned(), |used| minute(&used)),
                })
                .collect(),
            passkeys_missing: self.passkeys.available().err().map(|why| why.to_string()),
            password: user.as_ref().is_some_and(|user| user.password),
            totp: user.is_some_and(|user| user.second_factor),
            sessions: sessions
                .into_iter()
                .map(|info| SessionRow {
                    started: minute(&info.started),
                    seen: minute(&info.used),
                    proof: by(info.proof),
                })
                .collect(),
            tokens: tokens
                .into_iter()
                .map(|info| TokenRow {
                    id: info.id,
                    note: info.note,
                    scopes: {
                        let words: Vec<&str> =
                            info.scopes.iter().map(|scope| scope.word()).collect();
                        words.join(", ")
                    },
                    created: minute(&info.created),
                    expires: info
                        .expires
                        .map_or_else(|| "never".to_owned(), |expires| minute(&expires)),
                })
                .collect(),
            scopes: Scope::ALL
                .into_iter()
                .filter(|scope| scope.is_open_to(&caller.duties))
                .map(Scope::word)
                .collect(),
            shortest: PASSWORD_BYTES_MIN,
            token_days: TOKEN_DAYS_MAX,
        };
        answer(said.status, &page)
    }
}
