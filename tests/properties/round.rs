//! One random world, some exchanges in it, and what must hold of each.

use std::sync::Weak;
use std::time::{Duration, Instant};

use winscard::sim::Level;

use crate::card_bench::*;
use crate::dice::Dice;
use crate::world::{Trouble, World};

/// No exchange of these cards takes longer, whatever goes wrong; each wait in it is about a second, three with T=0.
const BOUND: Duration = Duration::from_secs(25);

/// What `SCardTransmit` may say in these worlds.
const DOCUMENTED: [Error; 5] = [NotTransacted, ResetCard, RemovedCard, NoSmartcard, ReaderUnavailable];

/// What `SCardConnect` may say.
const UNCONNECTED: [Error; 4] = [UnresponsiveCard, UnpoweredCard, NoSmartcard, ReaderUnavailable];

/// How the exchanges went.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) right: u32,
    pub(crate) failed: u32,
    /// Exchanges with trouble that nobody noticed.
    pub(crate) mended: u32,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.right += other.right;
        self.failed += other.failed;
        self.mended += other.mended;
    }
}

/// A command with the one right answer, and what fetches the rest of it with T=0.
#[derive(Debug)]
struct Question {
    command: Vec<u8>,
    answer: Vec<u8>,
    rest: Option<(Vec<u8>, Vec<u8>)>,
}

impl Question {
    fn random(dice: &mut Dice, world: &World, card: &Card) -> Self {
        if dice.chance(8) {
            let delay = u8::try_from(dice.between(0, 60)).expect("small");
            return Self::plain(vec![0x80, 0x10, 0, delay], Vec::new());
        }
        if !world.is_bare() {
            return Self::apdu(dice, world.config.level);
        }
        if card.active == T1 {
            let len = dice.between(1, 600);
            return Self::echo(dice.bytes(len));
        }
        let most = (world.payload() - 5).min(255);
        let len = dice.between(1, most);
        let short = u8::try_from(len).expect("short");
        if dice.chance(50) {
            let command = vec![0x80, 0x12, 0, short, short];
            return Self::plain(command, (0..short).collect());
        }
        let data = dice.bytes(len);
        Self {
            command: [&[0x80, 0x12, 0, 0, short], &data[..]].concat(),
            answer: vec![0x61, short],
            rest: Some((vec![0, 0xC0, 0, 0, short], [&data[..], OK_SW].concat())),
        }
    }

    fn apdu(dice: &mut Dice, level: Level) -> Self {
        let most = if level == Level::ExtendedApdu && dice.chance(50) {
            3000
        } else {
            255
        };
        let len = dice.between(1, most);
        if dice.chance(50) {
            return Self::echo(dice.bytes(len));
        }
        let [high, low] = u16::try_from(len).expect("16 bits").to_be_bytes();
        let mut command = vec![0x80, 0x12, high, low];
        command.extend(if len > 255 { vec![0, 0, 0] } else { vec![0] });
        Self::plain(command, (0..=u8::MAX).cycle().take(len).collect())
    }

    fn echo(data: Vec<u8>) -> Self {
        let mut command = vec![0x80, 0x12, 0, 0];
        if let Ok(len) = u8::try_from(data.len()) {
            command.push(len);
            command.extend(&data);
            command.push(0);
        } else {
            command.push(0);
            command.extend(u16::try_from(data.len()).expect("16 bits").to_be_bytes());
            command.extend(&data);
            command.extend([0, 0]);
        }
        Self::plain(command, data)
    }

    fn plain(command: Vec<u8>, data: Vec<u8>) -> Self {
        Self {
            command,
            answer: [&data[..], OK_SW].concat(),
            rest: None,
        }
    }

    /// Asks; an answer must be the right one.
    fn ask(&self, card: Handle, what: &str) -> Outcome {
        self.part(card, &self.command, &self.answer, what)
    }

    /// Asks for the rest, which must be right if it comes at all.
    fn ask_on(&self, card: Handle, what: &str) -> Outcome {
        match &self.rest {
            Some((command, answer)) => self.part(card, command, answer, what),
            None => Ok(()),
        }
    }

    fn part(&self, card: Handle, command: &[u8], expected: &[u8], what: &str) -> Outcome {
        let started = Instant::now();
        let result = card.transmit(command);
        let time = started.elapsed();
        assert!(time < BOUND, "{what}: {time:?}");
        let response = result?;
        assert!(
            response == expected,
            "{what}: a wrong answer to {command:02X?}: {response:02X?} instead of {expected:02X?}"
        );
        Ok(())
    }
}

/// Plays one world; panics if something is not as it must be.
pub(crate) fn play(seed: u64) -> Tally {
    let mut dice = Dice::new(seed);
    let world = World::random(&mut dice);
    let name = format!("seed {seed:#x}, {world:?}");
    let bench = Bench::empty(world.config.clone());
    let mut life = Weak::new();
    put_in(&bench, &world, &mut life);
    let context = Context::new();
    if dice.chance(40) {
        connect_in_trouble(&mut dice, &bench, &context, &name);
        put_in(&bench, &world, &mut life);
    }
    if !bench.reader.is_plugged() {
        return Tally::default();
    }
    let card = context.connect(&bench.name, SHARED, ANY);
    let mut card = card.unwrap_or_else(|error| panic!("{name}: connect: {error:?}"));
    hear_out(&mut card, &name);
    let mut tally = Tally::default();
    for step in 0..8 {
        let what = format!("{name}, step {step}");
        if !exchange(&mut dice, &bench, &mut card, &world, &mut life, &mut tally, &what) {
            break;
        }
    }
    tally
}

/// Connecting while things go wrong; afterwards it works.
fn connect_in_trouble(dice: &mut Dice, bench: &Bench, context: &Context, name: &str) {
    let trouble = Trouble::of_connecting(dice);
    for injection in &trouble.injections {
        bench.reader.inject(injection.clone());
    }
    if let Err(error) = context.connect(&bench.name, SHARED, ANY).map(drop) {
        let gone = trouble.takes_the_reader() && error == UnknownReader;
        assert!(
            UNCONNECTED.contains(&error) || gone,
            "{name}: connecting with {trouble:?}: {error:?}"
        );
    }
    bench.reader.clear_faults();
}

/// Puts a card in if there is none.
fn put_in(bench: &Bench, world: &World, life: &mut Weak<()>) {
    if life.strong_count() == 0 && bench.reader.is_plugged() {
        let card = world.card.card();
        *life = card.life();
        drop(bench.reader.insert(0, card));
    }
}

/// One exchange in trouble, and one after it; false when the reader has left.
fn exchange(
    dice: &mut Dice,
    bench: &Bench,
    card: &mut Card,
    world: &World,
    life: &mut Weak<()>,
    tally: &mut Tally,
    what: &str,
) -> bool {
    let trouble = Trouble::of_exchange(dice, world, card.active == T1);
    let question = Question::random(dice, world, card);
    let what = format!("{what}, T{}, {trouble:?}", card.active - 1);
    for injection in &trouble.injections {
        bench.reader.inject(injection.clone());
    }
    let started = Instant::now();
    let result = question.ask(card.handle, &what);
    bench.reader.clear_faults();
    // The rest of an answer is asked for in peace.
    let result = result.and_then(|()| question.ask_on(card.handle, &what));
    if !bench.reader.is_plugged() {
        assert!(trouble.takes_the_reader(), "{what}");
        assert!(
            matches!(result, Err(ReaderUnavailable | InvalidValue)),
            "{what}: {result:?}"
        );
        return false;
    }
    match result {
        Ok(()) => {
            tally.right += 1;
            tally.mended += u32::from(!trouble.injections.is_empty());
        }
        Err(error) => {
            tally.failed += 1;
            assert!(!trouble.is_harmless(), "{what}: {error:?}");
            assert!(DOCUMENTED.contains(&error), "{what}: {error:?}");
        }
    }
    put_in(bench, world, life);
    if result.is_err() {
        // A reader that cannot abort is at it until it is done.
        std::thread::sleep(trouble.lasts().saturating_sub(started.elapsed()));
    }
    recover(dice, card, world, &trouble, result, &what);
    true
}

/// The trouble is over: the next exchange is right, or says what happened and is right after a reconnect.
fn recover(dice: &mut Dice, card: &mut Card, world: &World, trouble: &Trouble, result: Outcome, what: &str) {
    if trouble.has_reports() || trouble.takes_the_card() {
        hear_out(card, what);
    }
    let question = Question::random(dice, world, card);
    if result.is_ok() || dice.chance(50) {
        match question.ask(card.handle, what) {
            Ok(()) => {
                assert_eq!(question.ask_on(card.handle, what), Ok(()), "{what}");
                return;
            }
            Err(error) => {
                assert!(!trouble.is_harmless(), "{what}: afterwards {error:?}");
                let late = trouble.may_show_late() && error == NotTransacted;
                assert!(
                    late || matches!(error, ResetCard | RemovedCard),
                    "{what}: afterwards {error:?}"
                );
            }
        }
    }
    let how = dice.pick(&[LEAVE, RESET, UNPOWER]);
    let active = card.handle.reconnect(SHARED, ANY, how);
    card.active = active.unwrap_or_else(|error| panic!("{what}: reconnect({how}): {error:?}"));
    let question = Question::random(dice, world, card);
    assert_eq!(
        question.ask(card.handle, what),
        Ok(()),
        "{what}: after reconnect({how})"
    );
    assert_eq!(
        question.ask_on(card.handle, what),
        Ok(()),
        "{what}: after reconnect({how})"
    );
}

/// Lets late reports of the interrupt endpoint have their effect: to a driver whose reader powers cards by itself, a
/// change that nobody saw happen is a swap. One report is read in each turn.
fn hear_out(card: &mut Card, what: &str) {
    for _ in 0..4 {
        if card.handle.status() == Err(RemovedCard) {
            let active = card.handle.reconnect(SHARED, ANY, LEAVE);
            card.active = active.unwrap_or_else(|error| panic!("{what}: reconnect: {error:?}"));
        }
    }
}
