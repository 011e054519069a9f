//! The proof: what a program that uses the library now gets.

use super::Finding;
use crate::api::constants as c;
use crate::cli::failure::describe;
use crate::cli::list::{self, Seen};
use crate::cli::pcsc::Context;
use crate::error::Error;

/// Looks at every reader as a program does. `explained`: a reason why one is not available has been found already.
pub(super) fn readers(explained: bool) -> Vec<Finding> {
    let context = match Context::establish() {
        Ok(context) => context,
        Err(error) => {
            return vec![Finding::problem(
                "no-context",
                format!("SCardEstablishContext: {}", describe(error)),
            )];
        }
    };
    match list::look(&context) {
        Ok(seen) => seen.iter().map(|seen| judge(&context, seen, explained)).collect(),
        Err(failure) => vec![Finding::problem("no-list", failure.to_string().trim().to_owned())],
    }
}

fn judge(context: &Context, seen: &Seen, explained: bool) -> Finding {
    let state = &seen.state;
    let finding = if state.has(c::SCARD_STATE_UNAVAILABLE) {
        let finding = Finding::problem("unavailable", "is listed, and cannot be used");
        if explained {
            finding.remedy("the cause is above")
        } else {
            finding.remedy("WINSCARD_LOG=debug winscard list tells every step; please report it")
        }
    } else if !state.has(c::SCARD_STATE_PRESENT) {
        Finding::good("reader", "works; there is no card in it")
    } else if state.has(c::SCARD_STATE_INUSE) || state.has(c::SCARD_STATE_EXCLUSIVE) {
        // Not connected to: that would wait for the other's transaction.
        in_use(seen)
    } else {
        with_card(context, seen)
    };
    finding.about(state.name.clone())
}

fn in_use(seen: &Seen) -> Finding {
    let users: Vec<String> = seen.users.iter().map(crate::cli::users::User::describe).collect();
    let by = if users.is_empty() {
        String::new()
    } else {
        format!(" by {}", users.join(", "))
    };
    if seen.state.has(c::SCARD_STATE_EXCLUSIVE) {
        Finding::warning("exclusive", format!("works; its card is used exclusively{by}"))
            .remedy("end that program, or wait until it is done with the card")
    } else {
        Finding::good("reader", format!("works; its card is in use{by}"))
    }
}

/// Connects, which powers the card up; nothing is sent to it.
fn with_card(context: &Context, seen: &Seen) -> Finding {
    match context.connect(&seen.state.name, c::SCARD_SHARE_SHARED, c::SCARD_PROTOCOL_ANY) {
        Ok(_connection) => Finding::good("reader", "works, and so does the card in it"),
        Err(error @ (Error::UnpoweredCard | Error::UnresponsiveCard)) => {
            Finding::problem("card", format!("the card does not answer: {}", describe(error)))
                .remedy("take it out, look at its contacts and which way round it goes, and put it back in")
                .remedy("try it in another reader: then you know which of the two it is")
        }
        Err(error) => Finding::problem("card", format!("connecting to the card: {}", describe(error)))
            .remedy("WINSCARD_LOG=debug winscard doctor tells every step"),
    }
}
