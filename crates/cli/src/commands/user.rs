//! `kurultai user`: who may use the national interface (TAXII).

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use node::admin::types::{TokenReply, TokenRequest, UserInfo, UserRequest};

use policy::Duty;

use crate::admin::{Admin, escape};
use crate::exit::Failure;
use crate::{Data, show};

/// Users of the national interface.
#[derive(Subcommand)]
pub(crate) enum User {
    /// Make a user, or change its rights or password
    Add(Add),
    /// Make a bearer token for a user; it is shown once
    Token(Token),
    /// Every user
    List(List),
    /// Remove a user and its tokens
    Remove(Remove),
}

/// Makes a user. The password is read from standard input or a file, never from the command line.
#[derive(Args)]
pub(crate) struct Add {
    /// The user's name
    name: String,
    /// Read the password's one line from this file [default: standard input]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Let the node make a password for a new user, and print it once
    #[arg(long, conflicts_with = "password_file")]
    generate: bool,
    /// A duty: analyst (adds objects), releaser, approver, desk-officer, operator or auditor (may be
    /// repeated) [default: only reads]
    #[arg(long, value_name = "DUTY")]
    role: Vec<Duty>,
    /// The highest level that the user may read [default: every level]
    #[arg(long, value_name = "TLP:…")]
    clearance: Option<String>,
    /// Sees only this collection, `national` or ACCORD/CHANNEL (may be repeated) [default: all]
    #[arg(long, value_name = "NAME")]
    collection: Vec<String>,
    #[command(flatten)]
    data: Data,
}

/// Makes a token.
#[derive(Args)]
pub(crate) struct Token {
    /// The user's name
    name: String,
    /// Days until it expires [default: it does not]
    #[arg(long)]
    days: Option<u32>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// Lists users.
#[derive(Args)]
pub(crate) struct List {
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// Removes a user.
#[derive(Args)]
pub(crate) struct Remove {
    /// The user's name
    name: String,
    #[command(flatten)]
    data: Data,
}

impl User {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            User::Add(command) => command.run().await,
            User::Token(command) => command.run().await,
            User::List(command) => command.run().await,
            User::Remove(command) => command.run().await,
        }
    }
}

impl Add {
    async fn run(self) -> Result<(), Failure> {
        let password = if self.generate {
            None
        } else {
            Some(self.password()?)
        };
        let mut admin = Admin::open(&self.data.folder()).await?;
        let request = UserRequest {
            name: self.name,
            password,
            duties: (!self.role.is_empty()).then(|| self.role.into_iter().collect()),
            clearance: self.clearance,
            collections: (!self.collection.is_empty()).then_some(self.collection),
            force: false,
        };
        let user: UserInfo = admin.post("/users", &request).await?;
        show::line(format!(
            "{} ({}) reads {}",
            user.name,
            duties(&user),
            if user.collections.is_empty() {
                "every collection".to_owned()
            } else {
                user.collections.join(", ")
            }
        ));
        match user.generated_password {
            Some(password) => {
                show::line(format!("password: {password}"));
                show::notice("this is the only time it is shown");
            }
            None if self.generate => show::notice(format!(
                "{0} was here already and keeps the old password; for a new one, `kurultai user remove {0}` first",
                user.name
            )),
            None => {}
        }
        Ok(())
    }

    fn password(&self) -> Result<String, Failure> {
        let text = match &self.password_file {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| Failure::file("read", path, &error))?,
            None => {
                let input = std::io::stdin();
                if input.is_terminal() {
                    show::notice(format!(
                        "password for {} (it is shown as you type), then Enter:",
                        self.name
                    ));
                }
                let mut text = String::new();
                input.lock().read_line(&mut text).map_err(|error| {
                    Failure::unavailable(format!(
                        "could not read standard input: {error}; use --password-file"
                    ))
                })?;
                text
            }
        };
        let password = text.lines().next().unwrap_or_default();
        if password.is_empty() {
            return Err(Failure::usage(
                "the password is empty; give one on standard input or with --password-file",
            ));
        }
        Ok(password.to_owned())
    }
}

impl Token {
    async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let path = format!("/users/{}/token", escape(&self.name));
        let reply: TokenReply = admin
            .post(
                &path,
                &TokenRequest {
                    days: self.days,
                    ..TokenRequest::default()
                },
            )
            .await?;
        if self.json {
            return show::json(&reply);
        }
        show::line(reply.token);
        show::notice(
            "this is the only time it is shown; send it as `Authorization: Bearer <token>`",
        );
        Ok(())
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let users: Vec<UserInfo> = Admin::open(&self.data.folder())
            .await?
            .get("/users")
            .await?;
        if self.json {
            return show::json(&users);
        }
        let mut table = show::Table::new(&["name", "duties", "password", "tokens", "collections"]);
        for user in &users {
            table.row(vec![
                user.name.clone(),
                duties(user),
                if user.password { "set" } else { "none" }.to_owned(),
                user.tokens.to_string(),
                if user.collections.is_empty() {
                    "all".to_owned()
                } else {
                    user.collections.join(" ")
                },
            ]);
        }
        table.print();
        Ok(())
    }
}

impl Remove {
    async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        admin
            .delete(&format!("/users/{}", escape(&self.name)))
            .await?;
        show::line(format!("{} is removed", self.name));
        Ok(())
    }
}

fn duties(user: &UserInfo) -> String {
    if user.duties.is_empty() {
        return "no duty".to_owned();
    }
    let words: Vec<&str> = user.duties.iter().map(|duty| duty.word()).collect();
    words.join(" ")
}
