//! A trace as a picture: for each thread its calls over time, and within them the time of the card, of the USB and of waiting.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::event::Event;

const WIDTH: u64 = 1200;
const LEFT: u64 = 240;
const TOP: u64 = 70;
const ROW: u64 = 64;

/// Kinds of time: name, colour, height and distance from the top of the row.
const CALL: Kind = Kind::new("in a call", "#d7dde4", 40, 4);
const CARD: Kind = Kind::new("card", "#d9822b", 10, 8);
const USB: Kind = Kind::new("USB", "#2b78d9", 10, 19);
const WAIT: Kind = Kind::new("waiting", "#8e44ad", 10, 30);

#[derive(Clone, Copy, Debug)]
struct Kind {
    name: &'static str,
    colour: &'static str,
    height: u64,
    down: u64,
}

impl Kind {
    const fn new(name: &'static str, colour: &'static str, height: u64, down: u64) -> Self {
        Self {
            name,
            colour,
            height,
            down,
        }
    }
}

/// A thread's part.
#[derive(Debug, Default)]
struct Lane {
    calls: Vec<(u64, u64, String)>,
    card: Vec<(u64, u64)>,
    usb: Vec<(u64, u64)>,
    wait: Vec<(u64, u64, String)>,
}

/// The picture.
pub(super) fn of(events: &[Event]) -> String {
    let mut lanes: BTreeMap<(u64, u64), Lane> = BTreeMap::new();
    let mut names: BTreeMap<u64, String> = BTreeMap::new();
    for event in events {
        if event.kind == "process" {
            names.insert(event.pid, event.text("name").to_owned());
            continue;
        }
        let lane = lanes.entry((event.pid, event.tid)).or_default();
        match event.kind.as_str() {
            "return" => {
                let text = format!(
                    "{}: {}, {} us",
                    event.text("name"),
                    event.text("result"),
                    event.number("us")
                );
                lane.calls
                    .push((event.at.saturating_sub(event.number("us")), event.at, text));
            }
            "wait" => lane.wait.push((event.at, event.end(), event.text("for").to_owned())),
            "usb" if event.has("for") => lane.card.push((event.at, event.end())),
            "usb" => lane.usb.push((event.at, event.end())),
            _ => {}
        }
    }
    let start = events.iter().map(|event| event.at).min().unwrap_or(0);
    let end = events
        .iter()
        .map(|event| if event.kind == "return" { event.at } else { event.end() })
        .max()
        .unwrap_or(0);
    let scale = Scale {
        start,
        length: end.saturating_sub(start).max(1),
    };
    picture(&lanes, &names, scale)
}

#[derive(Clone, Copy, Debug)]
struct Scale {
    start: u64,
    length: u64,
}

impl Scale {
    /// Place of a moment, in hundredths of a unit.
    fn place(self, at: u64) -> u64 {
        let part = u128::from(at.saturating_sub(self.start)) * u128::from(WIDTH - LEFT - 20) * 100;
        LEFT * 100 + u64::try_from(part / u128::from(self.length)).unwrap_or(0)
    }

    /// Distance between marks: 1, 2 or 5 times a power of ten, about eight on the axis.
    fn step(self) -> u64 {
        let wanted = (self.length / 8).max(1);
        let mut power = 1;
        while power * 10 <= wanted {
            power *= 10;
        }
        [1, 2, 5, 10]
            .into_iter()
            .map(|factor| factor * power)
            .find(|step| *step >= wanted)
            .unwrap_or(power * 10)
    }
}

fn units(hundredths: u64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn picture(lanes: &BTreeMap<(u64, u64), Lane>, names: &BTreeMap<u64, String>, scale: Scale) -> String {
    let rows = u64::try_from(lanes.len()).unwrap_or(0);
    let height = TOP + rows * ROW + 40;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"22\" font-size=\"16\" font-weight=\"bold\">PC/SC calls over {}</text>\n",
        duration(scale.length)
    );
    legend(&mut svg);
    axis(&mut svg, scale, TOP + rows * ROW);
    for (row, ((pid, tid), lane)) in (0..).zip(lanes) {
        let top = TOP + row * ROW;
        let name = names.get(pid).map_or("?", String::as_str);
        let of_thread = if pid == tid {
            String::new()
        } else {
            format!(", thread {tid}")
        };
        let _never = writeln!(svg, "<text x=\"10\" y=\"{}\">{}</text>", top + 18, escaped(name));
        let _never = writeln!(
            svg,
            "<text x=\"10\" y=\"{}\" fill=\"#666\">process {pid}{of_thread}</text>",
            top + 33
        );
        let _never = writeln!(
            svg,
            "<text x=\"10\" y=\"{}\" fill=\"#666\" font-size=\"10\">{}</text>",
            top + 48,
            sums(lane)
        );
        for (begin, end, text) in &lane.calls {
            bar(&mut svg, scale, top, CALL, (*begin, *end), text);
        }
        for (begin, end) in &lane.card {
            bar(&mut svg, scale, top, CARD, (*begin, *end), "card");
        }
        for (begin, end) in &lane.usb {
            bar(&mut svg, scale, top, USB, (*begin, *end), "USB");
        }
        for (begin, end, text) in &lane.wait {
            bar(
                &mut svg,
                scale,
                top,
                WAIT,
                (*begin, *end),
                &format!("waiting for {text}"),
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// What each kind of time adds up to.
fn sums(lane: &Lane) -> String {
    let sum = |spans: &mut dyn Iterator<Item = (u64, u64)>| {
        duration(spans.map(|(begin, end)| end.saturating_sub(begin)).sum())
    };
    format!(
        "card {}, USB {}, waiting {}",
        sum(&mut lane.card.iter().copied()),
        sum(&mut lane.usb.iter().copied()),
        sum(&mut lane.wait.iter().map(|(begin, end, _)| (*begin, *end))),
    )
}

fn legend(svg: &mut String) {
    for (place, kind) in (0..).zip([CALL, CARD, USB, WAIT]) {
        let x = LEFT + 380 + place * 110;
        let _never = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"12\" width=\"14\" height=\"12\" fill=\"{}\"/><text x=\"{}\" y=\"22\">{}</text>",
            kind.colour,
            x + 20,
            kind.name
        );
    }
}

fn axis(svg: &mut String, scale: Scale, bottom: u64) {
    let step = scale.step();
    let mut at = 0;
    while at <= scale.length {
        let x = units(scale.place(scale.start + at));
        let _never = writeln!(
            svg,
            "<line x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{bottom}\" stroke=\"#ddd\"/>\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" fill=\"#666\">{}</text>",
            TOP - 8,
            bottom + 18,
            duration(at)
        );
        at += step;
    }
}

/// One span, at least half a unit wide so that it is seen.
fn bar(svg: &mut String, scale: Scale, top: u64, kind: Kind, (begin, end): (u64, u64), title: &str) {
    let x = scale.place(begin);
    let width = scale.place(end.max(begin)).saturating_sub(x).max(50);
    let _never = writeln!(
        svg,
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"><title>{}</title></rect>",
        units(x),
        top + kind.down,
        units(width),
        kind.height,
        kind.colour,
        escaped(title)
    );
}

fn duration(micros: u64) -> String {
    if micros >= 1_000_000 {
        format!("{}.{:02} s", micros / 1_000_000, micros / 10_000 % 100)
    } else if micros >= 1000 {
        format!("{}.{:02} ms", micros / 1000, micros / 10 % 100)
    } else {
        format!("{micros} us")
    }
}

fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for character in text.chars() {
        match character {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            control if control.is_control() => safe.push('.'),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn spans_are_drawn_where_they_were() {
        let events: Vec<Event> = [
            r#"{"t":0,"pid":1,"tid":1,"event":"process","name":"a<b"}"#,
            r#"{"t":250,"pid":1,"tid":1,"event":"usb","kind":"in","for":"card","us":500}"#,
            r#"{"t":1000,"pid":1,"tid":1,"event":"return","name":"SCardTransmit","result":"SCARD_S_SUCCESS","us":1000}"#,
        ]
        .iter()
        .map(|line| Event::parse(line).unwrap())
        .collect();
        let svg = of(&events);
        assert!(svg.contains("<rect x=\"240.00\" y=\"74\" width=\"940.00\""), "{svg}");
        assert!(
            svg.contains("<rect x=\"475.00\" y=\"78\" width=\"470.00\" height=\"10\" fill=\"#d9822b\">"),
            "{svg}"
        );
        assert!(svg.contains("a&lt;b") && svg.contains("card 500 us"), "{svg}");
        assert!(of(&[]).contains("</svg>"));
    }

    #[test]
    fn marks_are_round() {
        let step = |length| Scale { start: 0, length }.step();
        assert_eq!([step(1), step(80), step(1000), step(123_456)], [1, 10, 200, 20_000]);
    }
}
