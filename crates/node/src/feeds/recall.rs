//! Taking back what was pushed and since withdrawn (I6).
//!
//! What is pushed is remembered before it is sent, by id and hash, until the server has been seen to
//! have it no longer. Withdrawals in the own log are looked for apart from what is pushed, before it,
//! and also while the feed is paused: a pause stops what goes out, not what is to come back. The
//! server is spoken to only where something that it was sent was withdrawn.

use hyper::{Method, StatusCode};
use log::{Action, Entry};
use model::{Hash, Id, Timestamp};
use store::{Command, LogName};

use super::fetch::{Ask, FetchError};
use super::limits::SMALL_BYTES_MAX;
use super::own::entries;
use super::push::{Step, Way};
use super::remote::{self, Envelope, Need, Remote, TAXII};
use super::run::Run;
use super::state::{Failure, Recall};
use super::tasks::roll;
use super::{pushed_key, said, spec};
use crate::admin::types::FeedRefusal;
use url::Url;

/// Answers in a row by which a server fails to delete one object, after which it is taken not to be
/// able to. What keeps it from answering at all does not count.
const DELETE_TRIES: u32 = 5;

/// What an answer to a DELETE that is no success means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum No {
    /// Nothing of the kind is there, as it says.
    Gone,
    /// It does not delete this, and will not.
    Refused,
    /// It failed over this; perhaps not the next time.
    Failed,
    /// It, or what stands before it, answers nobody or not this node just now.
    Away,
}

impl No {
    fn of(status: StatusCode) -> No {
        match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => No::Gone,
            // The secret may be put right, and time passes.
            StatusCode::UNAUTHORIZED
            | StatusCode::PROXY_AUTHENTICATION_REQUIRED
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => No::Away,
            StatusCode::NOT_IMPLEMENTED => No::Refused,
            status if status.is_client_error() => No::Refused,
            _ => No::Failed,
        }
    }
}

impl Run<'_> {
    /// Takes back what was withdrawn since it was last looked for.
    ///
    /// # Errors
    /// What keeps it outside; that is remembered, and it is asked for again.
    pub(super) async fn recall(&mut self, way: &Way<'_>) -> Result<(), Failure> {
        let ended = self.take_all_back(way).await;
        let (now, every) = (self.node.clock().micros(), self.spec.every_secs);
        match &ended {
            Ok(()) => self.state.push().recall = Recall::default(),
            Err(failure) => self.state.recall_failed(now, every, failure, roll()?),
        }
        self.checkpoint().await?;
        ended
    }

    async fn take_all_back(&mut self, way: &Way<'_>) -> Result<(), Failure> {
        let own = way.own(self.node)?;
        let log = own.clone();
        let size = self
            .node
            .read(move |store| Ok(store.head(&log)?.map_or(0, |head| head.size)))
            .await?;
        let mut outside = None;
        loop {
            let from = self.state.push().looked_up_to();
            if from >= size {
                self.state.push().recalled = Some(from);
                return Ok(());
            }
            for (entry, at) in self.entries_of(&own, from, size).await?.iter().zip(from..) {
                let brings = matches!(entry.action, Action::Release | Action::Revise);
                if !brings && self.is_outside(entry).await? {
                    if outside.is_none() {
                        let (client, url) = spec::client(self.node, way.url, way.access)?;
                        let remote =
                            remote::resolve(&client, &url, way.collection, Need::Write).await?;
                        outside = Some((client, remote));
                    }
                    if let Some((client, remote)) = &outside {
                        let step = Step {
                            client,
                            remote,
                            way,
                        };
                        self.take_back(&step, entry).await?;
                    }
                }
                let push = self.state.push();
                push.recalled = Some(at + 1);
                push.recall.refusals = 0;
            }
            self.checkpoint().await?;
        }
    }

    /// Entries of the own log from `from` on, at least one.
    ///
    /// # Errors
    /// When there are none, which is damage.
    pub(super) async fn entries_of(
        &self,
        own: &LogName,
        from: u64,
        size: u64,
    ) -> Result<Vec<Entry>, Failure> {
        let own = own.clone();
        let found = self
            .node
            .read(move |store| entries(store, &own, from, size))
            .await?;
        match found.is_empty() {
            true => Err(Failure::of(
                "the own log cannot be read; run `kurultai verify`",
            )),
            false => Ok(found),
        }
    }

    async fn is_outside(&self, entry: &Entry) -> Result<bool, Failure> {
        let pushed = self.pushed(&id_of(entry)?).await?;
        Ok(pushed.contains(&Hash(entry.hash).to_string()))
    }

    /// Asks the server to delete what was withdrawn.
    async fn take_back(&mut self, step: &Step<'_>, entry: &Entry) -> Result<(), Failure> {
        let id = id_of(entry)?;
        self.account(step, "push-recall", vec![entry.id.clone()])
            .await?;
        let version = entry
            .modified
            .as_deref()
            .and_then(|text| Timestamp::parse(text).ok());
        let url = object_url(step.remote, &id, version)?;
        let ask = Ask {
            method: Method::DELETE,
            ..Ask::get(url, TAXII, SMALL_BYTES_MAX)
        };
        let no = match step.client.ask(ask).await {
            Ok(_) => None,
            Err(FetchError::Status { status, .. }) if No::of(status) == No::Gone => None,
            Err(error) => Some(error),
        };
        let why = match no {
            // What the server says is not believed without a look: OpenTAXII 0.9.3 says that it
            // deletes and forgets to, and a server without this call says that nothing is there.
            None => match self.has(step, &id, version).await? {
                Some(false) => None,
                Some(true) => {
                    Some("the server was asked to delete it and shows it still".to_owned())
                }
                None => Some(
                    "the server was asked to delete it and does not say whether it is gone"
                        .to_owned(),
                ),
            },
            Some(error) => {
                let FetchError::Status { status, .. } = &error else {
                    return Err(error.into());
                };
                let recall = &mut self.state.push().recall;
                match No::of(*status) {
                    No::Away => return Err(error.into()),
                    No::Failed => {
                        recall.refusals += 1;
                        if recall.refusals < DELETE_TRIES {
                            return Err(error.into());
                        }
                    }
                    No::Refused | No::Gone => {}
                }
                Some(error.to_string())
            }
        };
        if let Some(why) = why {
            let refusal = FeedRefusal {
                at: self.node.now().to_string(),
                id: Some(entry.id.clone()),
                place: entry.modified.clone().unwrap_or_default(),
                reason: said(&format!("it was withdrawn and is still outside: {why}")),
                digest: String::new(),
            };
            self.state.push().not_recalled(refusal);
            // Said for good before it is forgotten as something to be asked for.
            self.checkpoint().await?;
        }
        let hash = Hash(entry.hash).to_string();
        let mut pushed = self.pushed(&id).await?;
        pushed.retain(|one| *one != hash);
        self.keep_pushed(&id, pushed).await
    }

    /// Whether the outside collection has just this version; `None` when its answer does not say.
    ///
    /// # Errors
    /// When there is no answer, or none to this node just now.
    pub(super) async fn has(
        &self,
        step: &Step<'_>,
        id: &Id,
        version: Option<Timestamp>,
    ) -> Result<Option<bool>, Failure> {
        let url = object_url(step.remote, id, version)?;
        match step.client.ask(Ask::get(url, TAXII, SMALL_BYTES_MAX)).await {
            Ok(answer) => Ok(serde_json::from_slice::<Envelope<'_>>(&answer.body)
                .ok()
                .map(|envelope| envelope.objects.is_some_and(|objects| !objects.is_empty()))),
            Err(FetchError::Status { status, .. }) if No::of(status) == No::Gone => Ok(Some(false)),
            Err(FetchError::Status { status, .. }) if No::of(status) == No::Refused => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The hashes of the versions of an object that were pushed, or may have been.
    pub(super) async fn pushed(&self, id: &Id) -> Result<Vec<String>, Failure> {
        let key = pushed_key(&self.spec.name, id);
        let value = self.node.read(move |store| store.get(&key)).await?;
        Ok(value
            .and_then(|value| serde_json::from_slice(&value).ok())
            .unwrap_or_default())
    }

    /// Remembers just these.
    pub(super) async fn keep_pushed(&self, id: &Id, pushed: Vec<String>) -> Result<(), Failure> {
        let value =
            (!pushed.is_empty()).then(|| serde_json::json!(pushed).to_string().into_bytes());
        let key = pushed_key(&self.spec.name, id);
        self.node.execute(Command::Put { key, value }).await?;
        Ok(())
    }
}

fn id_of(entry: &Entry) -> Result<Id, Failure> {
    Id::parse(&entry.id).map_err(|error| Failure::of(format!("the own log is damaged: {error}")))
}

fn object_url(remote: &Remote, id: &Id, version: Option<Timestamp>) -> Result<Url, Failure> {
    let mut url = remote
        .collection
        .join(&format!("objects/{id}/"))
        .map_err(|_| Failure::of("the collection is no URL"))?;
    if let Some(version) = version {
        url.query_pairs_mut()
            .append_pair("match[version]", &version.to_string());
    }
    Ok(url)
}
