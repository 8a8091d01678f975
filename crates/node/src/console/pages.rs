//! The pages as values: one struct a template, and how each becomes an answer.

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Console;
use super::visit::Visit;
use crate::admin::types::{ProposalInfo, ProposalView};
use crate::auth::{Caller, Proof};

/// What every page shows around its own content.
pub(super) struct Page {
    /// The node's name.
    pub(super) node: String,
    /// Whose node it is, for the foot of the page.
    pub(super) member: String,
    /// Who has signed in.
    pub(super) user: Option<String>,
    /// Which page of the menu it is.
    pub(super) here: &'static str,
    /// The token that its forms carry.
    pub(super) token: String,
    /// Whether it has one narrow column.
    pub(super) narrow: bool,
    /// What went wrong.
    pub(super) problem: Option<String>,
    /// What was done.
    pub(super) done: Option<String>,
}

#[derive(Template)]
#[template(path = "console/sign_in.html")]
pub(super) struct SignInPage<'a> {
    pub(super) page: Page,
    pub(super) name: &'a str,
    pub(super) next: &'a str,
    pub(super) sso: bool,
    pub(super) passkeys: bool,
    pub(super) certificate: Option<String>,
}

#[derive(Template)]
#[template(path = "console/code.html")]
pub(super) struct CodePage<'a> {
    pub(super) page: Page,
    pub(super) next: &'a str,
    pub(super) ticket: &'a str,
}

#[derive(Template)]
#[template(path = "console/enrol.html")]
pub(super) struct EnrolPage<'a> {
    pub(super) page: Page,
    pub(super) name: &'a str,
    pub(super) passkeys: bool,
    pub(super) shortest: usize,
}

#[derive(Template)]
#[template(path = "console/message.html")]
struct MessagePage<'a> {
    page: Page,
    title: &'a str,
    text: &'a str,
    link: &'a str,
    link_text: &'a str,
}

#[derive(Template)]
#[template(path = "console/totp.html")]
pub(super) struct TotpPage {
    pub(super) page: Page,
    pub(super) key: String,
    pub(super) uri: String,
}

#[derive(Template)]
#[template(path = "console/account.html")]
pub(super) struct AccountPage<'a> {
    pub(super) page: Page,
    pub(super) caller: &'a Caller,
    pub(super) duties: String,
    pub(super) clearance: &'static str,
    pub(super) collections: String,
    pub(super) proof: &'static str,
    pub(super) secret: Option<Secret>,
    pub(super) passkeys: Vec<PasskeyRow>,
    /// Why there are no passkeys on this node.
    pub(super) passkeys_missing: Option<String>,
    /// Whether there is a password to change and to join with codes.
    pub(super) password: bool,
    pub(super) totp: bool,
    pub(super) sessions: Vec<SessionRow>,
    pub(super) tokens: Vec<TokenRow>,
    pub(super) scopes: Vec<&'static str>,
    pub(super) shortest: usize,
    pub(super) token_days: u32,
}

#[derive(Template)]
#[template(path = "console/approvals.html")]
pub(super) struct ApprovalsPage {
    pub(super) page: Page,
    pub(super) proposals: Vec<ProposalInfo>,
}

#[derive(Template)]
#[template(path = "console/approval.html")]
pub(super) struct ApprovalPage {
    pub(super) page: Page,
    pub(super) view: ProposalView,
    /// Why this visitor has nothing to decide.
    pub(super) cannot: Option<&'static str>,
}

/// Something that is shown once.
pub(super) struct Secret {
    pub(super) title: &'static str,
    pub(super) text: &'static str,
    pub(super) lines: Vec<String>,
}

pub(super) struct PasskeyRow {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) created: String,
    pub(super) used: String,
}

pub(super) struct SessionRow {
    pub(super) started: String,
    pub(super) seen: String,
    pub(super) proof: &'static str,
}

pub(super) struct TokenRow {
    pub(super) id: String,
    pub(super) note: String,
    pub(super) scopes: String,
    pub(super) created: String,
    pub(super) expires: String,
}

impl Console {
    /// The frame of a page for this visitor.
    pub(super) fn frame(&self, visit: &Visit, here: &'static str) -> Page {
        let config = self.node.config();
        Page {
            node: format!("Kurultai {}", config.code),
            member: format!("Node of {}", config.name),
            user: visit
                .session
                .as_ref()
                .map(|(_, caller)| caller.name.clone()),
            here,
            token: visit.token(self),
            narrow: visit.session.is_none(),
            problem: None,
            done: None,
        }
    }

    /// A page that says one thing.
    pub(super) fn message(
        &self,
        visit: &Visit,
        status: StatusCode,
        title: &str,
        text: &str,
        (link, link_text): (&str, &str),
    ) -> Response {
        let page = MessagePage {
            page: self.frame(visit, ""),
            title,
            text,
            link,
            link_text,
        };
        answer(status, &page)
    }
}

/// A page as an answer.
pub(super) fn answer(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => {
            let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
            (status, kind, text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "The page could not be made; the reason is in the node's log.\n",
            )
                .into_response()
        }
    }
}

/// How somebody signed in, in words.
pub(super) fn by(proof: Proof) -> &'static str {
    match proof {
        Proof::Socket => "the operator's socket",
        Proof::Password => "a password",
        Proof::PasswordAndTotp => "a password and a one-time code",
        Proof::Token => "a token",
        Proof::Passkey => "a passkey",
        Proof::Oidc => "single sign-on",
        Proof::Certificate => "a client certificate",
    }
}

/// An RFC 3339 time to the minute, for people.
pub(super) fn minute(time: &str) -> String {
    match (time.get(..10), time.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
        _ => time.to_owned(),
    }
}
