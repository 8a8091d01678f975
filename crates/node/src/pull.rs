//! The way in: when to ask which partner for which log.
//!
//! What is asked and how it is verified is `sync`'s; this file decides *when*. Each (partner,
//! channel) log has a task of its own, and each partner one listener for its wake-ups, so a
//! partner that stalls holds up nothing but its own tasks. Without a wake-up a log is pulled every
//! `limits.poll_secs` or so; after a failure the pause doubles up to five minutes. Pauses are
//! spread at random so that partners that lost a link together do not return together.
//!
//! When the accords change, all tasks end and new ones follow the new state; what a pull has
//! stored by then stays, and the next goes on from there.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use policy::{Member, SignedAccord};
use store::LogName;
use sync::https::Peer;
use sync::{FetchError, Progress, PullError, View};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::accords::Channel;
use crate::admin::types::{PullReport, PullRequest, PullResult};
use crate::error::NodeError;
use crate::keys::random;
use crate::limits::{NOTICES_ASK_SECS_MIN, PULL_SECS_MAX, RETRY_SECS_MAX, RETRY_SECS_MIN};
use crate::node::{Node, stopped};

/// One partner as one accord names it, with the logs to pull from it.
struct Partner {
    member: Member,
    accords: Vec<Arc<SignedAccord>>,
    channels: Vec<Channel>,
}

/// Lets one pull of a log run at a time, whoever asks.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<LogName, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    pub(crate) fn of(&self, log: &LogName) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(log.clone()).or_default())
    }
}

/// Follows all partners until shutdown.
pub(crate) async fn follow(node: Arc<Node>) {
    let mut accords = node.accords_changed();
    let mut shutdown = node.shutdown();
    loop {
        accords.mark_unchanged();
        // Dropping the set ends every task in it.
        let mut tasks = JoinSet::new();
        for partner in partners(&node) {
            start(&node, partner, &mut tasks);
        }
        tokio::select! {
            () = stopped(&mut shutdown) => return,
            changed = accords.changed() => if changed.is_err() { return },
        }
    }
}

/// Pulls now what the request names and says how each went.
pub(crate) async fn now(node: &Arc<Node>, request: &PullRequest) -> Result<PullReport, NodeError> {
    let mut tasks = JoinSet::new();
    let mut named = request.peer.is_none();
    for partner in partners(node) {
        if request
            .peer
            .as_ref()
            .is_some_and(|code| *code != partner.member.code)
        {
            continue;
        }
        named = true;
        let peer = connect(node, &partner.member)?;
        for channel in partner.channels {
            if request
                .channel
                .as_ref()
                .is_some_and(|name| *name != channel.full_name())
            {
                continue;
            }
            let (node, peer, code) = (Arc::clone(node), peer.clone(), partner.member.code.clone());
            tasks.spawn(async move {
                let name = channel.full_name();
                let held = once(&node, &peer, &channel, &code).await;
                let (from, to, error) = match held {
                    Ok((from, to)) => (from, to, None),
                    Err(error) => (0, 0, Some(error.to_string())),
                };
                PullResult {
                    peer: code,
                    channel: name,
                    from,
                    to,
                    error,
                }
            });
        }
    }
    if !named {
        return Err(NodeError::Unknown {
            what: format!("partner {}", request.peer.as_deref().unwrap_or_default()),
        });
    }
    let mut logs = tasks.join_all().await;
    logs.sort_by(|a, b| (&a.peer, &a.channel).cmp(&(&b.peer, &b.channel)));
    Ok(PullReport { logs })
}

/// Every other member of the accords that count here, with the channels shared with it.
fn partners(node: &Node) -> Vec<Partner> {
    let own = &node.config().code;
    let accords = node.accords();
    let mut partners: BTreeMap<(String, String, [u8; 32]), Partner> = BTreeMap::new();
    for signed in accords.all() {
        for member in signed
            .accord()
            .members
            .iter()
            .filter(|member| member.code != *own)
        {
            let key = (member.code.clone(), member.url.clone(), member.tls);
            let partner = partners.entry(key).or_insert_with(|| Partner {
                member: member.clone(),
                accords: Vec::new(),
                channels: Vec::new(),
            });
            partner.accords.push(Arc::clone(signed));
        }
    }
    for channel in accords.channels(own) {
        let Some(in_force) = channel.in_force() else {
            continue;
        };
        for code in in_force.members.iter().filter(|code| *code != own) {
            let Some(member) = channel.accord.accord().member(code) else {
                continue;
            };
            if let Some(partner) =
                partners.get_mut(&(member.code.clone(), member.url.clone(), member.tls))
            {
                partner.channels.push(channel.clone());
            }
        }
    }
    partners.into_values().collect()
}

fn connect(node: &Node, member: &Member) -> Result<Peer, NodeError> {
    Peer::new(node.keys().tls(), &member.url, member.tls).map_err(|error| NodeError::Config {
        place: "the node's TLS key".into(),
        why: error.to_string(),
    })
}

fn start(node: &Arc<Node>, partner: Partner, tasks: &mut JoinSet<()>) {
    let peer = match connect(node, &partner.member) {
        Ok(peer) => peer,
        Err(error) => {
            return tracing::error!(%error, peer = partner.member.code, "the partner cannot be followed");
        }
    };
    let mut bells = HashMap::new();
    for channel in partner.channels {
        let bell = Arc::new(Notify::new());
        let log = channel.log(&partner.member.code);
        bells.insert((log.accord.clone(), log.channel.clone()), Arc::clone(&bell));
        tasks.spawn(keep_pulling(
            Arc::clone(node),
            peer.clone(),
            channel,
            partner.member.code.clone(),
            bell,
        ));
    }
    tasks.spawn(ask_for_notices(
        Arc::clone(node),
        peer.clone(),
        partner.member.code.clone(),
    ));
    tasks.spawn(listen(
        Arc::clone(node),
        peer,
        partner.member.code,
        partner.accords,
        bells,
    ));
}

/// Pulls one log for as long as the task lives.
async fn keep_pulling(
    node: Arc<Node>,
    peer: Peer,
    channel: Channel,
    code: String,
    bell: Arc<Notify>,
) {
    let log = channel.log(&code);
    let mut failures = 0_u32;
    loop {
        let limit = Duration::from_secs(PULL_SECS_MAX);
        let pulled = match tokio::time::timeout(limit, once(&node, &peer, &channel, &code)).await {
            Ok(pulled) => pulled,
            // What it has stored stays, so going on is no failure.
            Err(_) => continue,
        };
        let pause = match pulled {
            Ok(_) => {
                failures = 0;
                spread(Duration::from_secs(node.config().limits.poll_secs))
            }
            Err(error) => {
                failures += 1;
                tracing::debug!(%log, %error, failures, "pull failed");
                // A refused log stays refused until the operator acts: ask rarely, stay quiet.
                let refused = matches!(
                    error,
                    PullError::Refused { .. } | PullError::Contradiction { .. }
                );
                let pause = if refused {
                    Duration::from_secs(RETRY_SECS_MAX)
                } else {
                    backoff(failures)
                };
                let at_least = Duration::from_secs(RETRY_SECS_MIN).min(pause);
                // Not even a partner that rings all the time makes a failing pull run hot.
                tokio::time::sleep(at_least).await;
                pause - at_least
            }
        };
        tokio::select! {
            () = bell.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Hears one partner's wake-ups, and on each connection compares ratifications.
async fn listen(
    node: Arc<Node>,
    peer: Peer,
    code: String,
    accords: Vec<Arc<SignedAccord>>,
    bells: HashMap<(String, String), Arc<Notify>>,
) {
    let mut failures = 0_u32;
    loop {
        compare(&node, &peer, &code, &accords).await;
        match peer.events().await {
            Ok(mut events) => {
                node.peers().listening(&code, true);
                failures = 0;
                while let Some(wake) = heard(events.next().await, &code) {
                    if let Some(bell) = bells.get(&(wake.accord, wake.channel)) {
                        bell.notify_one();
                    }
                }
            }
            Err(error) => tracing::debug!(peer = code, %error, "wake-ups cannot be heard"),
        }
        node.peers().listening(&code, false);
        failures += 1;
        tokio::time::sleep(backoff(failures)).await;
    }
}

/// Asks one partner for notices for as long as the task lives.
async fn ask_for_notices(node: Arc<Node>, peer: Peer, code: String) {
    loop {
        node.ask_for_notices(&peer, &code).await;
        let pause = node.config().limits.poll_secs.max(NOTICES_ASK_SECS_MIN);
        tokio::time::sleep(spread(Duration::from_secs(pause))).await;
    }
}

fn heard(
    event: Result<Option<sync::events::Wake>, FetchError>,
    code: &str,
) -> Option<sync::events::Wake> {
    event.unwrap_or_else(|error| {
        tracing::debug!(peer = code, %error, "the wake-ups ended");
        None
    })
}

/// Asks the partner for its copy of accords that somebody has not ratified yet.
async fn compare(node: &Node, peer: &Peer, code: &str, accords: &[Arc<SignedAccord>]) {
    for signed in accords {
        if signed.ratified().len() == signed.accord().members.len() {
            continue;
        }
        let Ok(note) = peer.accord(&signed.accord().name).await else {
            continue;
        };
        if let Err(error) = node.merge_ratifications(&note, code).await {
            tracing::warn!(peer = code, %error, "ratifications could not be kept");
        }
    }
}

/// One pull of one log; answers with the sizes before and after.
async fn once(
    node: &Arc<Node>,
    peer: &Peer,
    channel: &Channel,
    code: &str,
) -> Result<(u64, u64), PullError> {
    let log = channel.log(code);
    let turn = node.pull_turns().of(&log);
    let _turn = turn.lock().await;
    let pulled = tokio::select! {
        pulled = pull(node, peer, channel, code) => pulled,
        // Not one more chunk than was verified by then.
        () = apart(node, channel, code) => Err(PullError::NotInForce { log: log.clone() }),
    };
    node.metrics().pulled(pulled.is_ok());
    match &pulled {
        Ok(_) => node.peers().succeeded(&log, node.now()),
        Err(error) => {
            if node.peers().failed(&log, node.now(), error.to_string()) == 1 {
                tracing::warn!(%log, %error, "pull failed; it will be tried again");
            }
        }
    }
    pulled
}

/// Ends when the channel is no longer in force between this member and `code`.
async fn apart(node: &Node, channel: &Channel, code: &str) {
    let mut changed = node.accords_changed();
    loop {
        let now = node.channel(&channel.full_name());
        let together = now.is_some_and(|now| {
            now.in_force()
                .is_some_and(|in_force| in_force.members.contains(code))
        });
        if !together || changed.changed().await.is_err() {
            return;
        }
    }
}

async fn pull(
    node: &Arc<Node>,
    peer: &Peer,
    channel: &Channel,
    code: &str,
) -> Result<(u64, u64), PullError> {
    let view = View::new(
        Arc::clone(&channel.accord),
        &channel.name,
        code,
        node.keys().cosigners(),
    )?;
    let source = peer.log(&channel.accord.accord().name, &channel.name);
    let clock = node.clock().clone();
    let clock: sync::Clock = Arc::new(move || clock.now());
    // The report is kept when the pull ends early, too.
    let mut progress = Progress::default();
    let pulled = sync::pull_into(&source, node.store(), &view, &clock, &mut progress).await;
    node.peers().spent(view.log(), &progress.spent);
    match pulled {
        Ok(()) => {
            if progress.to > progress.from || progress.refused_count > 0 {
                tracing::info!(
                    log = %view.log(),
                    from = progress.from,
                    to = progress.to,
                    shown = progress.shown,
                    refused = progress.refused_count,
                    conflicts = progress.conflicts,
                    missing = progress.missing.len(),
                    bytes = progress.bytes.bodies + progress.bytes.entries + progress.bytes.proofs,
                    "pulled"
                );
            }
            for (entry, reason) in &progress.refused {
                tracing::warn!(log = %view.log(), entry, reason, "an entry's object is not shown");
            }
            Ok((progress.from, progress.to))
        }
        // A log begins with its first release; until then there is nothing to pull.
        Err(PullError::Fetch {
            path,
            error: FetchError::NotFound,
        }) if path == "checkpoint" => {
            let name = view.log().clone();
            let held = node
                .read(move |store| store.head(&name))
                .await?
                .map_or(0, |head| head.size);
            if held == 0 {
                return Ok((0, 0));
            }
            Err(PullError::Fetch {
                path,
                error: FetchError::NotFound,
            })
        }
        Err(error) => Err(error),
    }
}

/// The pause after so many failures in a row.
fn backoff(failures: u32) -> Duration {
    let secs = RETRY_SECS_MIN.saturating_mul(1 << failures.saturating_sub(1).min(16));
    spread(Duration::from_secs(secs.min(RETRY_SECS_MAX)))
}

/// Between three quarters and five quarters of a pause.
fn spread(pause: Duration) -> Duration {
    // Without randomness pauses are merely equal.
    let [part] = random::<1>().unwrap_or([128]);
    pause.mul_f64(0.75 + f64::from(part) / 510.0)
}
