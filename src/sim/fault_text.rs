//! Misbehaviours by name, as in `WINSCARD_SIM=builtin:fault=NAME/VALUE@COMMAND*TIMES`.

use std::time::Duration;

use super::fault::{Fault, Injection, Times};
use super::options::{number, time};
use super::wire::kind;

/// Names of commands, as after `@`.
const COMMANDS: [(&str, u8); 13] = [
    ("power-on", kind::ICC_POWER_ON),
    ("power-off", kind::ICC_POWER_OFF),
    ("status", kind::GET_SLOT_STATUS),
    ("xfr", kind::XFR_BLOCK),
    ("get-parameters", kind::GET_PARAMETERS),
    ("reset-parameters", kind::RESET_PARAMETERS),
    ("set-parameters", kind::SET_PARAMETERS),
    ("escape", kind::ESCAPE),
    ("clock", kind::ICC_CLOCK),
    ("secure", kind::SECURE),
    ("mechanical", kind::MECHANICAL),
    ("abort", kind::ABORT),
    ("data-rate", kind::SET_DATA_RATE_AND_CLOCK),
];

/// Time between extensions where none is given.
const EXTENSION_EVERY: Duration = Duration::from_millis(100);

impl Injection {
    /// Reads `NAME[/VALUE…][@COMMAND][*TIMES]`; `None` if any of it means nothing. Without command the next one counts,
    /// without times it shows once.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (text, times) = match text.split_once('*') {
            Some((text, "always")) => (text, Times::Always),
            Some((text, count)) => (text, Times::Count(number(count, 1, 1_000_000)?)),
            None => (text, Times::Count(1)),
        };
        let (text, on) = match text.split_once('@') {
            Some((text, name)) => {
                let (_, kind) = COMMANDS.iter().find(|(known, _)| *known == name)?;
                (text, Some(*kind))
            }
            None => (text, None),
        };
        let mut words = text.split('/');
        let fault = fault(words.next()?, &mut words)?;
        words.next().is_none().then_some(Self { fault, on, times })
    }
}

fn fault<'a>(name: &str, values: &mut impl Iterator<Item = &'a str>) -> Option<Fault> {
    let byte = |text: Option<&str>| number::<u8>(text?, 0, 255);
    let length = |text: Option<&str>| number::<usize>(text?, 0, 1 << 20);
    Some(match name {
        "wrong-sequence" => Fault::WrongSequence,
        "wrong-slot" => Fault::WrongSlot,
        "other-slot" => Fault::OtherSlot(byte(values.next())?),
        "wrong-type" => Fault::WrongType(byte(values.next())?),
        "stale-answer" => Fault::StaleAnswer,
        "time-extension" => Fault::TimeExtension {
            count: byte(values.next())?,
            multiplier: values.next().map_or(Some(1), |text| byte(Some(text)))?,
            every: values.next().map_or(Some(EXTENSION_EVERY), time)?,
        },
        "split-answer" => Fault::SplitAnswer(length(values.next())?),
        "cut-answer" => Fault::CutAnswer(length(values.next())?),
        "missing-zlp" => Fault::MissingZlp,
        "zlp-before" => Fault::ZlpBefore,
        "zlp-after" => Fault::ZlpAfter,
        "babble" => Fault::Babble,
        "stall-in" => Fault::StallIn,
        "stall-out" => Fault::StallOut,
        "wrong-length" => Fault::WrongLength(values.next()?.parse().ok()?),
        "silence" => Fault::Silence,
        "lost" => Fault::Lost,
        "delay" => Fault::Delay(time(values.next()?)?),
        "fail" => Fault::Fail(byte(values.next())?),
        "fail-after" => Fault::FailAfter(byte(values.next())?),
        "garble" => Fault::Garble(length(values.next())?),
        "power-on-fails" => Fault::PowerOnFails(values.map(|text| byte(Some(text))).collect::<Option<_>>()?),
        "answer" => Fault::Answer(hex(values.next()?)?),
        "card-pulled" => Fault::CardPulled,
        "unplugged" => Fault::Unplugged,
        "interrupt" => Fault::Interrupt(hex(values.next()?)?),
        _ => return None,
    })
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || text.len() % 2 != 0 {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_understood_with_values_command_and_times() {
        let parse = |text: &str| Injection::parse(text).unwrap();
        for name in [
            "wrong-sequence",
            "wrong-slot",
            "other-slot/255",
            "wrong-type/0x83",
            "stale-answer",
            "time-extension/2",
            "split-answer/10",
            "cut-answer/0",
            "missing-zlp",
            "zlp-before",
            "zlp-after",
            "babble",
            "stall-in",
            "stall-out",
            "wrong-length/-3",
            "silence",
            "lost",
            "delay/2s",
            "fail/0xFE",
            "power-on-fails/1/3",
            "answer/80000000000000000000",
            "card-pulled",
            "unplugged",
            "interrupt/5003",
        ] {
            assert_eq!((parse(name).on, parse(name).times), (None, Times::Count(1)), "{name}");
        }
        let full = parse("time-extension/3/5/20ms@xfr*always");
        let every = Duration::from_millis(20);
        let expected = Fault::TimeExtension {
            count: 3,
            multiplier: 5,
            every,
        };
        assert_eq!((full.fault, full.on, full.times), (expected, Some(0x6F), Times::Always));
        assert_eq!(parse("fail-after/0xFD").fault, Fault::FailAfter(0xFD));
        assert_eq!(parse("garble/3").fault, Fault::Garble(3));
        assert_eq!(parse("power-on-fails/1/3").fault, Fault::PowerOnFails(vec![1, 3]));
        assert_eq!(parse("interrupt/5003").fault, Fault::Interrupt(vec![0x50, 3]));
        assert_eq!(parse("fail/254@power-on*3").times, Times::Count(3));
        for (name, kind) in COMMANDS {
            assert_eq!(parse(&format!("lost@{name}")).on, Some(kind));
        }
    }

    #[test]
    fn what_means_nothing_is_none() {
        for text in [
            "",
            "lose",
            "lost/1",
            "fail",
            "fail/256",
            "lost@xfrs",
            "lost*0",
            "lost*",
            "interrupt/5",
            "interrupt/zz",
            "delay/9d",
            "other-slot",
        ] {
            assert_eq!(Injection::parse(text), None, "{text}");
        }
    }
}
