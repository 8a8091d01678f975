//! Six members with their own keys, data folders, ports and processes, and the accord they sign.
//!
//! The demonstration treats every member as its operator would: through its admin socket and its
//! TAXII server. Nothing here reaches into another member's folder, except where a proof plays the
//! thief or the restorer of a backup and says so.

// A demonstration measures time.
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use node::admin::types::{
    AccordReport, AddReport, LogInfo, PullReport, PullRequest, ReleaseReport, ReleaseRequest,
    Selection, Status, UserInfo, UserRequest,
};
use policy::{Accord, Duty, Obligations, SignedAccord, Transfer};

use super::scenario::{ACCORD, MEMBERS, channels};
use crate::admin::{Admin, escape};
use crate::commands::init::{NewMember, make};
use crate::exit::Failure;
use crate::limits::{POLL_TIME, SETTLE_TIME_MAX};
use crate::process::{Server, free_ports};
use crate::taxii::{Taxii, basic};

/// The user that the demonstration makes at each node.
pub(crate) const USER: &str = "analyst";

/// One member.
pub(crate) struct Party {
    /// Its code.
    pub(crate) code: &'static str,
    /// Its data folder.
    pub(crate) folder: PathBuf,
    /// Host and port of its national server.
    pub(crate) national: String,
    /// The password of [`USER`].
    pub(crate) password: String,
    /// Its process, while it runs.
    pub(crate) server: Option<Server>,
}

/// All six.
pub(crate) struct Cluster {
    /// The folder of the demonstration.
    pub(crate) folder: PathBuf,
    /// The members.
    pub(crate) parties: Vec<Party>,
}

impl Cluster {
    /// Makes six members in `folder` with ports from `port` on (or free ones), starts them, and has
    /// all of them sign the accord.
    pub(crate) async fn build(
        folder: &Path,
        port: Option<u16>,
        say: &impl Fn(&str),
    ) -> Result<Cluster, Failure> {
        let ports = match port {
            Some(base) => (0..12)
                .map(|offset| base.checked_add(offset))
                .collect::<Option<Vec<u16>>>()
                .ok_or_else(|| {
                    Failure::usage("--port leaves no room for twelve ports; give a lower one")
                })?,
            None => free_ports(12)?,
        };
        std::fs::create_dir_all(folder).map_err(|error| Failure::file("make", folder, &error))?;
        let mut cluster = Cluster {
            folder: folder.to_owned(),
            parties: Vec::new(),
        };
        let mut members = Vec::new();
        for ((code, name, domain), ports) in MEMBERS.iter().zip(ports.chunks_exact(2)) {
            let national = format!("127.0.0.1:{}", ports[1]);
            let data = folder.join(code);
            let new = NewMember {
                code,
                name,
                domain,
                url: None,
                members: &format!("127.0.0.1:{}", ports[0]),
                national: &national,
            };
            members.push(make(&data, &new)?);
            let password = node::keys::random::<9>().map_err(Failure::unavailable)?;
            let password = password.iter().map(|byte| format!("{byte:02x}")).collect();
            cluster.parties.push(Party {
                code,
                folder: data,
                national,
                password,
                server: None,
            });
        }
        say("six members have their own keys, folders and ports");
        for party in &mut cluster.parties {
            party.server = Some(Server::spawn(&party.folder)?);
        }
        for party in &mut cluster.parties {
            if let Some(server) = &mut party.server {
                server.wait_ready().await?;
            }
            let mut admin = party.admin().await?;
            let request = UserRequest {
                name: USER.to_owned(),
                password: Some(party.password.clone()),
                duties: Some([Duty::Analyst].into()),
                ..UserRequest::default()
            };
            let _: UserInfo = admin.post("/users", &request).await?;
        }
        say("six nodes run, each as a process of its own");
        cluster.agree(members).await?;
        say(&format!(
            "the accord {ACCORD} is signed by all six with their root keys, and in force"
        ));
        Ok(cluster)
    }

    /// Drafts the accord, lets each member sign it in turn, and gives everybody the last note.
    async fn agree(&self, members: Vec<policy::Member>) -> Result<(), Failure> {
        let accord = Accord {
            name: ACCORD.to_owned(),
            version: 1,
            previous: None,
            members,
            groups: Vec::new(),
            channels: channels(),
            obligations: Obligations {
                retention_days: None,
                third_party: Transfer::Never,
                purposes: Default::default(),
                non_attribution: false,
            },
        };
        let mut note = SignedAccord::new(accord)
            .map_err(Failure::usage)?
            .to_string();
        for party in &self.parties {
            let mut admin = party.admin().await?;
            let report: AccordReport = admin
                .post_bytes("/accords?ratify=true", "text/plain", Bytes::from(note))
                .await?;
            note = report.note;
        }
        for party in &self.parties {
            let mut admin = party.admin().await?;
            let _: AccordReport = admin
                .post_bytes(
                    "/accords?ratify=false",
                    "text/plain",
                    Bytes::from(note.clone()),
                )
                .await?;
        }
        std::fs::write(self.accord_file(), note)
            .map_err(|error| Failure::file("write", &self.accord_file(), &error))
    }

    /// Where the signed accord lies for everybody to see.
    pub(crate) fn accord_file(&self) -> PathBuf {
        self.folder.join(format!("{ACCORD}.note"))
    }

    /// A member by its code.
    pub(crate) fn party(&self, code: &str) -> Result<&Party, Failure> {
        self.parties
            .iter()
            .find(|party| party.code == code)
            .ok_or_else(|| Failure::usage(format!("{code} takes no part in the demonstration")))
    }

    /// A member by its code, to be changed.
    pub(crate) fn party_mut(&mut self, code: &str) -> Result<&mut Party, Failure> {
        self.parties
            .iter_mut()
            .find(|party| party.code == code)
            .ok_or_else(|| Failure::usage(format!("{code} takes no part in the demonstration")))
    }

    /// Waits until every member that runs holds as much of every channel's logs as their origins.
    pub(crate) async fn settle(&self) -> Result<(), Failure> {
        let mut wanted: Vec<(String, String, u64)> = Vec::new();
        for party in self.parties.iter().filter(|party| party.server.is_some()) {
            for log in party
                .logs()
                .await?
                .into_iter()
                .filter(|log| log.own && log.accord == ACCORD)
            {
                wanted.push((log.channel, log.origin, log.size));
            }
        }
        let channels = channels();
        for party in self.parties.iter().filter(|party| party.server.is_some()) {
            let mine: Vec<&(String, String, u64)> = wanted
                .iter()
                .filter(|(channel, origin, _)| {
                    origin != party.code
                        && channels
                            .iter()
                            .any(|one| one.name == *channel && one.members.contains(party.code))
                })
                .collect();
            until(
                &format!("{} has received everything", party.code),
                async || {
                    let logs = party.logs().await?;
                    Ok(mine.iter().all(|(channel, origin, size)| {
                        *size == 0
                            || logs.iter().any(|log| {
                                log.channel == *channel
                                    && log.origin == *origin
                                    && (log.size >= *size || log.refused.is_some())
                            })
                    }))
                },
            )
            .await?;
        }
        Ok(())
    }

    /// Stops every process in order.
    pub(crate) async fn stop(&mut self) {
        for party in &mut self.parties {
            if let Some(mut server) = party.server.take() {
                server.stop().await;
            }
        }
    }
}

impl Party {
    /// Its admin API, also while it is stopped.
    pub(crate) async fn admin(&self) -> Result<Admin, Failure> {
        match self.server {
            Some(_) => Admin::running(&self.folder).await,
            None => Admin::open(&self.folder).await,
        }
    }

    /// Its TAXII server, as its own analyst sees it.
    pub(crate) async fn taxii(&self) -> Result<Taxii, Failure> {
        Taxii::connect(&self.national, basic(USER, &self.password)).await
    }

    /// The state of every log that it holds.
    pub(crate) async fn logs(&self) -> Result<Vec<LogInfo>, Failure> {
        Ok(self.admin().await?.get::<Status>("/status").await?.logs)
    }

    /// Starts its process.
    pub(crate) async fn start(&mut self) -> Result<(), Failure> {
        self.server = Some(Server::start(&self.folder).await?);
        Ok(())
    }

    /// Takes objects in, all of which must be acceptable or held already.
    pub(crate) async fn add(&self, text: &str, label: &str) -> Result<AddReport, Failure> {
        let path = format!("/objects?who={USER}&label={}", escape(label));
        self.admin()
            .await?
            .post_bytes(&path, "application/json", Bytes::from(text.to_owned()))
            .await
    }

    /// Asks for the release of these objects.
    pub(crate) async fn release(
        &self,
        channel: &str,
        selection: Selection,
        explain: bool,
    ) -> Result<ReleaseReport, Failure> {
        let request = ReleaseRequest {
            channel: format!("{ACCORD}/{channel}"),
            selection,
            who: USER.to_owned(),
            explain,
        };
        self.admin().await?.post("/release", &request).await
    }

    /// Takes one object in and releases it; fails when any of it is refused.
    pub(crate) async fn publish(
        &self,
        channel: &str,
        label: &str,
        text: &str,
        id: &str,
    ) -> Result<(), Failure> {
        self.add(text, label).await?;
        let selection = Selection {
            ids: vec![id.to_owned()],
            ..Selection::default()
        };
        let report = self.release(channel, selection, false).await?;
        if report.released == 0 {
            return Err(Failure::refused(format!(
                "{} could not release {id} into {channel}: {:?}",
                self.code, report.results
            )));
        }
        Ok(())
    }

    /// Pulls one channel from one partner now. Answers with the error, if there was one.
    pub(crate) async fn pull(&self, from: &str, channel: &str) -> Result<Option<String>, Failure> {
        let request = PullRequest {
            peer: Some(from.to_owned()),
            channel: Some(format!("{ACCORD}/{channel}")),
        };
        let report: PullReport = self.admin().await?.post("/pull", &request).await?;
        Ok(report.logs.into_iter().find_map(|log| log.error))
    }

    /// The folder of one log that it holds.
    pub(crate) fn log_folder(&self, channel: &str, origin: &str) -> PathBuf {
        self.folder
            .join("logs")
            .join(ACCORD)
            .join(channel)
            .join(origin)
    }
}

/// Waits until `condition` holds, and says how long that took.
pub(crate) async fn until(
    what: &str,
    mut condition: impl AsyncFnMut() -> Result<bool, Failure>,
) -> Result<Duration, Failure> {
    let start = Instant::now();
    loop {
        if condition().await? {
            return Ok(start.elapsed());
        }
        if start.elapsed() > SETTLE_TIME_MAX {
            return Err(Failure::refused(format!(
                "after {} s it is still not so that {what}; read the nodes' logs",
                SETTLE_TIME_MAX.as_secs()
            )));
        }
        tokio::time::sleep(POLL_TIME).await;
    }
}
