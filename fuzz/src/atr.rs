//! ATR → what it offers → parameters, times, and the PPS to make (ISO 7816-3 §8, §9).

use crate::input::Input;
use std::time::Duration;
use winscard::iso7816::pps::{self, Plan, Rates};
use winscard::iso7816::{Atr, AtrBytes, Protocol, Protocols, available_protocols, params, t1};

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (clock_khz, max_bps) = (input.u32(), input.u32());
    let list: Vec<u32> = (0..input.below(8)).map(|_| input.u32()).collect();
    let fi_di = input.u8();
    let answer = input.counted();
    let bytes = input.rest();
    assert!(AtrBytes::new(bytes).as_slice().len() <= 33);
    let Ok(atr) = Atr::parse(bytes) else { return };
    assert_eq!(atr.bytes(), bytes);
    let pieces = atr.historical_bytes().len() + atr.trailing_bytes().len();
    assert!(pieces < bytes.len());
    assert!(atr.groups().count() <= 33 && atr.protocols().all(|number| number < 15));
    let _told = (
        atr.tck(),
        atr.global_indicator(),
        atr.is_complete(),
        atr.tb1(),
        atr.tc1(),
        atr.tc2(),
    );
    let _offered: Protocols = available_protocols(bytes);
    assert!((1..=254).contains(&params::initial_ifsc(&atr)));
    let state = t1::State::of(&atr);
    assert_eq!(t1::State::decode(state.encode()), state);
    let rates = Rates {
        clock_khz,
        max_bps,
        table: &list,
    };
    let _any = rates.bps(fi_di);
    let _plan = Plan::without_request(&atr);
    for protocol in [Protocol::T0, Protocol::T1] {
        let time = params::exchange_time(&atr, protocol, fi_di, clock_khz);
        assert!(!time.is_zero() && time <= Duration::from_secs(24 * 3600), "{time:?}");
        let _blocks = (params::t0_parameters(&atr, fi_di), params::t1_parameters(&atr, fi_di));
        let Ok(plan) = pps::choose(&atr, protocol, &rates) else {
            continue;
        };
        if let Some(request) = plan.request {
            assert!((3..=4).contains(&request.len()));
            let sent = request.bytes();
            assert!(sent[..request.len()].iter().fold(0, |sum, byte| sum ^ byte) == 0, "PCK");
            assert!(request.accepted(&sent[..request.len()]).is_ok(), "its own echo");
            let _taken = request.accepted(answer);
        }
    }
}
