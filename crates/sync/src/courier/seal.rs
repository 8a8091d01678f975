//! Encryption of courier files with [age](https://age-encryption.org/v1), for X25519 recipients.
//!
//! A sealed file can be read by its recipients with this program or with `age -d`. It is read in
//! place: nothing of it is ever written to disk in the clear.

use std::fmt;
use std::io::{self, Read, SeekFrom, Write};
use std::str::FromStr;

use age::secrecy::ExposeSecret as _;
use age::x25519;

use super::Medium;

/// How every sealed file begins.
const MAGIC: &[u8] = b"age-encryption.org/v1\n";

/// Bytes that sealing adds at most: the header with so many recipients, and a tag for each 64 KiB.
pub fn overhead(recipients: usize, plain: u64) -> u64 {
    256 + 160 * recipients as u64 + (plain / (64 << 10) + 1) * 16
}

/// The public half of a member's courier key: `age1…`.
#[derive(Clone)]
pub struct Recipient(x25519::Recipient);

/// A member's courier key.
pub struct Identity(x25519::Identity);

impl Identity {
    /// A new key.
    pub fn generate() -> Identity {
        Identity(x25519::Identity::generate())
    }

    /// Reads `AGE-SECRET-KEY-1…`; `None` for any other text.
    pub fn parse(text: &str) -> Option<Identity> {
        x25519::Identity::from_str(text.trim()).ok().map(Identity)
    }

    /// The form that [`Identity::parse`] reads.
    pub fn to_secret_text(&self) -> String {
        self.0.to_string().expose_secret().to_owned()
    }

    /// The public half.
    pub fn recipient(&self) -> Recipient {
        Recipient(self.0.to_public())
    }
}

impl Recipient {
    /// Reads `age1…`; `None` for any other text.
    pub fn parse(text: &str) -> Option<Recipient> {
        x25519::Recipient::from_str(text).ok().map(Recipient)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Seals what `write` writes to `out`.
///
/// # Errors
/// What `out` or `write` said, or when there is no recipient.
pub fn seal<W: Write>(
    recipients: &[Recipient],
    out: W,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<W> {
    let recipients = recipients.iter().map(|one| &one.0 as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(recipients).map_err(io::Error::other)?;
    let mut sealed = encryptor.wrap_output(out)?;
    write(&mut sealed)?;
    sealed.finish()
}

/// Why a sealed file was not opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum SealError {
    /// It is sealed and this node has no courier key.
    NoKey,
    /// It is sealed for others.
    NotForUs,
    /// It is damaged where it begins, or not sealed as this program knows it.
    Damaged,
    /// The medium failed.
    Io(io::Error),
}

/// What reads the file, decrypting it with `identity` if it is sealed; also whether it is.
///
/// # Errors
/// [`SealError`]
pub fn open(
    mut file: impl Medium + 'static,
    identity: Option<&Identity>,
) -> Result<(Box<dyn Medium>, bool), SealError> {
    let mut front = Vec::with_capacity(MAGIC.len());
    let most = MAGIC.len() as u64;
    (&mut file)
        .take(most)
        .read_to_end(&mut front)
        .map_err(SealError::Io)?;
    file.seek(SeekFrom::Start(0)).map_err(SealError::Io)?;
    if front != MAGIC {
        return Ok((Box::new(file), false));
    }
    let identity = identity.ok_or(SealError::NoKey)?;
    let decryptor = age::Decryptor::new_buffered(io::BufReader::new(file));
    let decryptor = decryptor.map_err(|error| match error {
        age::DecryptError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            SealError::Io(error)
        }
        _ => SealError::Damaged,
    })?;
    let opened = decryptor.decrypt(std::iter::once(&identity.0 as &dyn age::Identity));
    match opened {
        Ok(opened) => Ok((Box::new(opened), true)),
        Err(age::DecryptError::NoMatchingKeys) => Err(SealError::NotForUs),
        Err(_) => Err(SealError::Damaged),
    }
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SealError::NoKey => f.write_str(
                "the file is sealed and this node has no courier key; make one with `kurultai \
                 courier key`, give it to the sender and ask for another file",
            ),
            SealError::NotForUs => f.write_str(
                "the file is sealed for other members, or for a courier key that this node no \
                 longer has; give the sender the present one (`kurultai courier key`)",
            ),
            SealError::Damaged => {
                f.write_str("the sealed file is damaged where it begins; ask for another copy")
            }
            SealError::Io(error) => write!(f, "the file cannot be read ({error})"),
        }
    }
}

impl std::error::Error for SealError {}
