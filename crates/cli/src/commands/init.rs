//! `kurultai init`: a data folder with a configuration and keys for a new member.

use std::path::Path;

use clap::Args;
use node::Config;

use crate::exit::Failure;
use crate::{Data, show};

/// Makes a data folder with a configuration and fresh keys. Refuses a folder that holds anything.
#[derive(Args)]
pub(crate) struct Init {
    /// The member's code: an ISO 3166 code such as KZ, or an agency code of A-Z, 0-9 and -
    #[arg(long)]
    code: String,
    /// The member's name for people
    #[arg(long)]
    name: String,
    /// The member's domain, such as kz.example; the first part of its key and log names
    #[arg(long)]
    domain: String,
    /// Where other members reach this node [default: https:// and the --listen-members address]
    #[arg(long, value_name = "https://HOST:PORT")]
    url: Option<String>,
    /// Where the member-facing server listens
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8440")]
    listen_members: String,
    /// Where the national server (TAXII) listens; plain HTTP, so keep it on this machine or set TLS
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8441")]
    listen_national: String,
    #[command(flatten)]
    data: Data,
}

/// What makes a new member.
pub(crate) struct NewMember<'a> {
    /// Its code.
    pub(crate) code: &'a str,
    /// Its name for people.
    pub(crate) name: &'a str,
    /// Its domain.
    pub(crate) domain: &'a str,
    /// Where others reach it, if that is not where it listens.
    pub(crate) url: Option<&'a str>,
    /// Where the member-facing server listens.
    pub(crate) members: &'a str,
    /// Where the national server listens.
    pub(crate) national: &'a str,
}

impl Init {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let folder = self.data.folder();
        let new = NewMember {
            code: &self.code,
            name: &self.name,
            domain: &self.domain,
            url: self.url.as_deref(),
            members: &self.listen_members,
            national: &self.listen_national,
        };
        make(&folder, &new)?;
        show::line(format!(
            "{} is ready for {} ({})",
            folder.display(),
            self.code,
            self.domain
        ));
        show::line(format!(
            "  configuration  {}",
            folder.join(node::CONFIG_FILE).display()
        ));
        show::line(format!(
            "  keys           {} (back them up; keep root.key offline if you can)",
            folder.join("keys").display()
        ));
        show::line(
            "next: `kurultai user invite NAME --role DUTY` for the people, `kurultai serve`, and `kurultai accord member` for the others",
        );
        Ok(())
    }
}

/// Makes the folder of a new member. A fault in what was given leaves nothing behind.
pub(crate) fn make(folder: &Path, new: &NewMember<'_>) -> Result<policy::Member, Failure> {
    let text = configuration(new);
    Config::parse(folder, &text)
        .map_err(|error| Failure::usage(format!("{error}; give `kurultai init` another value")))?;
    empty(folder, "--data")?;
    node::init(folder, &text).map_err(Failure::unavailable)
}

fn configuration(new: &NewMember<'_>) -> String {
    let text = Config::template(new.code, new.name, new.domain, new.members, new.national);
    match new.url {
        None => text,
        Some(url) => {
            let quoted = |text: &str| toml::Value::from(text).to_string();
            let listened = format!("url = {}\n", quoted(&format!("https://{}", new.members)));
            text.replacen(&listened, &format!("url = {}\n", quoted(url)), 1)
        }
    }
}

/// Refuses a folder that holds anything; `option` names another one.
pub(crate) fn empty(folder: &Path, option: &str) -> Result<(), Failure> {
    match std::fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::refused(format!(
            "{} is not empty; name another folder with {option}, or remove it if nothing in it is needed",
            folder.display()
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::file("look into", folder, &error)),
    }
}
