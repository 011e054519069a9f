//! The format: one step a line. Every text is steps or an error with its line.

use std::time::Duration;

use winscard::api::types::DWORD;
use winscard::sim::Counters;

use crate::card_bench::*;

/// Line and message.
pub(crate) type Wrong = (usize, String);

/// What a call is to give.
pub(crate) type Expected<T> = Outcome<T>;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Reader(String),
    Connect(String, usize, DWORD, Expected<DWORD>),
    Reconnect(String, DWORD, Expected<DWORD>),
    Disconnect(String, DWORD, Expected<()>),
    Begin(String, Expected<()>),
    End(String, DWORD, Expected<()>),
    Send(String, Vec<u8>, Expected<Vec<u8>>),
    Control(String, DWORD, Vec<u8>, Expected<Vec<u8>>),
    Atr(String, Expected<Vec<u8>>),
    Fault(Injection),
    Insert(usize, String),
    Remove(usize),
    RemoveAfter(usize, Duration),
    Unplug,
    Wait(Duration),
    Wire(Vec<(String, u64)>),
    Took(u64, u64),
}

pub(crate) fn parse(text: &str) -> Result<Vec<(usize, Step)>, Wrong> {
    let mut steps = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let number = index + 1;
        let step = step(line).map_err(|what| (number, what))?;
        if steps.is_empty() != matches!(step, Step::Reader(_)) {
            return Err((number, "the reader comes first, and once".into()));
        }
        steps.push((number, step));
    }
    if steps.is_empty() {
        return Err((0, "no reader".into()));
    }
    Ok(steps)
}

fn step(line: &str) -> Result<Step, String> {
    let (call, expected) = match line.split_once("->") {
        Some((call, expected)) => (call.trim(), Some(expected.trim())),
        None => (line, None),
    };
    let words: Vec<&str> = call.split_whitespace().collect();
    let want = expected.ok_or_else(|| format!("\"{line}\": no \"->\" with what is expected"));
    let name = |name: &&str| (*name).to_owned();
    Ok(match words.as_slice() {
        ["reader"] => Step::Reader(String::new()),
        ["reader", options] => Step::Reader(name(options)),
        ["connect", card, place, share] => Step::Connect(
            name(card),
            slot(place)?,
            share_mode(share)?,
            outcome_of(want?, protocol)?,
        ),
        ["reconnect", card, how] => Step::Reconnect(name(card), disposition(how)?, outcome_of(want?, protocol)?),
        ["disconnect", card, how] => Step::Disconnect(name(card), disposition(how)?, outcome_of(want?, ok)?),
        ["begin", card] => Step::Begin(name(card), outcome_of(want?, ok)?),
        ["end", card, how] => Step::End(name(card), disposition(how)?, outcome_of(want?, ok)?),
        ["send", card, data @ ..] => Step::Send(name(card), bytes(data)?, outcome_of(want?, answer)?),
        ["control", card, code, data @ ..] => {
            let code = DWORD::from_str_radix(code, 16).map_err(|error| format!("{code}: {error}"))?;
            Step::Control(name(card), code, bytes(data)?, outcome_of(want?, answer)?)
        }
        ["atr", card] => Step::Atr(name(card), outcome_of(want?, answer)?),
        ["fault", fault] => {
            let injection = Injection::parse(fault).ok_or_else(|| format!("\"{fault}\" is no fault"))?;
            Step::Fault(injection)
        }
        ["insert", place, card] => Step::Insert(slot(place)?, name(card)),
        ["remove", place] => Step::Remove(slot(place)?),
        ["remove-after", place, after] => Step::RemoveAfter(slot(place)?, time(after)?),
        ["unplug"] => Step::Unplug,
        ["wait", how_long] => Step::Wait(time(how_long)?),
        ["wire", counters @ ..] => Step::Wire(counters.iter().map(|word| counter(word)).collect::<Result<_, _>>()?),
        ["took", range] => took(range)?,
        _ => return Err(format!("\"{line}\" is no step")),
    })
}

fn outcome_of<T>(text: &str, value: impl Fn(&str) -> Result<T, String>) -> Result<Expected<T>, String> {
    match Error::ALL.iter().find(|error| format!("{error:?}") == text) {
        Some(error) => Ok(Err(*error)),
        None => value(text).map(Ok),
    }
}

fn ok(text: &str) -> Result<(), String> {
    if text == "ok" {
        Ok(())
    } else {
        Err(format!("\"{text}\" is neither ok nor an error"))
    }
}

fn protocol(text: &str) -> Result<DWORD, String> {
    match text {
        "t0" => Ok(T0),
        "t1" => Ok(T1),
        "none" => Ok(0),
        _ => Err(format!("\"{text}\" is neither a protocol nor an error")),
    }
}

fn answer(text: &str) -> Result<Vec<u8>, String> {
    bytes(&text.split_whitespace().collect::<Vec<_>>())
}

fn share_mode(text: &str) -> Result<DWORD, String> {
    match text {
        "shared" => Ok(SHARED),
        "exclusive" => Ok(EXCLUSIVE),
        "direct" => Ok(DIRECT),
        _ => Err(format!("\"{text}\" is no share mode")),
    }
}

fn disposition(text: &str) -> Result<DWORD, String> {
    match text {
        "leave" => Ok(LEAVE),
        "reset" => Ok(RESET),
        "unpower" => Ok(UNPOWER),
        _ => Err(format!("\"{text}\" is nothing to do with a card")),
    }
}

fn slot(text: &str) -> Result<usize, String> {
    text.parse().map_err(|error| format!("\"{text}\" is no slot: {error}"))
}

fn time(text: &str) -> Result<Duration, String> {
    let (digits, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(digits), _) => (digits, 1),
        (None, Some(digits)) => (digits, 1000),
        (None, None) => return Err(format!("\"{text}\" is no time")),
    };
    let count: u32 = digits
        .parse()
        .map_err(|error| format!("\"{text}\" is no time: {error}"))?;
    Ok(Duration::from_millis(u64::from(count) * unit))
}

fn took(text: &str) -> Result<Step, String> {
    let wrong = || format!("\"{text}\" is not LEAST..MOST");
    let (least, most) = text.split_once("..").ok_or_else(wrong)?;
    match (least.parse(), most.parse()) {
        (Ok(least), Ok(most)) => Ok(Step::Took(least, most)),
        _ => Err(wrong()),
    }
}

fn counter(text: &str) -> Result<(String, u64), String> {
    let (name, count) = text
        .split_once('=')
        .ok_or_else(|| format!("\"{text}\" is not COUNTER=N"))?;
    value(&Counters::default(), name).ok_or_else(|| format!("\"{name}\" is no counter"))?;
    let count = count.parse().map_err(|error| format!("\"{text}\": {error}"))?;
    Ok((name.into(), count))
}

/// The counter of this name.
pub(crate) fn value(counters: &Counters, name: &str) -> Option<u64> {
    Some(match name {
        "cold_power_ons" => counters.cold_power_ons,
        "warm_resets" => counters.warm_resets,
        "power_offs" => counters.power_offs,
        "xfr_blocks" => counters.xfr_blocks,
        "set_parameters" => counters.set_parameters,
        "secures" => counters.secures,
        "aborts" => counters.aborts,
        "control_aborts" => counters.control_aborts,
        "clear_halts" => counters.clear_halts,
        "bus_resets" => counters.bus_resets,
        _ => return None,
    })
}

/// `00A4`, `00..FF`, `55*300`, `-`.
fn bytes(words: &[&str]) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    for word in words.iter().filter(|word| **word != "-") {
        let wrong = || format!("\"{word}\" is no bytes");
        if let Some((first, last)) = word.split_once("..") {
            match (hex(first).as_deref(), hex(last).as_deref()) {
                (Some(&[first]), Some(&[last])) if first <= last => all.extend(first..=last),
                _ => return Err(wrong()),
            }
        } else if let Some((byte, count)) = word.split_once('*') {
            let count: u16 = count.parse().map_err(|_| wrong())?;
            let Some(&[byte]) = hex(byte).as_deref() else {
                return Err(wrong());
            };
            all.resize(all.len() + usize::from(count), byte);
        } else {
            all.extend(hex(word).ok_or_else(wrong)?);
        }
    }
    Ok(all)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) || text.len() % 2 != 0 || text.is_empty() {
        return None;
    }
    let at = (0..text.len()).step_by(2);
    at.map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}
