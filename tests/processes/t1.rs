//! T=1 made by the host, by several processes in turn: sequence numbers and sizes are in the record.

use winscard::error::Error::ResetCard;

use crate::agents::*;

/// A TPDU-level reader that leaves IFSD to the host, and a card with T=1 only.
const DEVICE: &[&str] = &["level=tpdu,card=t1,features=0x3A"];

/// A command that is answered with its data, and the answer.
fn echo(len: u8) -> (String, String) {
    let data: String = (0..len).map(|n| format!("{:02X}", n ^ 0x5A)).collect();
    (format!("80120000{len:02X}{data}00"), format!("{data}9000"))
}

#[test]
fn processes_go_on_with_each_others_t1() {
    let world = World::new(DEVICE);
    let (mut a, mut b) = (world.connected(SHARED), world.connected(SHARED));
    let mut blocks = world.counter("xfr_blocks");
    assert_eq!(blocks, 1, "the card has been told our IFSD once");
    for len in [1, 200, 250, 3, 17, 254, 9] {
        for agent in [&mut a, &mut b] {
            let (command, response) = echo(len);
            agent.answers(&command, &response);
        }
        // One block each way, or two: none asks for anything again.
        let now = world.counter("xfr_blocks");
        assert!(now - blocks <= 2 * 3, "{len} bytes took {} blocks", now - blocks);
        blocks = now;
    }
    // One that leaves without a word leaves nothing behind.
    a.kill();
    let (command, response) = echo(30);
    b.answers(&command, &response);
    world.connected(SHARED).answers(&command, &response);
    assert_eq!(world.resets(), 1);
}

#[test]
fn death_between_two_blocks_is_noticed_and_the_card_is_reset() {
    let world = World::new(DEVICE);
    let (mut a, mut b) = (world.connected(SHARED), world.connected(SHARED));
    a.answers(VERIFY, "9000");
    // Ten seconds: the card asks for more time, and its answer will not be fetched.
    a.start("transmit 80102710");
    while world.counter("xfr_blocks") < 4 {
        std::thread::yield_now();
    }
    a.kill();
    b.gives(&format!("transmit {SELECT}"), ResetCard);
    b.gives("reconnect 2 3 0", Fine);
    b.answers(IS_VERIFIED, "63C3");
    let (command, response) = echo(100);
    b.answers(&command, &response);
}
