//! Playing steps over software readers that only this scenario has.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use winscard::sim::{self, Counters};

use crate::card_bench::*;
use crate::parse::{Expected, Step, Wrong, value};

struct Stage {
    readers: Vec<Reader>,
    names: Vec<String>,
    context: Context,
    cards: BTreeMap<String, Card>,
    counted: Vec<Counters>,
    took: Duration,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.cards.clear();
        for reader in &self.readers {
            reader.unplug();
        }
    }
}

/// Plays the steps; the first that goes otherwise than written ends it.
pub(crate) fn play(steps: &[(usize, Step)]) -> Result<(), Wrong> {
    // One at a time: a scenario's readers are those that were not there before.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(((line, Step::Reader(words)), rest)) = steps.split_first() else {
        return Err((0, "no reader".into()));
    };
    let mut stage = Stage::set(words).map_err(|what| (*line, what))?;
    for (line, step) in rest {
        let started = Instant::now();
        stage.step(step).map_err(|what| (*line, what))?;
        if !matches!(step, Step::Took(..)) {
            stage.took = started.elapsed();
        }
    }
    Ok(())
}

impl Stage {
    fn set(words: &str) -> Result<Self, String> {
        let context = Context::new();
        let before = context.readers();
        let readers = sim::plug_as(words)?;
        let names = context
            .readers()
            .into_iter()
            .filter(|name| !before.contains(name))
            .collect();
        Ok(Self {
            counted: readers.iter().map(Reader::counters).collect(),
            readers,
            names,
            context,
            cards: BTreeMap::new(),
            took: Duration::ZERO,
        })
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Reader(_) => Err("one reader is enough".into()),
            Step::Connect(name, slot, share, expected) => {
                let reader = self
                    .names
                    .get(*slot)
                    .ok_or_else(|| format!("there is no slot {slot}"))?;
                let protocols = if *share == DIRECT { 0 } else { ANY };
                let result = self.context.connect(reader, *share, protocols);
                let active = result.as_ref().map(|card| card.active).map_err(|error| *error);
                if let Ok(card) = result {
                    self.cards.insert(name.clone(), card);
                }
                compare_protocols(active, *expected)
            }
            Step::Reconnect(name, how, expected) => {
                compare_protocols(self.card(name)?.reconnect(SHARED, ANY, *how), *expected)
            }
            Step::Disconnect(name, how, expected) => {
                let card = self.cards.remove(name).ok_or_else(|| format!("no connection {name}"))?;
                compare(&card.keep().disconnect(*how), expected)
            }
            Step::Begin(name, expected) => compare(&self.card(name)?.begin(), expected),
            Step::End(name, how, expected) => compare(&self.card(name)?.end(*how), expected),
            Step::Send(name, command, expected) => compare_bytes(self.card(name)?.transmit(command), expected),
            Step::Control(name, code, input, expected) => {
                compare_bytes(self.card(name)?.control_into(*code, input, 300).0, expected)
            }
            Step::Atr(name, expected) => compare_bytes(self.card(name)?.attribute(SCARD_ATTR_ATR_STRING), expected),
            Step::Took(least, most) => {
                let time = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX);
                let right = (*least..=*most).contains(&time);
                right.then_some(()).ok_or_else(|| format!("it took {time} ms"))
            }
            Step::Wire(counters) => self.wire(counters),
            Step::Wait(time) => {
                thread::sleep(*time);
                Ok(())
            }
            _ => self.happen(step),
        }
    }

    /// What happens to readers and cards.
    fn happen(&self, step: &Step) -> Result<(), String> {
        match step {
            Step::Fault(injection) => self.readers.iter().for_each(|reader| reader.inject(injection.clone())),
            Step::Insert(slot, card) => {
                let card = match card.as_str() {
                    "default" => BuiltinCard::default(),
                    "t0" => BuiltinCard::new(Protocols::T0),
                    "t1" => BuiltinCard::new(Protocols::T1),
                    "mute" => BuiltinCard::mute(),
                    other => return Err(format!("\"{other}\" is no card")),
                };
                let (reader, slot) = self.place(*slot)?;
                drop(reader.insert(slot, card));
            }
            Step::Remove(slot) => {
                let (reader, slot) = self.place(*slot)?;
                drop(reader.remove(slot).ok_or("there was no card")?);
            }
            Step::RemoveAfter(slot, after) => {
                let (reader, slot) = self.place(*slot)?;
                reader.remove_after(*after, slot);
            }
            Step::Unplug => self.readers.iter().for_each(Reader::unplug),
            other => return Err(format!("{other:?} does not happen by itself")),
        }
        Ok(())
    }

    fn place(&self, slot: usize) -> Result<(&Reader, u8), String> {
        let each = (self.names.len() / self.readers.len().max(1)).max(1);
        let reader = self
            .readers
            .get(slot / each)
            .ok_or_else(|| format!("there is no slot {slot}"))?;
        Ok((reader, u8::try_from(slot % each).map_err(|error| error.to_string())?))
    }

    fn card(&self, name: &str) -> Result<Handle, String> {
        let card = self.cards.get(name).ok_or_else(|| format!("no connection {name}"))?;
        Ok(card.handle)
    }

    fn wire(&mut self, expected: &[(String, u64)]) -> Result<(), String> {
        let now: Vec<Counters> = self.readers.iter().map(Reader::counters).collect();
        let before = std::mem::replace(&mut self.counted, now);
        let sum = |all: &[Counters], name: &str| all.iter().filter_map(|one| value(one, name)).sum::<u64>();
        for (name, count) in expected {
            let grown = sum(&self.counted, name) - sum(&before, name);
            if grown != *count {
                return Err(format!("{name} has grown by {grown}, not {count}"));
            }
        }
        Ok(())
    }
}

fn compare<T: Debug + PartialEq>(result: &Outcome<T>, expected: &Expected<T>) -> Result<(), String> {
    if result == expected {
        Ok(())
    } else {
        Err(format!("{result:?} instead of {expected:?}"))
    }
}

fn compare_protocols(result: Outcome<u64>, expected: Expected<u64>) -> Result<(), String> {
    let name = |protocol| match protocol {
        T0 => "T0",
        T1 => "T1",
        _ => "none",
    };
    compare(&result.map(name), &expected.map(name))
}

fn compare_bytes(result: Outcome<Vec<u8>>, expected: &Expected<Vec<u8>>) -> Result<(), String> {
    let hex = |bytes: &Vec<u8>| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    compare(
        &result.as_ref().map(hex).map_err(|error| *error),
        &expected.as_ref().map(hex).map_err(|error| *error),
    )
}
