//! Taking back what was pushed and since withdrawn (I6).
//!
//! What is pushed is remembered before it is sent, by id and hash, until the server has been seen to
//! have it no longer. Withdrawals in the own log are looked for apart from what is pushed, before it,
//! and also while the feed is paused: a pause stops what goes out, not what is to come back. Each
//! waits by itself to be asked for, so one for which the server has no answer holds up no other. The
//! server is spoken to only where something that it was sent was withdrawn.

use hyper::{Method, StatusCode};
use log::{Action, Entry};
use model::{Hash, Id, Timestamp};
use store::{Command, LogName};

use super::fetch::{Ask, FetchError};
use super::limits::{SILENCES_MAX, SMALL_BYTES_MAX, WAITING_MAX};
use super::own::entries;
use super::push::{Step, Way};
use super::remote::{self, Envelope, Need, Remote, TAXII};
use super::run::Run;
use super::state::{Failure, Recall, Waiting};
use super::tasks::roll;
use super::{pushed_key, said, spec};
use crate::admin::types::FeedRefusal;
use url::Url;

/// Answers by which a server fails to delete one object, after which it is taken not to be able to. What keeps it from answering at all does not count.
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
            // The secret may be put right, and an outage ends.
            StatusCode::UNAUTHORIZED
            | StatusCode::PROXY_AUTHENTICATION_REQUIRED
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => No::Away,
            // Rights may be put right, too, but not for long.
            StatusCode::FORBIDDEN => No::Failed,
            StatusCode::NOT_IMPLEMENTED => No::Refused,
            status if status.is_client_error() => No::Refused,
            _ => No::Failed,
        }
    }
}

/// What came of asking for one object.
#[derive(Debug)]
enum Asked {
    /// It is gone.
    Done,
    /// It is not to be taken back any more.
    Kept,
    /// It is there, or may be, for good.
    Lost(String),
    /// It is asked for again.
    Again(No, FetchError),
}

impl Asked {
    /// After a request without success.
    fn of(error: FetchError) -> Asked {
        let no = match &error {
            FetchError::Status { status, .. } => No::of(*status),
            FetchError::Connect(_) | FetchError::Slow(_) => No::Away,
            FetchError::Address(_) | FetchError::Large(_) | FetchError::Broken(_) => No::Failed,
        };
        match no {
            No::Refused => Asked::Lost(error.to_string()),
            no => Asked::Again(no, error),
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
        self.look_for_withdrawals(&own).await?;
        if self.state.push().waiting.is_empty() {
            return Ok(());
        }
        let (client, url) = spec::client(self.node, way.url, way.access)?;
        let remote = remote::resolve(&client, &url, way.collection, Need::Write).await?;
        let step = Step {
            client: &client,
            remote: &remote,
            way,
        };
        let (mut left, mut silent, mut hindered) = (self.state.push().waiting.len(), 0, None);
        while left > 0 && silent < SILENCES_MAX {
            left -= 1;
            let Some(mut one) = self.state.push().waiting.first().cloned() else {
                break;
            };
            let asked = self.take_back(&step, &own, &one).await?;
            self.state.push().waiting.remove(0);
            match asked {
                Asked::Done => silent = 0,
                Asked::Kept => {
                    self.checkpoint().await?;
                    continue;
                }
                Asked::Lost(why) => {
                    silent = 0;
                    self.lost(&one, &why);
                }
                Asked::Again(No::Failed, error) if one.tries + 1 >= DELETE_TRIES => {
                    silent = 0;
                    self.lost(&one, &error.to_string());
                }
                Asked::Again(no, error) => {
                    one.tries += u32::from(no == No::Failed);
                    silent = match error {
                        FetchError::Connect(_) | FetchError::Slow(_) => silent + 1,
                        _ => 0,
                    };
                    // Behind the others, which are asked for first the next time.
                    self.state.push().waiting.push(one);
                    self.checkpoint().await?;
                    hindered = Some(Failure::from(error));
                    continue;
                }
            }
            // Said for good before it is forgotten as something to be asked for.
            self.checkpoint().await?;
            self.forget_pushed(&one).await?;
        }
        hindered.map_or(Ok(()), Err)
    }

    /// Looks through the own log for what was withdrawn of what is outside.
    async fn look_for_withdrawals(&mut self, own: &LogName) -> Result<(), Failure> {
        let log = own.clone();
        let size = self
            .node
            .read(move |store| Ok(store.head(&log)?.map_or(0, |head| head.size)))
            .await?;
        loop {
            let from = self.state.push().looked_up_to();
            self.state.push().recalled = Some(from);
            if from >= size {
                return Ok(());
            }
            for (entry, at) in self.entries_of(own, from, size).await?.iter().zip(from..) {
                let brings = matches!(entry.action, Action::Release | Action::Revise);
                if !brings && self.is_outside(entry).await? {
                    if self.state.push().waiting.len() >= WAITING_MAX {
                        // The rest is looked for when these are done.
                        return self.checkpoint().await.map_err(Failure::from);
                    }
                    let one = Waiting {
                        id: entry.id.clone(),
                        modified: entry.modified.clone(),
                        hash: Hash(entry.hash).to_string(),
                        tries: 0,
                    };
                    let push = self.state.push();
                    if !push.waiting.iter().any(|held| held.hash == one.hash) {
                        push.waiting.push(one);
                    }
                }
                self.state.push().recalled = Some(at + 1);
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

    /// Asks the server to delete what was withdrawn, unless the channel shows it again by now.
    async fn take_back(
        &mut self,
        step: &Step<'_>,
        own: &LogName,
        one: &Waiting,
    ) -> Result<Asked, Failure> {
        let id = Id::parse(&one.id).map_err(damaged)?;
        let (log, ids) = (own.clone(), [id.clone()]);
        let shown = self
            .node
            .read(move |store| store.brought(&log, &ids))
            .await?;
        if shown
            .iter()
            .any(|record| record.hash.to_string() == one.hash)
        {
            // Released again, so it may be there; its next withdrawal finds it.
            return Ok(Asked::Kept);
        }
        self.account(step, "push-recall", vec![one.id.clone()])
            .await?;
        let version = one
            .modified
            .as_deref()
            .and_then(|text| Timestamp::parse(text).ok());
        Ok(self.ask_back(step, &id, version).await)
    }

    async fn ask_back(&self, step: &Step<'_>, id: &Id, version: Option<Timestamp>) -> Asked {
        let url = match object_url(step.remote, id, version) {
            Ok(url) => url,
            Err(error) => return Asked::of(error),
        };
        let ask = Ask {
            method: Method::DELETE,
            ..Ask::get(url, TAXII, SMALL_BYTES_MAX)
        };
        match step.client.ask(ask).await {
            Ok(_) => {}
            Err(FetchError::Status { status, .. }) if No::of(status) == No::Gone => {}
            Err(error) => return Asked::of(error),
        }
        // What the server says is not believed without a look: OpenTAXII 0.9.3 says that it deletes
        // and forgets to, and a server without this call says that nothing is there.
        match self.has(step, id, version).await {
            Ok(Some(false)) => Asked::Done,
            Ok(Some(true)) => {
                Asked::Lost("the server was asked to delete it and shows it still".to_owned())
            }
            Ok(None) => Asked::Lost(
                "the server was asked to delete it and does not say whether it is gone".to_owned(),
            ),
            Err(error) => Asked::of(error),
        }
    }

    /// Lists what cannot be taken back.
    fn lost(&mut self, one: &Waiting, why: &str) {
        let refusal = FeedRefusal {
            at: self.node.now().to_string(),
            id: Some(one.id.clone()),
            place: one.modified.clone().unwrap_or_default(),
            reason: said(&format!("it was withdrawn and is still outside: {why}")),
            digest: String::new(),
        };
        self.state.push().not_recalled(refusal);
    }

    async fn forget_pushed(&self, one: &Waiting) -> Result<(), Failure> {
        let id = Id::parse(&one.id).map_err(damaged)?;
        let mut pushed = self.pushed(&id).await?;
        pushed.retain(|hash| *hash != one.hash);
        self.keep_pushed(&id, pushed).await
    }

    /// Whether the outside collection has just this version; `None` when its answer does not say.
    ///
    /// # Errors
    /// When there is no answer, or none about this object just now.
    pub(super) async fn has(
        &self,
        step: &Step<'_>,
        id: &Id,
        version: Option<Timestamp>,
    ) -> Result<Option<bool>, FetchError> {
        let url = object_url(step.remote, id, version)?;
        match step.client.ask(Ask::get(url, TAXII, SMALL_BYTES_MAX)).await {
            Ok(answer) => Ok(serde_json::from_slice::<Envelope<'_>>(&answer.body)
                .ok()
                .map(|envelope| envelope.objects.is_some_and(|objects| !objects.is_empty()))),
            Err(FetchError::Status { status, .. }) if No::of(status) == No::Gone => Ok(Some(false)),
            Err(FetchError::Status { status, .. }) if No::of(status) == No::Refused => Ok(None),
            Err(error) => Err(error),
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
    Id::parse(&entry.id).map_err(damaged)
}

fn damaged(error: impl std::fmt::Display) -> Failure {
    Failure::of(format!("the own log is damaged: {error}"))
}

fn object_url(remote: &Remote, id: &Id, version: Option<Timestamp>) -> Result<Url, FetchError> {
    let mut url = remote
        .collection
        .join(&format!("objects/{id}/"))
        .map_err(|_| FetchError::Address("the collection is no URL".into()))?;
    if let Some(version) = version {
        url.query_pairs_mut()
            .append_pair("match[version]", &version.to_string());
    }
    Ok(url)
}
