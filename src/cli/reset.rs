//! `winscard reset`: a card's warm or cold reset.

use std::io::{self, Write};

use super::failure::{Failure, Outcome};
use super::json::Value;
use super::options::{Arguments, Word};
use super::pcsc::{Context, choose};
use super::style::Style;
use super::{atr, hex};
use crate::api::constants as c;
use crate::trace::args::protocol_words;

pub(super) fn main(arguments: Arguments) -> Outcome {
    let (mut wish, mut kind, mut as_json) = (None, None, false);
    let mut reader = arguments.reader();
    while let Some(word) = reader.next()? {
        let Word::Option(name) = &word else {
            return Err(reader.unknown(&word));
        };
        match name.as_str() {
            "-r" | "--reader" => wish = Some(reader.text()?),
            "--cold" if kind.is_none_or(|kind| kind == c::SCARD_UNPOWER_CARD) => kind = Some(c::SCARD_UNPOWER_CARD),
            "--warm" if kind.is_none_or(|kind| kind == c::SCARD_RESET_CARD) => kind = Some(c::SCARD_RESET_CARD),
            "--cold" | "--warm" => return Err(reader.misuse("a reset is cold or warm, not both")),
            "--json" => as_json = true,
            _ => return Err(reader.unknown(&word)),
        }
    }
    let kind = kind.unwrap_or(c::SCARD_RESET_CARD);
    let words = if kind == c::SCARD_RESET_CARD { "warm" } else { "cold" };
    let context = Context::establish().map_err(|error| Failure::pcsc("no context", error))?;
    let names = context
        .readers()
        .map_err(|error| Failure::pcsc("no list of readers", error))?;
    let name = choose(&names, wish.as_deref())?;
    let mut card = context
        .connect(&name, c::SCARD_SHARE_SHARED, c::SCARD_PROTOCOL_ANY)
        .map_err(|error| Failure::pcsc(&name, error))?;
    card.reconnect(c::SCARD_PROTOCOL_ANY, kind)
        .map_err(|error| Failure::pcsc(format!("{name}: {words} reset"), error))?;
    let bytes = card.atr().map_err(|error| Failure::pcsc(&name, error))?;
    let protocol = protocol_words(card.protocol());
    let mut out = io::stdout().lock();
    if as_json {
        let object = Value::object([
            ("reader", name.into()),
            ("reset", words.into()),
            ("atr", hex::plain(&bytes).into()),
            ("protocol", protocol.into()),
        ]);
        writeln!(out, "{object}")?;
        return Ok(0);
    }
    let style = Style::stdout();
    writeln!(out, "{}: {words} reset, {protocol}", style.name(&name))?;
    writeln!(out, "  {}", style.bold(hex::spaced(&bytes, None)))?;
    for (heading, text) in atr::explain(&bytes).iter().filter(|(heading, _)| *heading == "problem") {
        writeln!(out, "  {heading}: {}", style.bad(text))?;
    }
    Ok(0)
}
