//! The account page: what one may do here, and one's own ways to sign in.
//!
//! Changes of a credential end the user's sessions, this one too; the browser that made the change
//! gets a new one with the answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Form, FromRequest, FromRequestParts, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use openidconnect::url::form_urlencoded;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Console;
use super::pages::{
    AccountPage, PasskeyRow, Secret, SessionRow, TokenRow, TotpPage, answer, by, minute,
};
use super::sign_in::status;
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

/// A form that one of this member's own pages sent.
pub(super) struct Sent<T> {
    visit: Arc<Visit>,
    caller: Arc<Caller>,
    form: T,
}

#[derive(Deserialize)]
struct WithToken<T> {
    token: String,
    #[serde(flatten)]
    form: T,
}

impl<T: DeserializeOwned> FromRequest<Arc<Console>> for Sent<T> {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Sent<T>, Response> {
        let (mut parts, body) = request.into_parts();
        let Member { visit, caller } = Member::from_request_parts(&mut parts, console).await?;
        let request = Request::from_parts(parts, body);
        let Form(sent) = Form::<WithToken<T>>::from_request(request, console)
            .await
            .map_err(IntoResponse::into_response)?;
        let own = visit.check(console, &sent.token);
        own.map_err(IntoResponse::into_response)?;
        Ok(Sent {
            visit,
            caller,
            form: sent.form,
        })
    }
}

#[derive(Deserialize)]
pub(super) struct Empty {}

#[derive(Deserialize)]
pub(super) struct PasswordForm {
    old: String,
    #[serde(default)]
    code: String,
    new: String,
    again: String,
}

#[derive(Deserialize)]
pub(super) struct CodeForm {
    code: String,
}

#[derive(Deserialize)]
pub(super) struct IdForm {
    id: String,
}

pub(super) async fn page(State(console): Shared, member: Member) -> Response {
    let Member { visit, caller } = member;
    console.account_page(&visit, &caller, Said::default()).await
}

pub(super) async fn password(State(console): Shared, sent: Sent<PasswordForm>) -> Response {
    let form = &sent.form;
    if form.new != form.again {
        let said = Said::problem("The two new passwords differ: type the same one twice.");
        return console.account_page(&sent.visit, &sent.caller, said).await;
    }
    let code = Some(form.code.trim()).filter(|code| !code.is_empty());
    let (auth, name) = (console.node.auth(), &sent.caller.name);
    let changed = auth
        .change_password(name, &form.old, code, &form.new, &sent.visit.source)
        .await;
    let done = "Your password is changed. Other sessions have ended.";
    let changed = changed.map(|()| Said::done(done));
    console.changed_page(&sent, changed).await
}

pub(super) async fn new_totp(State(console): Shared, sent: Sent<Empty>) -> Response {
    let auth = console.node.auth();
    match auth.new_totp(&sent.caller, None, &sent.visit.source).await {
        Ok(new) => console.totp_page(&sent.visit, &new.secret, new.uri),
        Err(error) => console.changed_page(&sent, Err(error)).await,
    }
}

pub(super) async fn confirm_totp(State(console): Shared, sent: Sent<CodeForm>) -> Response {
    let (auth, code) = (console.node.auth(), &sent.form.code);
    let confirmed = auth
        .confirm_totp(&sent.caller, code, &sent.visit.source)
        .await;
    let confirmed = match confirmed {
        Err(AuthError::Wrong) => {
            let text = "The code is not right: set up the app again, and check its clock.";
            let said = Said::problem(text);
            return console.account_page(&sent.visit, &sent.caller, said).await;
        }
        other => other,
    };
    let confirmed = confirmed.map(|codes| Said {
        secret: Some(Secret {
            title: "Recovery codes",
            text: "Each of these works once in place of a code, if you lose the app. Write them \
                   down and keep them apart from your password; they are not shown again.",
            lines: codes,
        }),
        ..Said::done("Your password is now asked together with a code.")
    });
    console.changed_page(&sent, confirmed).await
}

pub(super) async fn remove_totp(State(console): Shared, sent: Sent<CodeForm>) -> Response {
    let (auth, code) = (console.node.auth(), sent.form.code.trim());
    let removed = auth
        .remove_totp(&sent.caller, code, &sent.visit.source)
        .await;
    let removed = removed.map(|()| Said::done("Codes are not asked any more."));
    console.changed_page(&sent, removed).await
}

pub(super) async fn remove_passkey(State(console): Shared, sent: Sent<IdForm>) -> Response {
    let (passkeys, user) = (Arc::clone(&console.passkeys), sent.caller.name.clone());
    let (auth, id) = (Arc::clone(console.node.auth()), sent.form.id.clone());
    let removed = blocking(move || {
        let removed = passkeys.remove(&user, &id);
        let removed = removed.map_err(|error| error.to_string())?;
        if let Some(name) = &removed {
            auth.credential_changed(&user, &format!("passkey {name:?} removed"))
                .map_err(|error| error.to_string())?;
        }
        Ok::<_, String>(removed)
    });
    let said = match removed.await {
        Ok(Some(name)) => {
            let said = Said::done(&format!("The passkey {name} is removed."));
            return console.changed_page(&sent, Ok(said)).await;
        }
        Ok(None) => Said::problem("You have no such passkey (any more)."),
        Err(why) => Said::problem(&why),
    };
    console.account_page(&sent.visit, &sent.caller, said).await
}

pub(super) async fn end_sessions(State(console): Shared, sent: Sent<Empty>) -> Response {
    let (auth, caller) = (Arc::clone(console.node.auth()), sent.caller);
    match blocking(move || auth.end_sessions(&caller, &caller.name)).await {
        Ok(()) => {
            let set = [(header::SET_COOKIE, console.drop_session_cookie())];
            (set, Redirect::to("/console/sign-in")).into_response()
        }
        Err(error) => console.failed(&sent.visit, &error),
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

pub(super) async fn revoke_token(State(console): Shared, sent: Sent<IdForm>) -> Response {
    let Sent {
        visit,
        caller,
        form,
    } = sent;
    let (auth, of) = (Arc::clone(console.node.auth()), Arc::clone(&caller));
    let revoked = blocking(move || auth.revoke_token(&of, &of.name, &form.id)).await;
    let said = match revoked {
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

    /// The page after a change of a credential, or after one that was refused.
    async fn changed_page<T>(&self, sent: &Sent<T>, changed: Result<Said, AuthError>) -> Response {
        let Sent { visit, caller, .. } = sent;
        match changed {
            Ok(said) => self.renewed_page(visit, caller, said).await,
            Err(error) => self.account_page(visit, caller, Said::of(&error)).await,
        }
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
