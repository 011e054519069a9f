//! Faults by name, for the control channel.

use super::{Fault, Injection, Times};
use crate::sim::options::{number, time};
use crate::sim::wire::kind;

/// `FAULT[:ARGUMENT…] [on=COMMAND] [times=N|always]`; several faults on one command are joined by `+`.
///
/// # Errors
/// Says what is not understood.
pub(in crate::sim) fn parse_injection(words: &[&str]) -> Result<Injection, String> {
    let (name, rest) = words.split_first().ok_or("no fault named")?;
    let mut faults = name.split('+').map(fault).collect::<Result<Vec<_>, _>>()?;
    let fault = if faults.len() == 1 {
        faults.remove(0)
    } else {
        Fault::Several(faults)
    };
    let mut injection = Injection::from(fault);
    for word in rest {
        let not_understood = || format!("\"{word}\" is not understood");
        match word.split_once('=') {
            Some(("on", command)) => injection.on = Some(message(command).ok_or_else(not_understood)?),
            Some(("times", "always")) => injection.times = Times::Always,
            Some(("times", count)) => {
                let count = number(count, 1, u64::from(u32::MAX)).ok_or_else(not_understood)?;
                injection.times = Times::Count(count);
            }
            _ => return Err(not_understood()),
        }
    }
    Ok(injection)
}

fn fault(word: &str) -> Result<Fault, String> {
    let (name, arguments) = word.split_once(':').unwrap_or((word, ""));
    let arguments: Vec<&str> = arguments.split(':').filter(|a| !a.is_empty()).collect();
    one(name, &arguments).ok_or_else(|| format!("\"{word}\" is no fault"))
}

fn one(name: &str, arguments: &[&str]) -> Option<Fault> {
    let byte = |text: &str| number::<u8>(text, 0, 255);
    Some(match (name, arguments) {
        ("wrong-sequence", []) => Fault::WrongSequence,
        ("wrong-slot", []) => Fault::WrongSlot,
        ("wrong-type", [kind]) => Fault::WrongType(byte(kind)?),
        ("stale-answer", []) => Fault::StaleAnswer,
        ("time-extension", [count, multiplier, every]) => Fault::TimeExtension {
            count: byte(count)?,
            multiplier: byte(multiplier)?,
            every: time(every)?,
        },
        ("split-answer", [at]) => Fault::SplitAnswer(at.parse().ok()?),
        ("missing-zlp", []) => Fault::MissingZlp,
        ("zlp-before", []) => Fault::ZlpBefore,
        ("zlp-after", []) => Fault::ZlpAfter,
        ("babble", []) => Fault::Babble,
        ("stall-in", []) => Fault::StallIn,
        ("stall-out", []) => Fault::StallOut,
        ("wrong-length", [by]) => Fault::WrongLength(by.parse().ok()?),
        ("silence", []) => Fault::Silence,
        ("lost", []) => Fault::Lost,
        ("delay", [by]) => Fault::Delay(time(by)?),
        ("fail", [error]) => Fault::Fail(byte(error)?),
        ("fail-after", [error]) => Fault::FailAfter(byte(error)?),
        ("garble", [place]) => Fault::Garble(place.parse().ok()?),
        ("power-on-fails", [selects]) => Fault::PowerOnFails(selects.split(',').map(byte).collect::<Option<Vec<_>>>()?),
        ("card-pulled", []) => Fault::CardPulled,
        ("unplugged", []) => Fault::Unplugged,
        ("interrupt", [hex]) => Fault::Interrupt(bytes(hex)?),
        _ => return None,
    })
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = hex.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    digits
        .chunks(2)
        .map(|pair| match *pair {
            [high, low] => u8::try_from(high << 4 | low).ok(),
            _ => None,
        })
        .collect()
}

/// `bMessageType` of a command by name or number.
fn message(name: &str) -> Option<u8> {
    Some(match name {
        "power-on" => kind::ICC_POWER_ON,
        "power-off" => kind::ICC_POWER_OFF,
        "status" => kind::GET_SLOT_STATUS,
        "xfr" => kind::XFR_BLOCK,
        "get-parameters" => kind::GET_PARAMETERS,
        "reset-parameters" => kind::RESET_PARAMETERS,
        "set-parameters" => kind::SET_PARAMETERS,
        "escape" => kind::ESCAPE,
        "secure" => kind::SECURE,
        "abort" => kind::ABORT,
        _ => number(name, 0, 255)?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn faults_are_found_by_name() {
        let all = [
            ("wrong-type:0x81", Fault::WrongType(0x81)),
            ("split-answer:12", Fault::SplitAnswer(12)),
            ("wrong-length:-3", Fault::WrongLength(-3)),
            ("delay:20ms", Fault::Delay(Duration::from_millis(20))),
            ("fail-after:0xFD", Fault::FailAfter(0xFD)),
            ("garble:3", Fault::Garble(3)),
            ("power-on-fails:1,2", Fault::PowerOnFails(vec![1, 2])),
            ("interrupt:5003", Fault::Interrupt(vec![0x50, 3])),
            (
                "zlp-before+stall-in",
                Fault::Several(vec![Fault::ZlpBefore, Fault::StallIn]),
            ),
            (
                "time-extension:2:1:5ms",
                Fault::TimeExtension {
                    count: 2,
                    multiplier: 1,
                    every: Duration::from_millis(5),
                },
            ),
        ];
        for (words, fault) in all {
            assert_eq!(parse_injection(&[words]).unwrap(), Injection::from(fault), "{words}");
        }
        let injection = parse_injection(&["silence", "on=xfr", "times=3"]).unwrap();
        assert_eq!(injection, Injection::on(kind::XFR_BLOCK, Fault::Silence).times(3));
        let injection = parse_injection(&["lost", "on=0x65", "times=always"]).unwrap();
        assert_eq!(injection, Injection::on(kind::GET_SLOT_STATUS, Fault::Lost).always());
    }

    #[test]
    fn nonsense_is_named() {
        for words in [
            &[][..],
            &["nonsense"],
            &["wrong-type"],
            &["wrong-type:256"],
            &["interrupt:5"],
            &["silence:1"],
            &["lost", "on=nothing"],
            &["lost", "times=0"],
            &["lost", "often"],
        ] {
            assert!(parse_injection(words).is_err(), "{words:?}");
        }
    }
}
