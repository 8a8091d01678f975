//! `kurultai user`: who the node's people are, what they may do, and their own accounts.
//!
//! An operator invites people and gives duties; each person sets their own secrets (`own`). Tokens
//! for tools are in `token`.

mod own;
mod token;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use node::admin::types::{InviteReply, InviteRequest, SessionInfo, UserInfo, UserRequest};
use policy::Duty;

use crate::admin::{Admin, escape};
use crate::exit::Failure;
use crate::{Data, show, sign_in};

/// Users of the node.
#[derive(Subcommand)]
pub(crate) enum User {
    /// Make a user for a person, or let one in again: prints a one-time enrolment code
    Invite(Invite),
    /// Set one's own first password with an enrolment code
    Enrol(own::Enrol),
    /// Change one's own password
    Password(own::Password),
    /// Set up (or remove) one's own one-time codes
    Totp(own::Totp),
    /// Make or change a user whose password somebody else sets, such as a tool
    Add(Add),
    /// Give a user duties, a clearance or collections, instead of those there were
    Role(Role),
    /// Every user
    List(List),
    /// Keep a user out until unlocked
    Lock(Lock),
    /// Let a locked user in again, and forget failed attempts to sign in
    Unlock(Named),
    /// Remove a user with its tokens and sessions
    Remove(Lock),
    /// API tokens
    #[command(subcommand)]
    Token(token::Token),
    /// A user's open sessions
    Sessions(Sessions),
}

/// What a user may do.
#[derive(Args)]
struct Rights {
    /// A duty: analyst (adds objects), releaser, approver, desk-officer, operator or auditor (may be
    /// repeated); a user without one only reads
    #[arg(long, value_name = "DUTY")]
    role: Vec<Duty>,
    /// The highest level that the user may read [a new user: every level]
    #[arg(long, value_name = "TLP:…")]
    clearance: Option<String>,
    /// Sees only this collection, `national` or ACCORD/CHANNEL (may be repeated) [a new user: all]
    #[arg(long, value_name = "NAME")]
    collection: Vec<String>,
}

/// Makes an enrolment code. It also lets in again somebody who has lost their password or
/// authenticator: enrolling ends every earlier credential, token and session of theirs.
#[derive(Args)]
pub(crate) struct Invite {
    /// The user's name
    name: String,
    #[command(flatten)]
    rights: Rights,
    /// Hours until the code ends, at most 168
    #[arg(long, default_value_t = 72)]
    hours: u32,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// Makes a user. The password is read from standard input or a file, never from the command line.
/// Who sets a password for somebody else knows it, so it adds and reads but decides nothing until
/// its owner changes it.
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
    #[command(flatten)]
    rights: Rights,
    #[command(flatten)]
    data: Data,
}

/// Changes what a user may do. What is not given stays.
#[derive(Args)]
pub(crate) struct Role {
    /// The user's name
    name: String,
    #[command(flatten)]
    rights: Rights,
    /// Take away every duty
    #[arg(long, conflicts_with = "role")]
    none: bool,
    /// Let the user see every collection
    #[arg(long, conflicts_with = "collection")]
    all_collections: bool,
    /// Go on although no operator is left
    #[arg(long)]
    force: bool,
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

/// Names a user.
#[derive(Args)]
pub(crate) struct Named {
    /// The user's name
    name: String,
    #[command(flatten)]
    data: Data,
}

/// Names a user who may be the last operator.
#[derive(Args)]
pub(crate) struct Lock {
    /// The user's name
    name: String,
    /// Go on although no operator is left
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    data: Data,
}

/// Lists a user's sessions, or ends them.
#[derive(Args)]
pub(crate) struct Sessions {
    /// The user's name
    name: String,
    /// End them all
    #[arg(long)]
    end: bool,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

impl User {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            User::Invite(command) => command.run().await,
            User::Enrol(command) => command.run().await,
            User::Password(command) => command.run().await,
            User::Totp(command) => command.run().await,
            User::Add(command) => command.run().await,
            User::Role(command) => command.run().await,
            User::List(command) => command.run().await,
            User::Lock(command) => command.lock().await,
            User::Unlock(command) => command.unlock().await,
            User::Remove(command) => command.remove().await,
            User::Token(command) => command.run().await,
            User::Sessions(command) => command.run().await,
        }
    }
}

impl Invite {
    async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let request = InviteRequest {
            duties: some(self.rights.role).map(|list| list.into_iter().collect()),
            clearance: self.rights.clearance,
            collections: some(self.rights.collection),
            hours: Some(self.hours),
        };
        let path = format!("/users/{}/invite", escape(&self.name));
        let reply: InviteReply = admin.post(&path, &request).await?;
        if self.json {
            return show::json(&reply);
        }
        show::line(format!("enrolment code: {}", reply.code));
        show::notice(format!(
            "this is the only time it is shown; it is good once, until {}. Hand it to {1}, who runs `kurultai user enrol {1}` or opens the console",
            reply.expires, reply.name
        ));
        Ok(())
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
            duties: some(self.rights.role).map(|list| list.into_iter().collect()),
            clearance: self.rights.clearance,
            collections: some(self.rights.collection),
            force: false,
        };
        let user: UserInfo = admin.post("/users", &request).await?;
        describe(&user);
        match user.generated_password {
            Some(password) => {
                show::line(format!("password: {password}"));
                show::notice("this is the only time it is shown");
            }
            None if self.generate => show::notice(format!(
                "{0} was here already and keeps the old password; for a new one, `kurultai user invite {0}`",
                user.name
            )),
            None => {}
        }
        if user.must_change {
            show::notice(format!(
                "until {0} runs `kurultai user password {0}`, this password reads and adds but decides nothing",
                user.name
            ));
        }
        Ok(())
    }

    fn password(&self) -> Result<String, Failure> {
        let Some(path) = &self.password_file else {
            return sign_in::ask(&format!("password of {}", self.name));
        };
        let text =
            std::fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))?;
        match text.lines().next() {
            Some(line) if !line.is_empty() => Ok(line.to_owned()),
            _ => Err(Failure::usage(format!(
                "{} has no password in its first line; write it there",
                path.display()
            ))),
        }
    }
}

impl Role {
    async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let users: Vec<UserInfo> = admin.get("/users").await?;
        if !users.iter().any(|user| user.name == self.name) {
            return Err(Failure::refused(format!(
                "there is no user {0} here; `kurultai user invite {0}` makes one",
                self.name
            )));
        }
        let request = UserRequest {
            name: self.name,
            password: None,
            duties: match self.none {
                true => Some([].into()),
                false => some(self.rights.role).map(|list| list.into_iter().collect()),
            },
            clearance: self.rights.clearance,
            collections: match self.all_collections {
                true => Some(Vec::new()),
                false => some(self.rights.collection),
            },
            force: self.force,
        };
        if request.duties.is_none() && request.clearance.is_none() && request.collections.is_none()
        {
            return Err(Failure::usage(
                "nothing is to be changed; give --role, --none, --clearance, --collection or --all-collections",
            ));
        }
        let user: UserInfo = admin.post("/users", &request).await?;
        describe(&user);
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
        let mut table = show::Table::new(&[
            "name",
            "duties",
            "reads",
            "signs in by",
            "tokens",
            "collections",
            "state",
        ]);
        for user in &users {
            table.row(vec![
                user.name.clone(),
                duties(user),
                user.clearance.clone(),
                match (user.password, user.second_factor) {
                    (false, _) => "no password".to_owned(),
                    (true, false) => "password".to_owned(),
                    (true, true) => "password and code".to_owned(),
                },
                user.tokens.to_string(),
                collections(user, " "),
                state(user),
            ]);
        }
        table.print();
        Ok(())
    }
}

impl Lock {
    async fn lock(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let path = format!("/users/{}/lock?force={}", escape(&self.name), self.force);
        admin.tell(&path, &()).await?;
        show::line(format!("{} is locked", self.name));
        Ok(())
    }

    async fn remove(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        admin
            .delete(&format!(
                "/users/{}?force={}",
                escape(&self.name),
                self.force
            ))
            .await?;
        show::line(format!("{} is removed", self.name));
        Ok(())
    }
}

impl Named {
    async fn unlock(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        admin
            .tell(&format!("/users/{}/unlock", escape(&self.name)), &())
            .await?;
        show::line(format!("{} is unlocked", self.name));
        Ok(())
    }
}

impl Sessions {
    async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let path = match crate::admin::acting() {
            Some(own) if own == self.name => "/auth/sessions".to_owned(),
            _ => format!("/users/{}/sessions", escape(&self.name)),
        };
        if self.end {
            admin.delete(&path).await?;
            show::line(format!("every session of {} has ended", self.name));
            return Ok(());
        }
        let sessions: Vec<SessionInfo> = admin.get(&path).await?;
        if self.json {
            return show::json(&sessions);
        }
        let mut table = show::Table::new(&["id", "signed in by", "began", "last used"]);
        for session in sessions {
            let proof = serde_json::to_value(session.proof).unwrap_or_default();
            table.row(vec![
                session.id,
                proof.as_str().unwrap_or_default().to_owned(),
                session.started,
                session.used,
            ]);
        }
        table.print();
        Ok(())
    }
}

/// A list, unless it is empty: an option that was not given changes nothing.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn describe(user: &UserInfo) {
    show::line(format!(
        "{} ({}) reads {} up to {}",
        user.name,
        duties(user),
        collections(user, ", "),
        user.clearance
    ));
}

fn duties(user: &UserInfo) -> String {
    if user.duties.is_empty() {
        return "no duty".to_owned();
    }
    let words: Vec<&str> = user.duties.iter().map(|duty| duty.word()).collect();
    words.join(" ")
}

fn collections(user: &UserInfo, between: &str) -> String {
    if user.collections.is_empty() {
        "every collection".to_owned()
    } else {
        user.collections.join(between)
    }
}

fn state(user: &UserInfo) -> String {
    let states = [
        user.locked
            .as_ref()
            .map(|since| format!("locked since {since}")),
        user.invited.then(|| "invited".to_owned()),
        user.must_change
            .then(|| "must change the password".to_owned()),
    ];
    let states: Vec<String> = states.into_iter().flatten().collect();
    if states.is_empty() {
        "active".to_owned()
    } else {
        states.join(", ")
    }
}
