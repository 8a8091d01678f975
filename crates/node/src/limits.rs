//! Every bound of the node, each with its reason.

/// LIMIT: bytes of `kurultai.toml`; a hundred times what a member of many channels writes.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// LIMIT: bytes of a key or certificate file; an ML-DSA seed or a PEM chain is a few kilobytes.
pub const KEY_FILE_BYTES_MAX: u64 = 64 << 10;

/// LIMIT: bytes of one `POST /objects` body as sent. Every ATT&CK release fits twenty times over.
pub const ADD_BODY_BYTES_MAX: usize = 256 << 20;

/// LIMIT: bytes of that body after decompression, so that a small file cannot fill the memory.
pub const ADD_PLAIN_BYTES_MAX: usize = 512 << 20;

/// LIMIT: bytes of any other admin request. The largest is an accord note.
pub const ADMIN_BODY_BYTES_MAX: usize = policy::NOTE_BYTES_MAX;

/// LIMIT: refusals or results listed in one answer; the rest is counted.
pub const ADMIN_ITEMS_MAX: usize = 10_000;

/// LIMIT: objects of one page of `GET /objects`, and the default.
pub const ADMIN_PAGE_MAX: usize = 1_000;

/// Objects of one page of `GET /objects` unless asked otherwise.
pub const ADMIN_PAGE_DEFAULT: usize = 100;

/// LIMIT: bodies that are unpacked and stored at one time; each may take `ADD_PLAIN_BYTES_MAX` of
/// memory.
pub const ADDS_AT_ONCE_MAX: usize = 1;

/// LIMIT: bytes of such bodies, as sent, that are being received or wait for their turn. One of the
/// largest and as much again in small ones; whoever does not fit is asked to come back.
pub const ADD_BYTES_HELD_MAX: usize = 2 * ADD_BODY_BYTES_MAX;

/// LIMIT: objects given to the store in one command; its group commit joins several.
pub const ADD_BATCH_OBJECTS: usize = 1_000;

/// LIMIT: objects that enter a channel in one command: their entries fill some entry bundles.
pub const RELEASE_BATCH_OBJECTS: usize = 1_024;

/// LIMIT: ids of earlier forms that the link of one original keeps.
pub const FORMER_FORMS_MAX: usize = 256;

/// LIMIT: ids, kinds or hashes that one selection may list.
pub const SELECTION_ITEMS_MAX: usize = 10_000;

/// LIMIT: rounds of following references when companions are collected: a marking and an identity
/// refer to identities and markings, never deeper in practice.
pub const COMPANION_ROUNDS_MAX: usize = 4;

/// LIMIT: ids in one audit record, so that the record stays below an entry's 4096 bytes.
pub const AUDIT_IDS_MAX: usize = 30;

/// LIMIT: bytes of free text (who, why) in one audit record, for the same reason.
pub const AUDIT_TEXT_BYTES_MAX: usize = 1_000;

/// LIMIT: rule ids in one audit record; a decision rests on a handful.
pub const AUDIT_RULES_MAX: usize = 8;

/// LIMIT: bytes of one rule's id in an audit record.
pub const AUDIT_RULE_BYTES_MAX: usize = 80;

/// LIMIT: bytes of one audit record: a log entry's own ceiling.
pub const AUDIT_RECORD_BYTES_MAX: usize = 4_096;

/// LIMIT: records of one page of `GET /audit`.
pub const AUDIT_PAGE_MAX: u64 = 1_024;

/// LIMIT: records that one search request looks at, some tens of milliseconds' worth; past that the
/// page says where to go on.
pub const AUDIT_SCAN_MAX: u64 = 65_536;

/// LIMIT: records of one page of an export, each with its proof: about two megabytes at most.
pub const AUDIT_EXPORT_PAGE_MAX: usize = 256;

/// LIMIT: problems that one check of the audit log lists; the rest is counted.
pub const AUDIT_FINDINGS_MAX: usize = 100;

/// LIMIT: bytes of a request to witness a checkpoint: the proof and the lines of both log keys are
/// seven kilobytes, and others' cosignatures may come with it.
pub const ADD_CHECKPOINT_BYTES_MAX: usize = 64 << 10;

/// LIMIT: checkpoints of one member that are remembered in a row: each is a durable write, which no
/// partner may cause without end.
pub const WITNESS_BURST_MAX: u64 = 16;

/// Seconds after which one more checkpoint of that member is remembered.
pub const WITNESS_REFILL_SECS: u64 = 20;

/// Seconds from the start to the first request to witness: partners that start together are up.
pub const WITNESS_FIRST_SECS: u64 = 5;

/// LIMIT: seconds that a partner gets to witness; a satellite link with a new connection needs four.
pub const WITNESS_SECS_MAX: u64 = 20;

/// LIMIT: the same before an export, for which a person waits.
pub const WITNESS_EXPORT_SECS_MAX: u64 = 5;

/// LIMIT: the same at shutdown, of the time that a service manager allows for it.
pub const WITNESS_LAST_SECS_MAX: u64 = 2;

/// LIMIT: connections of partners at one time. A partner needs two; fifty partners with restarts
/// under way stay below it.
pub const MEMBER_CONNECTIONS_MAX: usize = 256;

/// LIMIT: connections of one partner at one time, so that one cannot use up everybody's.
pub const MEMBER_CONNECTIONS_EACH_MAX: usize = 32;

/// LIMIT: TLS handshakes under way at one time; each holds a few kilobytes and a descriptor.
pub const HANDSHAKES_MAX: usize = 512;

/// LIMIT: handshakes under way from one address. A partner opens at most a few at once, but several
/// partners may share an address; and one address must not take all of them.
pub const HANDSHAKES_EACH_MAX: usize = 128;

/// LIMIT: connections of national tools and people at one time, each some 30 kB and a descriptor.
/// Further ones are answered 503 and closed.
pub const NATIONAL_CONNECTIONS_MAX: usize = 1_024;

/// LIMIT: of them, from one address (an IPv6 network of 64 bits counts as one): more than a SIEM
/// with all its workers opens, and an eighth of all. Trusted proxies are exempt.
pub const NATIONAL_CONNECTIONS_EACH_MAX: usize = 128;

/// LIMIT: requests of one address in hand at one time, until their answers are taken, also those
/// whose client has gone away. It counts where connections do not: many streams on one connection, many clients behind a proxy.
pub const NATIONAL_REQUESTS_EACH_MAX: usize = 256;

/// LIMIT: bytes of answers that national clients have not taken yet, all together: thirty-two pages
/// of the largest kind. Answers of up to `PACE_BYTES` are not counted.
pub const ANSWER_BYTES_HELD_MAX: usize = 512 << 20;

/// LIMIT: of them, of one address, and never more than is then left for all others, so that whoever
/// takes nothing leaves room for them (`serve/answers.rs`).
pub const ANSWER_BYTES_EACH_MAX: usize = 128 << 20;

/// LIMIT: answers that wait for room among those; each is in memory meanwhile.
pub const ANSWERS_WAITING_MAX: usize = 16;

/// LIMIT: seconds for which one waits.
pub const ANSWER_WAIT_SECS_MAX: u64 = 3;

/// LIMIT: clients that are being told that there is no place for them; further ones are not told.
pub const REFUSALS_AT_ONCE_MAX: usize = 64;

/// LIMIT: seconds for telling them.
pub const REFUSAL_SECS_MAX: u64 = 1;

/// LIMIT: addresses in an `X-Forwarded-For` chain that are looked at; one per proxy on the way.
pub const FORWARDED_MAX: usize = 16;

/// LIMIT: trusted proxies that the configuration may name.
pub const PROXIES_MAX: usize = 64;

/// Files and sockets that the process asks the system for: all connections, and the store's files.
pub const FILES_WANTED: u64 = 8_192;

/// LIMIT: connections of the operator at one time.
pub const ADMIN_CONNECTIONS_MAX: usize = 32;

/// LIMIT: seconds for a TLS handshake; a satellite link needs three.
pub const HANDSHAKE_SECS_MAX: u64 = 15;

/// LIMIT: bytes of one form of the console; the longest carries a passkey's answer.
pub const CONSOLE_BODY_BYTES_MAX: usize = 64 << 10;

/// LIMIT: HTTP/2 requests open at one time on one connection.
pub const STREAMS_MAX: u32 = 64;

/// LIMIT: HTTP/2 requests that a client has taken back and that wait to be dropped; past it the
/// connection ends (what floods of resets count on).
pub const RESETS_PENDING_MAX: usize = 64;

/// LIMIT: seconds for the headers of a request; for the first one of a connection, for everything
/// before them too. An HTTP/1 connection without a request is closed after as long.
pub const HEADER_SECS_MAX: u64 = 15;

/// LIMIT: seconds without a request after which an HTTP/2 connection is closed.
pub const CONNECTION_IDLE_SECS_MAX: u64 = 120;

/// LIMIT: seconds that a client may make the node wait for the next `PACE_BYTES` of a request's
/// body, or take nothing of all the answers of its connection: 1,100 bytes a second, what a link of 9600 bit/s carries.
pub const PACE_SECS_MAX: u64 = 60;

/// The bytes of that.
pub const PACE_BYTES: usize = 64 << 10;

/// Seconds between looks at whether a connection's client keeps the pace.
pub const TRAFFIC_LOOK_SECS: u64 = 5;

/// LIMIT: bytes of the request header buffer of one connection.
pub const HEADER_BYTES_MAX: usize = 32 << 10;

/// LIMIT: bytes of a cosignature request: one checkpoint's lines of two kinds.
pub const COSIGNATURES_BYTES_MAX: usize = 16 << 10;

/// LIMIT: signature lines of one cosignature request.
pub const COSIGNATURES_MAX: usize = 4;

/// Events kept for a listener that reads slowly; past that it is told to look at everything.
pub const EVENTS_KEPT: usize = 256;

/// Seconds between comment lines on an idle event stream, so that both ends notice a dead link.
pub const EVENTS_PING_SECS: u64 = 15;

/// Seconds of the first pause after a failure; doubles until `RETRY_SECS_MAX`.
pub const RETRY_SECS_MIN: u64 = 1;

/// LIMIT: seconds of the longest pause after failures: a partner that returns is heard within it.
pub const RETRY_SECS_MAX: u64 = 300;

/// LIMIT: seconds that one pull of one log may take before it is abandoned and taken up again
/// where it stood. A catch-up keeps what it has stored, so nothing is lost.
pub const PULL_SECS_MAX: u64 = 3_600;

/// LIMIT: seconds that open requests get to finish at shutdown.
pub const SHUTDOWN_SECS_MAX: u64 = 10;

/// Seconds between attempts to write while the store does not accept: space that returns is used
/// soon, and a full disk is not worn out.
pub const PROBE_SECS: u64 = 2;

/// Seconds between audit records of what partners have read.
pub const READS_FLUSH_SECS: u64 = 600;

/// Failures in a row after which a partner is an alarm: with the growing pauses, about a minute.
pub const FAILURES_ALARM: u32 = 6;

/// LIMIT: accords installed at one time; each costs one small file and its logs.
pub const ACCORDS_MAX: usize = 64;

/// LIMIT: bytes of all notices that a partner gives at one time: some ten thousand of usual length.
pub const NOTICES_BYTES_MAX: usize = 8 << 20;

/// LIMIT: notices in one request or answer. Of 128 members each has a few in its life.
pub const NOTICES_MAX: usize = 4_096;

/// LIMIT: bytes of notices that a partner hands in at one time; it hands in its own, one by one.
pub const NOTICES_POST_BYTES_MAX: usize = 64 << 10;

/// LIMIT: seconds that partners get to take a notice for which a person waits; who does not asks later.
pub const NOTICE_PUSH_SECS_MAX: u64 = 10;

/// Seconds between two questions to a partner for notices, at least: nothing urgent depends on it,
/// since whoever gives a notice also hands it to everybody.
pub const NOTICES_ASK_SECS_MIN: u64 = 60;

/// LIMIT: requests and answers of one member in one channel that are put into threads, the newest;
/// older ones stay objects like any other. With texts of 16 KiB that is 16 MB for a hostile member.
pub const REQUEST_POSTS_EACH_MAX: usize = 1_000;

/// LIMIT: notes that claim to be requests and count for nobody which are listed for a channel.
pub const REQUEST_STRAYS_MAX: usize = 100;

/// LIMIT: rules by which requests are routed; a nation has fewer desks.
pub const REQUEST_RULES_MAX: usize = 256;

/// LIMIT: words of each sort in one such rule.
pub const REQUEST_RULE_ITEMS_MAX: usize = 64;

/// LIMIT: bytes of the name of a desk, duty or person.
pub const REQUEST_ROUTE_BYTES_MAX: usize = 64;

const _: () = assert!(AUDIT_IDS_MAX * 110 < AUDIT_RECORD_BYTES_MAX);
const _: () = assert!(MEMBER_CONNECTIONS_EACH_MAX < MEMBER_CONNECTIONS_MAX);
const _: () = assert!(HANDSHAKES_EACH_MAX < HANDSHAKES_MAX);
const _: () = assert!(ADMIN_PAGE_DEFAULT <= ADMIN_PAGE_MAX);

/// LIMIT: objects that one container may hold, directly and through the containers in it, for its
/// label to be known; one with more is for nobody.
pub const CONTAINER_PARTS_MAX: usize = 50_000;

/// LIMIT: hours for which people can approve what was proposed.
pub const PROPOSAL_HOURS: u64 = 72;

/// Seconds between looks at what ends without an event: windows and proposals.
pub const TEND_SECS: u64 = 15;

/// LIMIT: bytes of a request that carries a whole policy set as JSON.
pub const POLICY_BODY_BYTES_MAX: usize = 16 << 20;

/// LIMIT: proposals that wait for approval at one time; past that, releases that need one are
/// refused until people have decided.
pub const PROPOSALS_OPEN_MAX: usize = 500;

/// LIMIT: proposals kept after they ended, for people to look at; the audit log has them all.
pub const PROPOSALS_ENDED_MAX: usize = 500;

/// LIMIT: readers and refused tries that are told apart between two writings of the audit log;
/// whoever tries paths at random must not fill the memory or the log.
pub const READERS_MAX: usize = 4_096;

/// LIMIT: characters of a refused try that its audit record keeps.
pub const DENIED_CHARS_MAX: usize = 60;

/// LIMIT: minutes for which what a person released counts into their next request, for rules about
/// bulk.
pub const BULK_MINUTES: u32 = 60;

/// LIMIT: requests of one person that are told apart for that.
pub const BULK_REQUESTS_MAX: usize = 1_000;
