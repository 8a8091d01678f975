//! `kurultai user token`: what tools show instead of a password.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use node::admin::types::{RotateRequest, TokenInfo, TokenReply, TokenRequest};
use node::auth::Scope;

use crate::admin::{Admin, acting, escape};
use crate::exit::Failure;
use crate::{Data, show};

/// Tokens.
#[derive(Subcommand)]
pub(crate) enum Token {
    /// Make a bearer token for a user; it is shown once
    New(New),
    /// A user's tokens, without their secrets
    List(List),
    /// Replace a token; the old one stays good for a while
    Rotate(Rotate),
    /// End a token
    Revoke(Revoke),
}

/// Makes a token. Scopes beyond read and add take `--as` the user: they decide in a person's name.
#[derive(Args)]
pub(crate) struct New {
    /// The user's name
    name: String,
    /// What it is for, in words
    #[arg(long, default_value = "")]
    note: String,
    /// Days until it ends, at most 366
    #[arg(long, default_value_t = 90)]
    days: u32,
    /// It never ends; revoke it yourself
    #[arg(long, conflicts_with = "days")]
    endless: bool,
    /// read, add, release, approve, requests, admin or audit (may be repeated) [default: read, and
    /// add where the user may]
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<Scope>,
    /// Sees only this collection of the user's (may be repeated) [default: all of them]
    #[arg(long, value_name = "NAME")]
    collection: Vec<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// Lists tokens.
#[derive(Args)]
pub(crate) struct List {
    /// The user's name
    name: String,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// Replaces a token by a new one of the same rights.
#[derive(Args)]
pub(crate) struct Rotate {
    /// The user's name
    name: String,
    /// The token's id, as `token list` shows it
    id: String,
    /// Hours that the old token stays good, at most 720
    #[arg(long, default_value_t = 24)]
    grace_hours: u32,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// Ends a token.
#[derive(Args)]
pub(crate) struct Revoke {
    /// The user's name
    name: String,
    /// The token's id, as `token list` shows it
    id: String,
    #[command(flatten)]
    data: Data,
}

impl Token {
    /// Runs the command.
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Token::New(command) => command.run().await,
            Token::List(command) => command.run().await,
            Token::Rotate(command) => command.run().await,
            Token::Revoke(command) => command.run().await,
        }
    }
}

/// Where the tokens of a user are: one's own are below `/auth`.
fn tokens(name: &str) -> String {
    match acting() {
        Some(own) if own == name => "/auth/tokens".to_owned(),
        _ => format!("/users/{}/tokens", escape(name)),
    }
}

impl New {
    async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let path = match acting() {
            Some(own) if own == self.name => "/auth/tokens".to_owned(),
            _ => format!("/users/{}/token", escape(&self.name)),
        };
        let scopes: BTreeSet<Scope> = self.scope.into_iter().collect();
        let request = TokenRequest {
            note: self.note,
            days: (!self.endless).then_some(self.days),
            endless: self.endless,
            scopes: (!scopes.is_empty()).then_some(scopes),
            collections: self.collection,
        };
        print(&admin.post(&path, &request).await?, self.json)
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let list: Vec<TokenInfo> = admin.get(&tokens(&self.name)).await?;
        if self.json {
            return show::json(&list);
        }
        let mut table = show::Table::new(&["id", "for", "scopes", "made by", "ends", "last used"]);
        for token in list {
            let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.word()).collect();
            table.row(vec![
                token.id,
                token.note,
                scopes.join(" "),
                token.made_by,
                token.expires.unwrap_or_else(|| "never".to_owned()),
                token.used.unwrap_or_else(|| "never".to_owned()),
            ]);
        }
        table.print();
        Ok(())
    }
}

impl Rotate {
    async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let path = format!("{}/{}/rotate", tokens(&self.name), escape(&self.id));
        let request = RotateRequest {
            grace_hours: Some(self.grace_hours),
        };
        print(&admin.post(&path, &request).await?, self.json)
    }
}

impl Revoke {
    async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        admin
            .delete(&format!("{}/{}", tokens(&self.name), escape(&self.id)))
            .await?;
        show::line(format!("token {} has ended", self.id));
        Ok(())
    }
}

fn print(reply: &TokenReply, json: bool) -> Result<(), Failure> {
    if json {
        return show::json(reply);
    }
    show::line(&reply.token);
    show::notice(format!(
        "token {}, good until {}; this is the only time it is shown; send it as `Authorization: Bearer <token>`",
        reply.id,
        reply.expires.as_deref().unwrap_or("it is revoked")
    ));
    Ok(())
}
