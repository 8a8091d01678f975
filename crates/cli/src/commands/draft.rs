//! `kurultai accord new`: drafts the text of an accord from the members' descriptions.
//!
//! A draft proves nothing. It is written in the one form that `policy` writes, and every rule for
//! a well-formed accord is checked there before a file appears.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use log::note::VerifierKey;
use model::Tlp;
use node::admin::types::MemberInfo;
use policy::{Accord, Attribution, Channel, Kinds, Member, Obligations, SignedAccord, Transfer};

use crate::commands::accord::{parse, read, write};
use crate::exit::Failure;
use crate::show;

const CHANNEL_HELP: &str =
    "A channel, such as `alerts:members=KZ,KG,UZ:ceiling=amber` (may be repeated)

NAME, then any of:
  :members=CODE,…   who reads and writes it [default: every member]
  :ceiling=LEVEL    clear, green, amber, amber+strict or red [default: green]
  :kinds=TYPE,…     which STIX types it carries [default: every type]
  :title=TEXT       for people [default: NAME]
  :days=N           how long members keep what they receive
  :exercise         carries exercise objects and nothing else
  :hidden           entries name the member only, not its source";

/// Drafts an accord. Members print their description with `kurultai accord member`.
#[derive(Args)]
pub(crate) struct New {
    /// The accord's name: a-z, 0-9 and hyphens
    name: String,
    /// A member's description, a JSON file (may be repeated)
    #[arg(long, required = true, value_name = "FILE")]
    member: Vec<PathBuf>,
    #[arg(long, required = true, value_name = "SPEC", help = "A channel, such as `alerts:members=KZ,KG:ceiling=amber` (may be repeated; --help tells more)", long_help = CHANNEL_HELP)]
    channel: Vec<String>,
    /// Days that members keep what they receive
    #[arg(long, value_name = "DAYS")]
    retention: Option<u32>,
    /// What received objects may be used for (may be repeated) [default: not limited]
    #[arg(long, value_name = "WORD")]
    purpose: Vec<String>,
    /// Received objects may be given to third parties after the originator has agreed
    #[arg(long)]
    third_party_with_consent: bool,
    /// Channels may hide the source behind the member
    #[arg(long)]
    non_attribution: bool,
    /// The version that this one follows
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
    /// Where to write the draft
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl New {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<(), Failure> {
        if self.out.exists() {
            return Err(Failure::refused(format!(
                "{} exists; name another file with --out",
                self.out.display()
            )));
        }
        let (version, previous) = match &self.previous {
            None => (1, None),
            Some(path) => {
                let old = parse(path, &read(path)?)?;
                (old.accord().version + 1, Some(old.digest()))
            }
        };
        let members = self
            .member
            .iter()
            .map(|path| member_of(path))
            .collect::<Result<Vec<_>, _>>()?;
        let codes: BTreeSet<String> = members.iter().map(|member| member.code.clone()).collect();
        let channels = self
            .channel
            .iter()
            .map(|spec| channel(spec, &codes))
            .collect::<Result<Vec<_>, _>>()?;
        let accord = Accord {
            name: self.name,
            version,
            previous,
            members,
            groups: Vec::new(),
            channels,
            obligations: Obligations {
                retention_days: self.retention,
                third_party: if self.third_party_with_consent {
                    Transfer::WithConsent
                } else {
                    Transfer::Never
                },
                purposes: self.purpose.into_iter().collect(),
                non_attribution: self.non_attribution,
            },
        };
        let signed = SignedAccord::new(accord).map_err(Failure::usage)?;
        write(&self.out, &signed.to_string())?;
        show::line(format!(
            "{} is drafted; read it, then every member runs `kurultai accord sign {0}`",
            self.out.display()
        ));
        Ok(())
    }
}

/// A member from the file with its own description.
pub(crate) fn member_of(path: &Path) -> Result<Member, Failure> {
    let text = read(path)?;
    let info: MemberInfo = serde_json::from_slice(&text).map_err(|error| {
        Failure::usage(format!(
            "{} is no member's description: {error}; ask that member for `kurultai accord member`",
            path.display()
        ))
    })?;
    member(&info).map_err(|failure| Failure::usage(format!("{}: {failure}", path.display())))
}

/// A member as an accord names it, from its own description.
pub(crate) fn member(info: &MemberInfo) -> Result<Member, Failure> {
    let key = |role: &str, text: &str| {
        VerifierKey::parse(text).map_err(|error| {
            Failure::usage(format!(
                "the {role} key of {} is not one: {error}",
                info.code
            ))
        })
    };
    let tls = model_hash(&info.tls).ok_or_else(|| {
        Failure::usage(format!(
            "the TLS key of {} must be 64 hex digits; ask for it again",
            info.code
        ))
    })?;
    Ok(Member {
        code: info.code.clone(),
        name: info.name.clone(),
        domain: info.domain.clone(),
        url: info.url.clone(),
        root: key("root", &info.root)?,
        log: key("log", &info.log)?,
        log_pq: info
            .log_pq
            .as_deref()
            .map(|text| key("log_pq", text))
            .transpose()?,
        witness: key("witness", &info.witness)?,
        tls,
    })
}

fn model_hash(hex: &str) -> Option<[u8; 32]> {
    hex.parse::<model::Hash>().ok().map(|hash| hash.0)
}

/// Reads `NAME[:key[=value]]…`.
pub(crate) fn channel(spec: &str, all: &BTreeSet<String>) -> Result<Channel, Failure> {
    let wrong = |why: String| Failure::usage(format!("--channel {spec:?}: {why}"));
    let mut parts = spec.split(':');
    let name = parts.next().unwrap_or_default().to_owned();
    let mut channel = Channel {
        title: name.clone(),
        name,
        members: all.clone(),
        kinds: Kinds::Any,
        ceiling: Tlp::Green,
        exercise: false,
        retention_days: None,
        attribution: Attribution::Origin,
        hide: None,
        delegate: None,
    };
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let list = || {
            value
                .split(',')
                .map(str::to_owned)
                .collect::<BTreeSet<String>>()
        };
        match key {
            "members" => channel.members = list(),
            "kinds" => channel.kinds = Kinds::Only(list()),
            "title" => channel.title = value.to_owned(),
            "exercise" => channel.exercise = true,
            "hidden" => channel.attribution = Attribution::Member,
            "days" => {
                channel.retention_days = Some(
                    value
                        .parse()
                        .map_err(|_| wrong(format!("{value:?} is no number of days")))?,
                );
            }
            "ceiling" => {
                let label = model::Label::parse(&format!("TLP:{}", value.to_uppercase())).map_err(
                    |_| {
                        wrong(format!(
                            "{value:?} is none of clear, green, amber, amber+strict, red"
                        ))
                    },
                )?;
                channel.ceiling = label.tlp;
            }
            _ => {
                return Err(wrong(format!(
                    "there is no {key:?}; use members, ceiling, kinds, title, days, exercise or hidden"
                )));
            }
        }
    }
    Ok(channel)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::Tlp;
    use policy::Kinds;

    use super::channel;

    #[test]
    fn channels_are_read_and_faults_are_named() {
        let all: BTreeSet<String> = ["KZ", "KG", "UZ"].map(str::to_owned).into();
        let plain = channel("alerts", &all).unwrap();
        assert_eq!(
            (plain.members.len(), plain.ceiling, plain.exercise),
            (3, Tlp::Green, false)
        );
        let full = channel(
            "water:members=KZ,KG:ceiling=amber+strict:kinds=report,note:days=30:exercise",
            &all,
        )
        .unwrap();
        assert_eq!(
            (full.members.len(), full.ceiling, full.exercise),
            (2, Tlp::AmberStrict, true)
        );
        assert_eq!(
            full.kinds,
            Kinds::Only(["note", "report"].map(str::to_owned).into())
        );
        assert_eq!(full.retention_days, Some(30));
        for (spec, word) in [
            ("a:ceiling=blue", "blue"),
            ("a:dayz=3", "dayz"),
            ("a:days=x", "days"),
        ] {
            assert!(
                channel(spec, &all).unwrap_err().to_string().contains(word),
                "{spec}"
            );
        }
    }
}
