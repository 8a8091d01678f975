//! Content codings (RFC 9110 sections 8.4 and 12.5.3): gzip and zstd, each way.
//!
//! What comes in is decompressed as it arrives, into a writer that knows its bounds, so a small
//! body that would become a large one ends where the bound is (`upload` has it). What goes out is
//! compressed once: pages that will not change are kept, up to a number of bytes.

use std::io::{self, Write};

use axum::http::{HeaderMap, HeaderName, header};
use flate2::write::{GzDecoder, GzEncoder};
use zstd::stream::raw::{DParameter, Decoder};
use zstd::stream::zio;

use super::fault::Fault;
use super::limits::{GZIP_MEMBERS_MAX, ZSTD_WINDOW_LOG_MAX};

/// The level of zstd: its own default, some 300 MB/s.
const ZSTD_LEVEL: i32 = 3;

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Coding {
    /// Not at all.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Coding {
    /// Its name in headers; none for the plain form.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Coding::Identity => None,
            Coding::Gzip => Some("gzip"),
            Coding::Zstd => Some("zstd"),
        }
    }

    fn parse(text: &str) -> Option<Coding> {
        let all = [
            ("", Coding::Identity),
            ("identity", Coding::Identity),
            ("gzip", Coding::Gzip),
            // RFC 9110 section 8.4.1.3: the old name means the same.
            ("x-gzip", Coding::Gzip),
            ("zstd", Coding::Zstd),
        ];
        let named = |(name, _): &&(&str, Coding)| name.eq_ignore_ascii_case(text);
        all.iter().find(named).map(|(_, coding)| *coding)
    }

    /// How a request's body is packed: in one way at most.
    pub(super) fn sent(headers: &HeaderMap) -> Result<Coding, Fault> {
        let mut packed = Coding::Identity;
        for name in listed(headers, header::CONTENT_ENCODING) {
            let coding = Coding::parse(name).ok_or_else(Fault::content_encoding)?;
            if coding == Coding::Identity {
                continue;
            }
            if packed != Coding::Identity {
                return Err(Fault::content_encoding());
            }
            packed = coding;
        }
        Ok(packed)
    }

    /// How a client likes its answers best. Of equals zstd is taken: it costs less. The plain form
    /// is always possible; who excludes it and names nothing else that is known gets it all the
    /// same, as RFC 9110 section 12.5.3 advises.
    pub(super) fn wanted(headers: &HeaderMap) -> Coding {
        let (mut gzip, mut zstd, mut identity, mut rest) = (None, None, None, None);
        for entry in listed(headers, header::ACCEPT_ENCODING) {
            let mut parts = entry.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let quality = parts
                .filter_map(|part| part.split_once('='))
                .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
                .map_or(1.0, |(_, value)| value.trim().parse().unwrap_or(1.0f32));
            match (name, Coding::parse(name)) {
                ("", _) => {}
                ("*", _) => rest = Some(quality),
                (_, Some(Coding::Gzip)) => gzip = Some(quality),
                (_, Some(Coding::Zstd)) => zstd = Some(quality),
                (_, Some(Coding::Identity)) => identity = Some(quality),
                (_, None) => {}
            }
        }
        let of = |named: Option<f32>| named.or(rest).unwrap_or(0.0);
        let (gzip, zstd) = (of(gzip), of(zstd));
        // Who does not mention the plain form takes it, but would rather have what was named.
        let identity = identity.unwrap_or(0.0);
        match (gzip > 0.0, zstd > 0.0) {
            (_, true) if zstd >= gzip && zstd >= identity => Coding::Zstd,
            (true, _) if gzip >= identity => Coding::Gzip,
            _ => Coding::Identity,
        }
    }

    /// The packed form of a body.
    pub(super) fn pack(self, body: Vec<u8>) -> io::Result<Vec<u8>> {
        match self {
            Coding::Identity => Ok(body),
            Coding::Gzip => {
                let room = Vec::with_capacity(body.len() / 4);
                let mut packer = GzEncoder::new(room, flate2::Compression::default());
                packer.write_all(&body)?;
                packer.finish()
            }
            Coding::Zstd => zstd::bulk::compress(&body, ZSTD_LEVEL),
        }
    }
}

fn listed(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// Unpacks what is written to it into another writer.
pub(super) enum Unpacker<W: Write> {
    /// As it is.
    Identity(W),
    /// One gzip member or several.
    Gzip(Box<Members<W>>),
    /// zstd frames.
    Zstd(Box<zio::Writer<W, Decoder<'static>>>),
}

impl<W: Write> Unpacker<W> {
    /// Unpacks into `into`.
    pub(super) fn new(coding: Coding, into: W) -> io::Result<Unpacker<W>> {
        Ok(match coding {
            Coding::Identity => Unpacker::Identity(into),
            Coding::Gzip => Unpacker::Gzip(Box::new(Members::new(into))),
            Coding::Zstd => {
                let mut decoder = Decoder::new()?;
                decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
                Unpacker::Zstd(Box::new(zio::Writer::new(into, decoder)))
            }
        })
    }

    /// Takes a piece of the packed body.
    pub(super) fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Unpacker::Identity(into) => into.write_all(piece),
            Unpacker::Gzip(into) => into.write(piece),
            Unpacker::Zstd(into) => into.write_all(piece),
        }
    }

    /// The writer behind.
    pub(super) fn inner(&mut self) -> Option<&mut W> {
        match self {
            Unpacker::Identity(into) => Some(into),
            Unpacker::Gzip(into) => into.decoder.get_mut().0.as_mut(),
            Unpacker::Zstd(into) => Some(into.writer_mut()),
        }
    }

    /// Writes out what was held back; an error says that the packed body was not whole, or is the
    /// writer's.
    pub(super) fn end(&mut self) -> io::Result<()> {
        match self {
            Unpacker::Identity(_) => Ok(()),
            Unpacker::Gzip(into) => into.decoder.try_finish(),
            Unpacker::Zstd(into) => into.finish(),
        }
    }

    /// The writer behind, if the packed body was whole.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.end()?;
        match self {
            Unpacker::Identity(into) => Ok(into),
            Unpacker::Gzip(into) => {
                let into = into.decoder.finish()?.0;
                into.ok_or_else(|| io::ErrorKind::BrokenPipe.into())
            }
            Unpacker::Zstd(into) => Ok(into.into_inner().0),
        }
    }
}

/// The members of a gzip body (RFC 1952 section 2.2), counted: an empty one has twenty bytes and
/// costs a decoder of its own.
pub(super) struct Members<W: Write> {
    decoder: GzDecoder<Spare<W>>,
    begun: usize,
}

impl<W: Write> Members<W> {
    fn new(into: W) -> Members<W> {
        Members {
            decoder: GzDecoder::new(Spare(Some(into))),
            begun: 1,
        }
    }

    fn write(&mut self, mut piece: &[u8]) -> io::Result<()> {
        while !piece.is_empty() {
            match self.decoder.write(piece)? {
                // The member is whole, and another one begins here.
                0 => self.next()?,
                taken => piece = &piece[taken..],
            }
        }
        Ok(())
    }

    /// Ends a member and begins another that writes to the same place.
    fn next(&mut self) -> io::Result<()> {
        self.decoder.try_finish()?;
        if self.begun >= GZIP_MEMBERS_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.begun += 1;
        let into = self.decoder.get_mut().0.take();
        self.decoder = GzDecoder::new(Spare(into));
        Ok(())
    }
}

/// A writer that can be taken out of a decoder that is done.
pub(super) struct Spare<W>(Option<W>);

impl<W: Write> Write for Spare<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0
            .as_mut()
            .map_or(Ok(data.len()), |into| into.write(data))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.as_mut().map_or(Ok(()), Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_taken_up_to_a_number() {
        let member = Coding::Gzip.pack(b"a".to_vec()).unwrap();
        let unpack = |members: usize, step: usize| {
            let mut unpacker = Unpacker::new(Coding::Gzip, Vec::new()).unwrap();
            for piece in member.repeat(members).chunks(step) {
                unpacker.write(piece)?;
            }
            unpacker.finish()
        };
        for step in [1, 7, 1 << 20] {
            assert_eq!(unpack(3, step).unwrap(), b"aaa");
        }
        assert_eq!(
            unpack(GZIP_MEMBERS_MAX, 4096).unwrap().len(),
            GZIP_MEMBERS_MAX
        );
        assert!(unpack(GZIP_MEMBERS_MAX + 1, 4096).is_err());
    }

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn what_clients_accept_is_weighed() {
        use Coding::{Gzip, Identity, Zstd};
        let wanted = |values: &[&str]| Coding::wanted(&headers(header::ACCEPT_ENCODING, values));
        for (values, coding) in [
            (&[][..], Identity),
            (&[""], Identity),
            (&["identity"], Identity),
            (&["gzip"], Gzip),
            (&["GZIP"], Gzip),
            (&["x-gzip"], Gzip),
            (&["gzip, deflate, br, zstd"], Zstd),
            (&["gzip, deflate"], Gzip),
            (&["gzip", "zstd;q=0.9"], Gzip),
            (&["gzip;q=0, *"], Zstd),
            (&["*"], Zstd),
            (&["*;q=0"], Identity),
            (&["zstd;q=0, *"], Gzip),
            (&["gzip;q=0.5, identity"], Identity),
            (&["gzip;q=0.5, identity;q=0.5"], Gzip),
            (&["br;q=1.0, gzip;q = 0.8"], Gzip),
            (&["identity;q=0"], Identity),
            (&["gzip;q=0.000"], Identity),
            (&["gzip;q=nonsense"], Gzip),
        ] {
            assert_eq!(wanted(values), coding, "{values:?}");
        }
    }

    #[test]
    fn bodies_are_packed_in_one_known_way_at_most() {
        let sent = |values: &[&str]| Coding::sent(&headers(header::CONTENT_ENCODING, values)).ok();
        assert_eq!(sent(&[]), Some(Coding::Identity));
        assert_eq!(sent(&["identity, gzip"]), Some(Coding::Gzip));
        assert_eq!(sent(&["Zstd"]), Some(Coding::Zstd));
        for bad in [&["br"][..], &["gzip, gzip"], &["gzip", "zstd"], &["gz ip"]] {
            assert_eq!(sent(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_is_packed_is_unpacked_and_what_is_cut_short_is_noticed() {
        let body: Vec<u8> = (0..200_000u32)
            .flat_map(|n| (n / 7).to_le_bytes())
            .collect();
        for coding in [Coding::Identity, Coding::Gzip, Coding::Zstd] {
            let packed = coding.pack(body.clone()).unwrap();
            let mut unpacker = Unpacker::new(coding, Vec::new()).unwrap();
            for piece in packed.chunks(1000) {
                unpacker.write(piece).unwrap();
            }
            assert!(unpacker.finish().unwrap() == body, "{coding:?}");
            if coding == Coding::Identity {
                continue;
            }
            for cut in [0, 1, 12, packed.len() / 2, packed.len() - 1] {
                let mut unpacker = Unpacker::new(coding, Vec::new()).unwrap();
                let done = unpacker
                    .write(&packed[..cut])
                    .and_then(|()| unpacker.finish().map(drop));
                assert!(done.is_err(), "{coding:?} cut at {cut}");
            }
            let mut unpacker = Unpacker::new(coding, Vec::new()).unwrap();
            assert!(unpacker.write(b"this is not packed at all").is_err());
        }
    }
}
