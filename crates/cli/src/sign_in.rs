//! Proving a person's name to a node: what `--as` needs.
//!
//! Secrets come from the environment or are asked for on the terminal without being shown; never
//! from the command line, which every process of the machine can read.

use std::io::{BufRead, IsTerminal};

use base64::Engine;
use node::admin::types::{CodeRequest, SignInReply, SignInRequest};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::admin::Admin;
use crate::exit::Failure;
use crate::show;

const SECOND_FACTOR: &str = "urn:kurultai:problem:second-factor";

/// The Authorization header that proves `user`: of the token in `KURULTAI_TOKEN`, or of the
/// password, with a session where a one-time code is needed too.
pub(crate) async fn prove(admin: &mut Admin, user: &str) -> Result<String, Failure> {
    if let Some(token) = given("KURULTAI_TOKEN") {
        let header = format!("Bearer {token}");
        return match admin.try_proof(&header).await? {
            Ok(me) if me.name == user => Ok(header),
            Ok(me) => Err(Failure::usage(format!(
                "the token in KURULTAI_TOKEN is {}'s, not {user}'s; unset it or say --as {}",
                me.name, me.name
            ))),
            Err(problem) => Err(Failure::Refused(problem.detail)),
        };
    }
    let password = password_of(user)?;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    let header = format!("Basic {pair}");
    match admin.try_proof(&header).await? {
        Ok(_) => return Ok(header),
        Err(problem) if problem.kind == SECOND_FACTOR => {}
        Err(problem) => return Err(Failure::Refused(problem.detail)),
    }
    let name = user.to_owned();
    let first: SignInReply = admin
        .post("/auth/session", &SignInRequest { name, password })
        .await?;
    let reply = match first.code_needed {
        Some(ticket) => {
            let code = secret("KURULTAI_CODE", &format!("one-time code of {user}"))?;
            admin
                .post("/auth/totp", &CodeRequest { ticket, code })
                .await?
        }
        None => first,
    };
    match reply.session {
        Some(session) => Ok(format!("Bearer {session}")),
        None => Err(Failure::unavailable(
            "the node answered neither with a session nor with a question; check that node and tool have the same version",
        )),
    }
}

/// The password of a user who acts: from `KURULTAI_PASSWORD`, or asked for.
pub(crate) fn password_of(user: &str) -> Result<String, Failure> {
    secret("KURULTAI_PASSWORD", &format!("password of {user}"))
}

/// A secret from this environment variable, or asked for.
pub(crate) fn secret(variable: &str, what: &str) -> Result<String, Failure> {
    match given(variable) {
        Some(text) => Ok(text),
        None => ask(what),
    }
}

fn given(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|text| !text.is_empty())
}

/// Reads one line from standard input, not shown where that is a terminal.
pub(crate) fn ask(what: &str) -> Result<String, Failure> {
    let input = std::io::stdin();
    let hidden = input.is_terminal().then(|| Hidden::begin(&input)).flatten();
    if input.is_terminal() {
        show::notice(format!("{what}, then Enter:"));
    }
    let mut text = String::new();
    let read = input.lock().read_line(&mut text);
    drop(hidden);
    read.map_err(|error| {
        Failure::unavailable(format!("could not read standard input: {error}; try again"))
    })?;
    let line = text.trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        return Err(Failure::usage(format!(
            "the {what} is empty; give it on standard input"
        )));
    }
    Ok(line.to_owned())
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden(rustix::termios::Termios);

impl Hidden {
    fn begin(input: &std::io::Stdin) -> Option<Hidden> {
        let before = tcgetattr(input).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(input, OptionalActions::Flush, &quiet).ok()?;
        Some(Hidden(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that has gone needs nothing back.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
    }
}
