//! Signing in and out: password and one-time code, single sign-on, client certificate, and the
//! invitation code of somebody new. (Passkeys are in [`super::passkeys`].)

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Form, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use policy::Duty;
use serde::Deserialize;

use super::pages::{CodePage, EnrolPage, SignInPage, answer};
use super::visit::{Guest, Visit, safe};
use super::{Console, HOME};
use crate::admin::types::AuditRecord;
use crate::auth::oidc::{OidcError, Return};
use crate::auth::{AuthError, PASSWORD_BYTES_MIN, Proof, SignIn};
use crate::node::blocking;

type Shared = State<Arc<Console>>;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    next: String,
    name: String,
}

#[derive(Deserialize)]
pub(super) struct PasswordForm {
    token: String,
    next: String,
    name: String,
    password: String,
}

#[derive(Deserialize)]
pub(super) struct CodeForm {
    token: String,
    next: String,
    ticket: String,
    code: String,
}

#[derive(Deserialize)]
pub(super) struct NextForm {
    token: String,
    next: String,
}

#[derive(Deserialize)]
pub(super) struct TokenForm {
    token: String,
}

#[derive(Deserialize)]
pub(super) struct EnrolForm {
    token: String,
    name: String,
    code: String,
    password: String,
    again: String,
}

pub(super) async fn page(
    State(console): Shared,
    visit: Guest,
    Query(asked): Query<Asked>,
) -> Response {
    if visit.session.is_some() {
        return Redirect::to(safe(&asked.next)).into_response();
    }
    console.sign_in_page(&visit, StatusCode::OK, "", safe(&asked.next), None)
}

pub(super) async fn password(
    State(console): Shared,
    visit: Guest,
    Form(form): Form<PasswordForm>,
) -> Response {
    if let Err(stale) = visit.check(&console, &form.token) {
        return stale.into_response();
    }
    let next = safe(&form.next);
    let auth = console.node.auth();
    let step = auth
        .sign_in(&form.name, form.password.as_bytes(), &visit.source)
        .await;
    match step {
        Ok(SignIn::Proved(proof)) => {
            console
                .start(&visit, &form.name, proof, BTreeSet::new(), next)
                .await
        }
        Ok(SignIn::CodeNeeded { ticket }) => {
            let page = CodePage {
                page: console.frame(&visit, ""),
                next,
                ticket: &ticket,
            };
            answer(StatusCode::OK, &page)
        }
        Err(error) => console.sign_in_page(
            &visit,
            status(&error),
            &form.name,
            next,
            Some(error.to_string()),
        ),
    }
}

pub(super) async fn code(
    State(console): Shared,
    visit: Guest,
    Form(form): Form<CodeForm>,
) -> Response {
    if let Err(stale) = visit.check(&console, &form.token) {
        return stale.into_response();
    }
    let next = safe(&form.next);
    let auth = console.node.auth();
    let step = auth
        .second_factor(&form.ticket, form.code.trim(), &visit.source)
        .await;
    match step {
        Ok((name, proof)) => {
            console
                .start(&visit, &name, proof, BTreeSet::new(), next)
                .await
        }
        Err(error) => {
            let mut page = console.frame(&visit, "");
            page.problem = Some(error.to_string());
            let page = CodePage {
                page,
                next,
                ticket: &form.ticket,
            };
            answer(status(&error), &page)
        }
    }
}

pub(super) async fn sign_out(
    State(console): Shared,
    visit: Guest,
    Form(form): Form<TokenForm>,
) -> Response {
    if let Err(stale) = visit.check(&console, &form.token) {
        return stale.into_response();
    }
    if let Some((value, _)) = visit.session.clone() {
        let auth = Arc::clone(console.node.auth());
        if let Err(error) = blocking(move || auth.end_session(&value)).await {
            return console.failed(&visit, &error);
        }
    }
    let set = [(header::SET_COOKIE, console.drop_session_cookie())];
    (set, Redirect::to("/console/sign-in")).into_response()
}

/// Signs in whom the connection's client certificate stands for.
pub(super) async fn certificate(
    State(console): Shared,
    visit: Guest,
    Form(form): Form<NextForm>,
) -> Response {
    if let Err(stale) = visit.check(&console, &form.token) {
        return stale.into_response();
    }
    let next = safe(&form.next);
    match &visit.certificate {
        Some(caller) => {
            let name = &caller.name;
            console
                .start(&visit, name, Proof::Certificate, BTreeSet::new(), next)
                .await
        }
        None => {
            let why = "Your browser showed no client certificate.".to_owned();
            console.sign_in_page(&visit, StatusCode::UNAUTHORIZED, "", next, Some(why))
        }
    }
}

/// Sends the browser to the provider of single sign-on.
pub(super) async fn depart(
    State(console): Shared,
    visit: Guest,
    Query(asked): Query<Asked>,
) -> Response {
    let next = safe(&asked.next);
    let Some(sso) = &console.sso else {
        return Redirect::to("/console/sign-in").into_response();
    };
    match sso.begin(&visit.browser, next, &visit.source).await {
        Ok(departure) => Redirect::to(departure.url.as_str()).into_response(),
        Err(error) => console.sso_failed(&visit, next, &error),
    }
}

/// Takes the browser back from the provider of single sign-on.
pub(super) async fn arrive(
    State(console): Shared,
    visit: Guest,
    Query(back): Query<Return>,
) -> Response {
    let Some(sso) = &console.sso else {
        return Redirect::to("/console/sign-in").into_response();
    };
    match sso.finish(&visit.browser, back).await {
        Ok(on) => {
            let next = on.next.clone();
            console
                .start(&visit, &on.user, Proof::Oidc, on.duties, safe(&next))
                .await
        }
        Err(error) => console.sso_failed(&visit, HOME, &error),
    }
}

pub(super) async fn enrol_page(
    State(console): Shared,
    visit: Guest,
    Query(asked): Query<Asked>,
) -> Response {
    console.enrol_page(&visit, StatusCode::OK, &asked.name, None)
}

pub(super) async fn enrol(
    State(console): Shared,
    visit: Guest,
    Form(form): Form<EnrolForm>,
) -> Response {
    if let Err(stale) = visit.check(&console, &form.token) {
        return stale.into_response();
    }
    if form.password != form.again {
        let why = "The two passwords differ: type the same one twice.";
        let status = StatusCode::BAD_REQUEST;
        return console.enrol_page(&visit, status, &form.name, Some(why.into()));
    }
    let auth = console.node.auth();
    let enrolled = auth
        .enrol(&form.name, &form.code, &form.password, &visit.source)
        .await;
    match enrolled {
        Ok(()) => {
            let to = "/console/account";
            console
                .start(&visit, &form.name, Proof::Password, BTreeSet::new(), to)
                .await
        }
        Err(error) => {
            let why = Some(error.to_string());
            console.enrol_page(&visit, status(&error), &form.name, why)
        }
    }
}

impl Console {
    /// Begins a session, always with a value of its own, and ends the one that was there.
    pub(super) async fn start(
        &self,
        visit: &Visit,
        name: &str,
        proof: Proof,
        added: BTreeSet<Duty>,
        next: &str,
    ) -> Response {
        match self.begin(visit, name, proof, added).await {
            Ok((_, set)) => {
                let set = [(header::SET_COOKIE, set)];
                (set, Redirect::to(next)).into_response()
            }
            // Proved to be somebody whom this node does not know, or has locked.
            Err(AuthError::Wrong) => {
                let why = Some(OidcError::Stranger.to_string());
                self.sign_in_page(visit, StatusCode::FORBIDDEN, "", next, why)
            }
            Err(error) => {
                let why = Some(error.to_string());
                self.sign_in_page(visit, status(&error), "", next, why)
            }
        }
    }

    /// A new session's value, and the cookie that keeps it.
    pub(super) async fn begin(
        &self,
        visit: &Visit,
        name: &str,
        proof: Proof,
        added: BTreeSet<Duty>,
    ) -> Result<(String, HeaderValue), AuthError> {
        let (auth, name) = (Arc::clone(self.node.auth()), name.to_owned());
        let before = visit.session.as_ref().map(|(value, _)| value.clone());
        let started = blocking(move || {
            if let Some(before) = before {
                auth.end_session(&before)?;
            }
            auth.start_session(&name, proof, &added)
        })
        .await?;
        let set = self.keep(&started.value);
        Ok((started.value, set))
    }

    pub(super) fn sign_in_page(
        &self,
        visit: &Visit,
        status: StatusCode,
        name: &str,
        next: &str,
        problem: Option<String>,
    ) -> Response {
        let mut page = self.frame(visit, "");
        page.problem = problem;
        let page = SignInPage {
            page,
            name,
            next,
            sso: self.sso.is_some(),
            passkeys: self.passkeys.available().is_ok(),
            certificate: visit.certificate.as_ref().map(|caller| caller.name.clone()),
        };
        answer(status, &page)
    }

    fn enrol_page(
        &self,
        visit: &Visit,
        status: StatusCode,
        name: &str,
        problem: Option<String>,
    ) -> Response {
        let mut page = self.frame(visit, "");
        page.problem = problem;
        page.narrow = true;
        let page = EnrolPage {
            page,
            name,
            passkeys: self.passkeys.available().is_ok(),
            shortest: PASSWORD_BYTES_MIN,
        };
        answer(status, &page)
    }

    fn sso_failed(&self, visit: &Visit, next: &str, error: &OidcError) -> Response {
        let status = match error {
            OidcError::Provider => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::FORBIDDEN,
        };
        self.sign_in_page(visit, status, "", next, Some(error.to_string()))
    }

    /// A page for an error that belongs to no form.
    pub(super) fn failed(&self, visit: &Visit, error: &AuthError) -> Response {
        if let AuthError::Store(error) = error {
            tracing::error!(%error, "a page could not be answered");
        }
        let text = match error {
            AuthError::Store(_) => "The node cannot do this at present; its log says why.".into(),
            error => error.to_string(),
        };
        let back = ("/console/account", "Back to the account");
        self.message(visit, status(error), "That did not work", &text, back)
    }

    /// Writes down what happened to somebody who signs in.
    pub(super) async fn account(&self, what: &str, who: &str, why: String) {
        let record = AuditRecord {
            what: what.into(),
            who: who.into(),
            why,
            ..self.node.record()
        };
        if let Err(error) = self.node.audit(vec![record]).await {
            tracing::error!(%error, "an audit record could not be written");
        }
    }
}

/// The status of an answer that says this.
pub(super) fn status(error: &AuthError) -> StatusCode {
    match error {
        AuthError::Missing | AuthError::Wrong | AuthError::SecondFactor => StatusCode::UNAUTHORIZED,
        AuthError::Busy | AuthError::Later { .. } => StatusCode::TOO_MANY_REQUESTS,
        AuthError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        AuthError::Apart { .. } | AuthError::NotTheirs { .. } => StatusCode::FORBIDDEN,
        AuthError::UnknownUser { .. } | AuthError::UnknownId { .. } => StatusCode::NOT_FOUND,
        _ => StatusCode::BAD_REQUEST,
    }
}
