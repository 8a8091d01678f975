//! What the passkey script asks: JSON in and out, the form's token in a header.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Console;
use super::visit::{Guest, Member, Visit, safe};
use crate::auth::passkey::PasskeyError;
use crate::auth::{AuthError, Caller, Proof, Redeem};
use crate::node::blocking;

type Shared = State<Arc<Console>>;

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Invited {
    name: String,
    code: String,
}

/// The fields of the form come back with the answer.
#[derive(Deserialize)]
struct Answered {
    ticket: String,
    answer: Value,
    /// The user's name.
    #[serde(default)]
    name: String,
    /// The new passkey's name.
    #[serde(default)]
    passkey: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    next: String,
}

/// Asks for a passkey of the user of this name.
pub(super) async fn ask(
    State(console): Shared,
    visit: Guest,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked: Named = match read(&console, &visit, &headers, &body) {
        Ok(asked) => asked,
        Err(refused) => return refused.into_response(),
    };
    let passkeys = Arc::clone(&console.passkeys);
    let source = visit.source.clone();
    match blocking(move || passkeys.begin_sign_in(&asked.name, &source)).await {
        Ok(asked) => Json(asked).into_response(),
        Err(error) => refuse(&error),
    }
}

/// Signs in whose passkey answered.
pub(super) async fn sign_in(
    State(console): Shared,
    visit: Guest,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answered: Answered = match read(&console, &visit, &headers, &body) {
        Ok(answered) => answered,
        Err(refused) => return refused.into_response(),
    };
    let passkeys = Arc::clone(&console.passkeys);
    let next = safe(&answered.next).to_owned();
    let checked = blocking(move || {
        let answer = serde_json::to_vec(&answered.answer).unwrap_or_default();
        passkeys.finish_sign_in(&answered.ticket, &answer)
    });
    let user = match checked.await {
        Ok(user) => user,
        Err(error) => {
            if let PasskeyError::Copied { user, passkey } = &error {
                let why = format!(
                    "the counter of the passkey {passkey:?} did not grow: its key may have a second copy; refused"
                );
                console.account("passkey-refused", user, why).await;
            }
            return refuse(&error);
        }
    };
    console.renewed(&visit, &user, Proof::Passkey, &next).await
}

/// Whether the proof that somebody gave is ground for a way in that lasts: a token is not, nor a
/// password that somebody else set.
fn may_add(caller: &Caller) -> bool {
    caller.proof != Proof::Token && caller.held_back.is_none()
}

/// Asks the signed-in user's browser to make a passkey.
pub(super) async fn offer(
    State(console): Shared,
    member: Member,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(refused) = read::<Value>(&console, &member.visit, &headers, &body) {
        return refused.into_response();
    }
    if !may_add(&member.caller) {
        return refuse(&PasskeyError::Wrong);
    }
    let (passkeys, user) = (Arc::clone(&console.passkeys), member.caller.name.clone());
    match blocking(move || passkeys.begin_registration(&user)).await {
        Ok(asked) => Json(asked).into_response(),
        Err(error) => refuse(&error),
    }
}

/// Keeps the passkey that the signed-in user's browser made.
pub(super) async fn add(
    State(console): Shared,
    member: Member,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answered: Answered = match read(&console, &member.visit, &headers, &body) {
        Ok(answered) => answered,
        Err(refused) => return refused.into_response(),
    };
    if !may_add(&member.caller) {
        return refuse(&PasskeyError::Wrong);
    }
    let (passkeys, user) = (Arc::clone(&console.passkeys), member.caller.name.clone());
    let auth = Arc::clone(console.node.auth());
    let kept = blocking(move || {
        let answer = serde_json::to_vec(&answered.answer).unwrap_or_default();
        let (ticket, name) = (&answered.ticket, &answered.passkey);
        let kept = passkeys.finish_registration(&user, ticket, name, &answer, || Ok(()))?;
        // Ends the user's other sessions: whoever has one open must know the new way in.
        let what = format!("passkey {:?} added", kept.name);
        auth.credential_changed(&user, &what).map_err(not_invited)
    });
    if let Err(error) = kept.await {
        return refuse(&error);
    }
    let (name, proof) = (&member.caller.name, member.caller.proof);
    let next = "/console/account";
    console.renewed(&member.visit, name, proof, next).await
}

/// Asks the browser of somebody with an invitation code to make a passkey.
pub(super) async fn invite(
    State(console): Shared,
    visit: Guest,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let invited: Invited = match read(&console, &visit, &headers, &body) {
        Ok(invited) => invited,
        Err(refused) => return refused.into_response(),
    };
    let (auth, passkeys) = (
        Arc::clone(console.node.auth()),
        Arc::clone(&console.passkeys),
    );
    let source = visit.source.clone();
    let asked = blocking(move || {
        auth.enrolment(&invited.name, &invited.code)
            .map_err(not_invited)?;
        passkeys.begin_enrolment(&invited.name, &source)
    });
    match asked.await {
        Ok(asked) => Json(asked).into_response(),
        Err(error) => refuse(&error),
    }
}

/// Enrols somebody with the passkey that their browser made, and signs them in.
pub(super) async fn enrol(
    State(console): Shared,
    visit: Guest,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answered: Answered = match read(&console, &visit, &headers, &body) {
        Ok(answered) => answered,
        Err(refused) => return refused.into_response(),
    };
    let (auth, passkeys) = (
        Arc::clone(console.node.auth()),
        Arc::clone(&console.passkeys),
    );
    let enrolled = blocking(move || {
        let answer = serde_json::to_vec(&answered.answer).unwrap_or_default();
        let (user, ticket) = (&answered.name, &answered.ticket);
        // The code goes only once the passkey is known to be good.
        let redeem = || {
            auth.redeem(user, &answered.code, Redeem::Passkey)
                .map_err(not_invited)
        };
        passkeys.finish_registration(user, ticket, &answered.passkey, &answer, redeem)?;
        Ok(answered.name)
    });
    match enrolled.await {
        Ok(user) => {
            let next = "/console/account";
            console.renewed(&visit, &user, Proof::Passkey, next).await
        }
        Err(error) => refuse(&error),
    }
}

fn not_invited(error: AuthError) -> PasskeyError {
    match error {
        AuthError::Store(error) => PasskeyError::Store(error),
        _ => PasskeyError::NotInvited,
    }
}

impl Console {
    /// A new session in the browser, and where the script goes next.
    async fn renewed(&self, visit: &Visit, name: &str, proof: Proof, next: &str) -> Response {
        match self.begin(visit, name, proof, BTreeSet::new()).await {
            Ok((_, set)) => {
                let set = [(header::SET_COOKIE, set)];
                (set, Json(json!({"next": next}))).into_response()
            }
            Err(AuthError::Wrong) => refuse(&PasskeyError::Wrong),
            Err(error) => {
                tracing::warn!(%error, "a session could not be begun");
                say(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The node cannot do this at present: try again.",
                )
            }
        }
    }
}

/// A request that is not looked into.
struct Refused(StatusCode, &'static str);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        say(self.0, self.1)
    }
}

/// The request, when it is this visitor's own and can be read.
fn read<T: DeserializeOwned>(
    console: &Console,
    visit: &Visit,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<T, Refused> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // Other sites can send this type only with the permission of this node, which gives none.
    if text("content-type") != Some("application/json") {
        return Err(Refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The request must be application/json.",
        ));
    }
    if visit
        .check(console, text("x-form-token").unwrap_or_default())
        .is_err()
    {
        let text = "This page is too old: load it again and try once more.";
        return Err(Refused(StatusCode::FORBIDDEN, text));
    }
    serde_json::from_slice(body)
        .map_err(|_| Refused(StatusCode::BAD_REQUEST, "The request cannot be read."))
}

fn refuse(error: &PasskeyError) -> Response {
    let status = match error {
        PasskeyError::NoSite(_) => StatusCode::NOT_FOUND,
        PasskeyError::Gone
        | PasskeyError::Wrong
        | PasskeyError::NotInvited
        | PasskeyError::Copied { .. } => StatusCode::UNAUTHORIZED,
        PasskeyError::Known | PasskeyError::TooMany => StatusCode::CONFLICT,
        PasskeyError::BadName => StatusCode::BAD_REQUEST,
        PasskeyError::Store(error) => {
            tracing::error!(%error, "a passkey could not be looked up or kept");
            return say(
                StatusCode::SERVICE_UNAVAILABLE,
                "The node cannot do this at present: try again.",
            );
        }
    };
    say(status, &error.to_string())
}

fn say(status: StatusCode, detail: &str) -> Response {
    (status, Json(json!({"detail": detail}))).into_response()
}
